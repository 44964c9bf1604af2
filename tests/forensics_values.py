"""Cases as values: an intake in which every role of the playbook has a column, and what a team
says of it. The queries and sentences of its claims are the playbook's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from tasks.forensics.claims import Affected, Checked, Claim, Polarity, Query, Result, Sentence
from tasks.forensics.custody import Custody, Exhibit, LeftOut
from tasks.forensics.deciding import Docket
from tasks.forensics.intake import Clock, Column, Examined, Intake, Place, Table
from tasks.forensics.manifest import Case
from tasks.forensics.playbook import Playbook, load_playbook, query_of, sentence
from tasks.forensics.reporting.content import Material, Plot, RunFacts
from tasks.forensics.verdict import verdict_of

SUBJECT = "P-7"
PERIOD = (datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))
PLAYBOOK: Playbook = load_playbook(None)
Figures = Mapping[str, float | int | None]

FOR: dict[str, Figures] = {
    "baseline": {"peers": 5, "peer_n": 100, "subject_n": 20},
    "payment": {"subject_n": 20, "with_payment": 20, "outcomes": 3},
    "last-click-hijack/quick": {
        "subject_n": 20,
        "subject_quick": 15,
        "peer_n": 100,
        "peer_quick": 1,
    },
    "last-click-hijack/already-there": {"subject_quick": 15, "browsing": 12},
    "last-click-hijack/approved-coupon-partner": {
        "subject_n": 20,
        "by_code": 0,
        "of_coupon_partner": 0,
    },
    "last-click-hijack/deliberate-click": {"subject_quick": 15, "with_referer": 0},
    "click-flooding/volume": {
        "subject_clicks": 10_000,
        "subject_sales": 5,
        "peer_median_clicks": 100,
        "peer_clicks": 1_000,
        "peer_sales": 50,
    },
    "click-flooding/link-monitor": {"subject_clicks": 10_000, "busiest_ip": 50},
    "click-flooding/viral-post": {"visitors": 5_000, "landed": 10},
    "cookie-stuffing/embedded": {
        "subject_n": 100,
        "subject_embedded": 80,
        "peer_n": 500,
        "peer_embedded": 2,
    },
    "cookie-stuffing/agreed-widget": {"visitors": 100, "went_on": 5},
    "self-referral/same-device-or-address": {
        "subject_n": 20,
        "subject_shared": 6,
        "peer_n": 100,
        "peer_shared": 1,
    },
    "self-referral/family-network": {"subject_n": 20, "same_device_or_card": 6},
    "fake-signups/unused": {
        "subject_n": 20,
        "subject_unused": 15,
        "peer_n": 100,
        "peer_unused": 10,
    },
    "fake-signups/company-network": {"subject_n": 20, "devices": 4},
    "payment-fraud/taken-back": {
        "subject_n": 20,
        "subject_back": 12,
        "peer_n": 100,
        "peer_back": 5,
    },
    "payment-fraud/unhappy-customers": {"taken_back": 12, "used_before": 0},
    "coupon-abuse/without-click": {
        "subject_n": 20,
        "subject_no_click": 18,
        "peer_n": 100,
        "peer_no_click": 2,
    },
    "coupon-abuse/approved-coupon-partner": {"subject_n": 20, "of_coupon_partner": 0},
    "coupon-abuse/real-subscribers": {"coded_n": 18, "came_before": 0},
    "ring/shared-with-other-partners": {
        "subject_n": 20,
        "subject_shared": 8,
        "peer_n": 100,
        "peer_shared": 1,
    },
    "ring/agency": {"devices": 3, "used_by_others": 0},
}
"""Figures that speak for each mechanism."""
AGAINST: dict[str, Figures] = FOR | {
    "baseline": {"peers": 0, "peer_n": 0, "subject_n": 20},
    "payment": {"subject_n": 20, "with_payment": 3, "outcomes": 1},
    "last-click-hijack/quick": {
        "subject_n": 20,
        "subject_quick": 0,
        "peer_n": 100,
        "peer_quick": 1,
    },
    "last-click-hijack/already-there": {"subject_quick": 0, "browsing": 0},
    "last-click-hijack/approved-coupon-partner": {
        "subject_n": 20,
        "by_code": 20,
        "of_coupon_partner": 0,
    },
    "last-click-hijack/deliberate-click": {"subject_quick": 15, "with_referer": 15},
    "click-flooding/volume": {
        "subject_clicks": 100,
        "subject_sales": 5,
        "peer_median_clicks": 100,
        "peer_clicks": 1_000,
        "peer_sales": 50,
    },
    "click-flooding/link-monitor": {"subject_clicks": 10_000, "busiest_ip": 9_900},
    "click-flooding/viral-post": {"visitors": 5_000, "landed": 4_900},
    "cookie-stuffing/embedded": {
        "subject_n": 100,
        "subject_embedded": 0,
        "peer_n": 500,
        "peer_embedded": 2,
    },
    "cookie-stuffing/agreed-widget": {"visitors": 100, "went_on": 95},
    "self-referral/same-device-or-address": {
        "subject_n": 20,
        "subject_shared": 0,
        "peer_n": 100,
        "peer_shared": 1,
    },
    "self-referral/family-network": {"subject_n": 20, "same_device_or_card": 0},
    "fake-signups/unused": {"subject_n": 20, "subject_unused": 1, "peer_n": 100, "peer_unused": 10},
    "fake-signups/company-network": {"subject_n": 20, "devices": 20},
    "payment-fraud/taken-back": {"subject_n": 20, "subject_back": 0, "peer_n": 100, "peer_back": 5},
    "payment-fraud/unhappy-customers": {"taken_back": 12, "used_before": 12},
    "coupon-abuse/without-click": {
        "subject_n": 20,
        "subject_no_click": 0,
        "peer_n": 100,
        "peer_no_click": 2,
    },
    "coupon-abuse/approved-coupon-partner": {"subject_n": 20, "of_coupon_partner": 20},
    "coupon-abuse/real-subscribers": {"coded_n": 18, "came_before": 18},
    "ring/shared-with-other-partners": {
        "subject_n": 20,
        "subject_shared": 0,
        "peer_n": 100,
        "peer_shared": 1,
    },
    "ring/agency": {"devices": 3, "used_by_others": 2},
}
"""Figures that speak against each."""


def all_of(mechanism: str) -> list[str]:
    """The tests of a mechanism, and those that every one needs."""
    found = next(one for one in PLAYBOOK.mechanism if one.id == mechanism)
    return [*(test.id for test in PLAYBOOK.shared), *(name for name, _, _ in found.tests())]


def intake_of(cut: Iterable[str] = (), **changes: Any) -> Intake:
    """One exhibit with one table for each relation of the playbook; those named in `cut` are not
    complete."""
    cut = set(cut)
    exhibits = []
    for number, (relation, roles) in enumerate(PLAYBOOK.roles.items(), start=1):
        columns = tuple(
            _column(f"{relation}_{name}", looks.partition(";")[0])
            for name, looks in roles.items()
            if name != "about"
        )
        table = Table(name=f"t{number}", rows=500, columns=columns)
        exhibits.append(
            Examined(
                id=f"E{number:03}",
                path=f"{relation}.csv",
                kind="delimited text",
                size=1_000,
                sha256=f"{number:064x}",
                whole=relation not in cut,
                tables=(table,),
            )
        )
    places = (Place(table="t2", column="conversion_partner", rows=20),)
    return Intake(exhibits=tuple(exhibits), subject=places).model_copy(update=changes)


def _column(name: str, looks: str) -> Column:
    if looks != "time":
        return Column(name=name, type="VARCHAR", looks=looks.split()[0].replace("-", " "))
    return Column(
        name=name,
        type="VARCHAR",
        looks="time",
        utc=f"{name}_utc",
        clock=Clock(form="ISO 8601", zone="UTC", found="written in every value"),
        first="2026-05-01T00:10:00Z",
        last="2026-05-31T23:50:00Z",
    )


def roles_of(intake: Intake) -> dict[str, str]:
    """Every role with its column."""
    roles = {}
    for (relation, named), exhibit in zip(PLAYBOOK.roles.items(), intake.exhibits, strict=True):
        table = exhibit.tables[0]
        for name in (name for name in named if name != "about"):
            column = next(c for c in table.columns if c.name == f"{relation}_{name}")
            roles[f"{relation}.{name}"] = f"{table.name}.{column.utc or column.name}"
    return roles


def ran(name: str, figures: Figures, intake: Intake, **changes: Any) -> Checked:
    """A verified claim of a test that gave these figures."""
    part, test = PLAYBOOK.tests()[name]
    roles = roles_of(intake) | changes.pop("roles", {})
    query = Query(
        id=f"Q-{name}",
        sql=query_of(test.sql, test.roles, roles, SUBJECT, PERIOD),
        sha256="a" * 64,
    )
    relations = {role.partition(".")[0] for role in test.roles}
    exhibits = [
        e.id for r, e in zip(PLAYBOOK.roles, intake.exhibits, strict=True) if r in relations
    ]
    result = Result(
        citation=query,
        found_sha256=query.sha256,
        columns=tuple(figures),
        rows=(tuple(figures.values()),),
        exhibits=tuple(exhibits),
    )
    claim = Claim(
        id=f"C-{name}",
        by="Examiner",
        text=sentence(test, figures, SUBJECT),
        mechanism=name.partition("/")[0] if part != "shared" else "",
        test=name,
        roles=tuple(sorted(roles.items())),
        citations=(query,),
    )
    return Checked(claim=claim.model_copy(update=changes), state="verified", results=(result,))


def said(number: int, mechanism: str, polarity: Polarity, **changes: Any) -> Checked:
    """A verified claim that somebody worded, over an exhibit of its own."""
    query = Query(id=f"Q{number}", sql="SELECT 7 FROM t1", sha256="b" * 64)
    result = Result(
        citation=query,
        found_sha256=query.sha256,
        columns=("n",),
        rows=((7,),),
        exhibits=(f"E{number % 9 + 1:03}",),
    )
    claim = Claim(
        id=f"F{number}",
        by="Examiner",
        text=f"There are 7 such clicks of {SUBJECT}.",
        mechanism=mechanism,
        polarity=polarity,
        citations=(query,),
    )
    return Checked(claim=claim.model_copy(update=changes), state="verified", results=(result,))


def docket_of(
    checked: Iterable[Checked], intake: Intake | None = None, reviewed: Iterable[str] | None = None
) -> Docket:
    """A docket in which everything was reviewed, unless said otherwise."""
    items = tuple(checked)
    names = {item.claim.id for item in items} if reviewed is None else reviewed
    return Docket(
        checked=items,
        reviewed=frozenset(names),
        playbook=PLAYBOOK,
        intake=intake or intake_of(),
        subject=SUBJECT,
        period=PERIOD,
    )


def material_of(checked: Iterable[Checked], intake: Intake | None = None) -> Material:
    """What a report is made of, with an affected record, three plots and a summary."""
    docket = docket_of(checked, intake)
    names = [item.claim.id for item in docket.checked if item.is_verified]
    sql = "SELECT hour, count(*) AS clicks FROM t1 GROUP BY 1 ORDER BY 1"
    return Material(
        case=Case(
            case_id="case-7",
            title="Review of a partner",
            question="Do the sales of P-7 come from its own work?",
            evidence=("evidence",),
            subject=SUBJECT,
            period=PERIOD,
        ),
        custody=Custody(
            exhibits=tuple(
                Exhibit(id=e.id, path=e.path, size=e.size, sha256=e.sha256, modified_ns=0)
                for e in docket.intake.exhibits
            ),
            left_out=(LeftOut(path="link", why="it is a link, not a file"),),
        ),
        docket=docket,
        verdict=verdict_of(docket),
        affected=(
            Affected(
                mechanism="last-click-hijack",
                citation=Query(id="Q9", sql="SELECT id, amount, time FROM t2", sha256="c" * 64),
                columns=("id", "amount", "time"),
                rows=(("s-1", 99.0, "2026-05-18 12:19:01"), ("=s-2", 49.0, None)),
                count=2,
                amount="148.0",
                formula="148.0 = 99.0 + 49.0",
            ),
        ),
        plots=(
            Plot(
                title="Clicks by hour",
                kind="bar",
                sql=sql,
                columns=("hour", "clicks"),
                rows=tuple((f"{hour:02}", (hour * 37) % 23) for hour in range(24)),
            ),
            Plot(
                title="Seconds from click to sign-up",
                kind="hist",
                sql="SELECT seconds FROM t1",
                columns=("seconds",),
                rows=tuple(((n * n) % 311,) for n in range(120)),
            ),
            Plot(
                title="Clicks a day",
                kind="line",
                sql="SELECT day, n FROM t1",
                columns=("day", "n"),
                rows=tuple((f"2026-05-{day:02}", day * (31 - day)) for day in range(1, 32)),
            ),
        ),
        summary=(Sentence(text="The clicks came late.", claims=tuple(names[:2])),) if names else (),
        run=RunFacts(
            run="r1", head="d" * 64, models=("part-1",), image="sha256:e", version="0.1.0"
        ),
    )
