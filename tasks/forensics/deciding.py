"""What a test of the playbook came to, and what stands in the way of relying on it. Pure.

A claim that says which test it reports is believed in nothing: its query and its sentence have to
be what the playbook makes of its columns, and its outcome is read again from the figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from orchestrator.errors import ToolFailed
from orchestrator.models.llm import Frozen
from tasks.forensics.claims import Checked, Query
from tasks.forensics.intake import Column, Examined, Intake
from tasks.forensics.playbook import Period, Playbook, Test, checked_roles, query_of, sentence

Needs = Literal["test", "evidence", "person"]
EDGE = 0.1
CHANCE = 0.001
"""Events that stop before the period does: this share of it, and this unlikely by chance alone."""


class Gap(Frozen):
    """Something without which nothing can be concluded. `needs` is what would close it: a test that
    can be run, evidence that is not there, or a person's decision."""

    test: str
    why: str
    needs: Needs = "test"


@dataclass(frozen=True, slots=True)
class Decided:
    """What a test came to: for the mechanism, against it, or nothing, with the gap that is why."""

    test: str
    outcome: bool | None
    claims: tuple[Checked, ...] = ()
    gap: Gap | None = None


@dataclass(frozen=True, slots=True)
class Docket:
    """Everything that a verdict may rest on. `reviewed` are the claims that a second pair of eyes
    has looked at, `doubts` why tests decide nothing: they come out otherwise over columns that fit
    their roles as well."""

    checked: Sequence[Checked]
    reviewed: frozenset[str]
    playbook: Playbook
    intake: Intake
    subject: str
    period: Period | None = None
    doubts: Mapping[str, str] = field(default_factory=dict)

    def refuted(self) -> frozenset[str]:
        """Claims that a verified claim speaks against."""
        return frozenset(item.claim.refutes for item in self.checked if item.is_verified)


def decided(docket: Docket) -> dict[str, Decided]:
    """Every test of the playbook by its name."""
    refuted = docket.refuted()
    return {
        name: _decide(name, test, docket, refuted)
        for name, (_, test) in docket.playbook.tests().items()
    }


def _decide(name: str, test: Test, docket: Docket, refuted: frozenset[str]) -> Decided:
    named = [item for item in docket.checked if item.is_verified and item.claim.test == name]
    genuine = tuple(item for item in named if is_genuine(item, test, docket))
    if not genuine:
        return Decided(name, None, gap=_never_run(name, test, docket, claimed=bool(named)))
    outcomes = {test.outcome(item.figures()) for item in genuine}
    outcome = outcomes.pop() if len(outcomes) == 1 else None
    gap = _gap(name, genuine, docket, refuted, disputed=bool(outcomes))
    if gap is None and outcome is None:
        gap = Gap(test=name, why="its figures decide neither way", needs="evidence")
    return Decided(name, None if gap else outcome, genuine, gap)


def is_genuine(item: Checked, test: Test, docket: Docket) -> bool:
    """Whether a claim is what the playbook's test gives over the columns that it names."""
    claim, roles = item.claim, dict(item.claim.roles)
    cited = claim.citations[0] if len(claim.citations) == 1 else None
    if not isinstance(cited, Query) or not docket.subject:
        return False
    try:
        checked_roles(roles, docket.playbook, docket.intake)
        sql = query_of(test.sql, test.roles, roles, docket.subject, docket.period)
    except ToolFailed:
        return False
    said = sentence(test, item.figures(), docket.subject)
    return bool(item.figures()) and (cited.sql, claim.text) == (sql, said)


def _never_run(name: str, test: Test, docket: Docket, claimed: bool) -> Gap:
    """Why there is no outcome: nothing could play a role, or nobody has run it."""
    if not docket.subject:
        return Gap(
            test=name, why="the case names no subject to compare with others", needs="person"
        )
    lacking = [role for role in test.needs if not _can_be_played(role, docket)]
    if lacking:
        why = f"no column of the case can be {', '.join(lacking)}"
        return Gap(test=name, why=why, needs="evidence")
    if claimed:
        return Gap(test=name, why="what is claimed of it is not what the playbook's query gives")
    fallen = (i.why for i in docket.checked if i.claim.test == name and not i.is_verified)
    return Gap(test=name, why=f"not tested by a verified query: {next(fallen, test.asks)}")


def _can_be_played(role: str, docket: Docket) -> bool:
    found = dict(docket.playbook.wanted()).get(role)
    wanted = found.looks if found else ()
    columns = (column for _, table in docket.intake.tables() for column in table.columns)
    return any(
        column.looks.replace(" ", "-") in wanted or (column.utc and "time" in wanted)
        for column in columns
    )


def _gap(
    name: str,
    items: Sequence[Checked],
    docket: Docket,
    refuted: frozenset[str],
    disputed: bool,
) -> Gap | None:
    if disputed:
        why = "tested over different columns with different outcomes"
        return Gap(test=name, why=why, needs="person")
    against = sorted(item.claim.id for item in items if item.claim.id in refuted)
    if against:
        why = f"a verified claim speaks against {', '.join(against)}"
        return Gap(test=name, why=why, needs="person")
    unfit = [text for item in items for text in _unfit(item, docket)]
    if unfit:
        return Gap(test=name, why="; ".join(dict.fromkeys(unfit)), needs="evidence")
    if name in docket.doubts:
        return Gap(test=name, why=f"its roles are in doubt: {docket.doubts[name]}")
    if not any(item.claim.id in docket.reviewed for item in items):
        return Gap(test=name, why="no second pair of eyes has looked at it")
    return None


def _unfit(item: Checked, docket: Docket) -> list[str]:
    """Exhibits behind a claim that are not complete, or do not cover the period."""
    whole = {entry.id: entry.whole for entry in docket.intake.exhibits}
    said = [f"{name} is not complete" for name in item.exhibits if not whole.get(name, False)]
    if not item.exhibits:
        said.append(f"{item.claim.id} rests on no exhibit")
    times = [place for role, place in item.claim.roles if role.endswith(".time")]
    return said + [text for place in times if (text := _uncovered(place, docket))]


def _uncovered(place: str, docket: Docket) -> str:
    """Why a clock does not cover the period of the case, or ""."""
    found = _column(place, docket.intake)
    if docket.period is None or found is None:
        return ""
    exhibit, column, rows = found
    start, end = docket.period
    first, last = _moment(column.first), _moment(column.last)
    if first is None or last is None:
        return f"{exhibit.id} holds no time in {column.name}"
    late, early = first - start, end - last
    if _is_hole(late, end - start, rows):
        return f"{exhibit.id} begins at {column.first}, after the period"
    if _is_hole(early, end - start, rows):
        return f"{exhibit.id} ends at {column.last}, before the period"
    return ""


def _is_hole(gap: timedelta, period: timedelta, rows: int) -> bool:
    """Whether so long without an event is more than chance. Events spread over a period leave a
    share s of it empty at one end with probability (1 - s)^n."""
    share = min(1.0, max(0.0, gap / period))
    return (share > EDGE and (1 - share) ** rows < CHANCE) or share >= 1.0


def _column(place: str, intake: Intake) -> tuple[Examined, Column, int] | None:
    for exhibit, table in intake.tables():
        for column in table.columns:
            if place in (f"{table.name}.{column.name}", f"{table.name}.{column.utc}"):
                return exhibit, column, table.rows
    return None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def independent(exhibits: Iterable[str], intake: Intake) -> tuple[str, ...]:
    """Of these exhibits those that are sources of their own: copies of the same bytes, and tables
    with the same columns, speak with one voice."""
    chosen: dict[object, str] = {}
    voices: set[object] = set()
    known: Mapping[str, Examined] = {entry.id: entry for entry in intake.exhibits}
    for name in sorted(set(exhibits)):
        entry = known.get(name)
        if entry is None:
            continue
        columns = frozenset((c.name, c.looks) for table in entry.tables for c in table.columns)
        marks = {entry.sha256, *([columns] if columns else [])}
        if not marks & voices:
            chosen[entry.sha256] = name
        voices |= marks
    return tuple(chosen.values())


def disputed_roles(items: Iterable[Checked]) -> tuple[str, ...]:
    """Roles that different columns play in claims that have to speak of the same thing."""
    played: dict[str, set[str]] = {}
    for item in items:
        for role, place in item.claim.roles:
            played.setdefault(role, set()).add(place)
    return tuple(
        f"{role} is {' and '.join(sorted(places))}"
        for role, places in sorted(played.items())
        if len(places) > 1
    )
