"""Reviews: who may do what when, what an approval freezes, and what a new version leaves alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from forensics_values import AGAINST, FOR, all_of, intake_of, material_of, ran
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import JournalDamaged, UsageError
from tasks.forensics.reporting.content import CaseReport, report_of
from tasks.forensics.reporting.pages import rendered
from tasks.forensics.reviewing import (
    Act,
    Record,
    difference,
    next_record,
    read_records,
    resting_claims,
    review_of,
    written,
)
from tasks.forensics.versions import Versions

INTAKE = intake_of()
AT = "2026-06-01T10:00:00+00:00"


def report(**changes: Any) -> CaseReport:
    figures = {**FOR, **changes}
    items = [ran(n, figures[n], INTAKE) for n in all_of("last-click-hijack")]
    return report_of(material_of(items, INTAKE))


REPORT = report()
OTHER = report(**{"last-click-hijack/quick": AGAINST["last-click-hijack/quick"]})


def acts(*given: Act) -> list[Record]:
    records: list[Record] = []
    for act in given:
        records.append(next_record(records, act, REPORT, AT))
    return records


def act(verb: Any, by: str = "Ada", **more: Any) -> Act:
    return Act(verb=verb, by=by, **more)


OPEN = (act("renew"), act("submit"), act("start", "Bo"))
ACCEPTED = tuple(act("accept", "Bo", claim=name) for name in resting_claims(REPORT))


def test_a_report_is_approved_once_every_claim_under_the_verdict_is_accepted() -> None:
    review = review_of(acts(*OPEN, *ACCEPTED, act("approve", "Bo")))
    assert (review.state, review.approved_by, review.is_frozen) == ("approved", "Bo", True)


@pytest.mark.parametrize(
    ("before", "refused", "why"),
    [
        ((), act("submit"), "no version"),
        (OPEN[:1], act("approve"), "draft cannot be changed"),
        (OPEN[:2], act("accept", claim="C-payment"), "pending_review cannot be changed"),
        (OPEN, act("approve"), "nobody has accepted"),
        ((*OPEN, *ACCEPTED[1:]), act("approve"), "nobody has accepted"),
        (OPEN, act("accept", claim="C-99"), "no verified claim 'C-99'"),
        (OPEN, act("dispute", claim=ACCEPTED[0].claim), "say why"),
        (OPEN, act("reject"), "say why"),
        (OPEN, act("request", note="  "), "say why"),
        (OPEN, act("judge", "Cy"), "needs a word"),
        (OPEN, act("judge", "Bo", word="inconclusive"), "has to be blind"),
        (
            (*OPEN, act("judge", "Cy", word="inconclusive")),
            act("judge", "Cy", word="not_supported"),
            "blind",
        ),
        (OPEN, act("renew"), "is the one that is being reviewed"),
        (
            (*OPEN, *ACCEPTED, act("approve")),
            act("dispute", claim="C-payment", note="x"),
            "approved",
        ),
        ((*OPEN, *ACCEPTED, act("approve")), act("reject", note="x"), "approved cannot be changed"),
    ],
)
def test_what_may_not_be_done_is_refused_with_the_reason(
    before: tuple[Act, ...], refused: Act, why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        next_record(acts(*before), refused, REPORT, AT)


def test_nothing_is_approved_over_a_dispute() -> None:
    disputed = act("dispute", "Cy", claim=ACCEPTED[0].claim, note="the link monitor was down")
    records = acts(*OPEN, *ACCEPTED, disputed)
    with pytest.raises(UsageError, match="claims are disputed"):
        next_record(records, act("approve", "Bo"), REPORT, AT)
    assert review_of(records).marks[ACCEPTED[0].claim].note == "the link monitor was down"


def test_an_act_on_a_report_that_has_changed_is_refused() -> None:
    with pytest.raises(UsageError, match="not version 1"):
        next_record(acts(*OPEN), ACCEPTED[0], OTHER, AT)


def test_a_new_version_begins_a_new_review_and_keeps_the_old_records() -> None:
    records = acts(*OPEN, *ACCEPTED, act("approve", "Bo"))
    again = [*records, next_record(records, act("renew", "run r2"), OTHER, AT)]
    review = review_of(again)
    assert (review.version, review.state, review.marks) == (2, "draft", {})
    assert again[: len(records)] == records


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_altered_dropped_or_swapped_record_breaks_the_chain(data: st.DataObject) -> None:
    records = acts(*OPEN, *ACCEPTED[:3])
    at = data.draw(st.integers(0, len(records) - 1))
    how = data.draw(st.sampled_from(["note", "by", "drop", "swap", "flip"]))
    if how == "drop" and at < len(records) - 1:
        records.pop(at)
    elif how == "swap" and at:
        records[at - 1], records[at] = records[at], records[at - 1]
    elif how == "flip":
        digest = records[at].report_sha256[::-1] + "0"
        records[at] = records[at].model_copy(update={"report_sha256": digest})
    else:
        changed = records[at].act.model_copy(update={"note": "changed", "by": "Eve"})
        records[at] = records[at].model_copy(update={"act": changed})
    with pytest.raises(JournalDamaged, match="altered, or one is gone"):
        review_of(records)


def test_records_read_back_and_broken_files_are_named() -> None:
    records = tuple(acts(*OPEN))
    assert read_records(written(records)) == records
    with pytest.raises(JournalDamaged, match="cannot be read"):
        read_records(b"{not json}\n")


def test_the_difference_names_verdict_mechanism_and_figures() -> None:
    changes = {c.what: (c.before, c.after) for c in difference(REPORT, OTHER)}
    assert changes["verdict"] == ("allegation_supported", "inconclusive")
    assert changes["mechanism last-click-hijack"][0] == "supported"
    before, after = changes["claim last-click-hijack/quick"]
    assert "15 signed up" in before
    assert "0 signed up" in after
    assert difference(REPORT, REPORT) == ()


def folder_with(tmp_path: Path, made: CaseReport) -> Versions:
    for name, content in rendered(made).items():
        (tmp_path / name).write_bytes(content)
    return Versions(tmp_path, now=lambda: AT)


def approved(versions: Versions) -> None:
    versions.renew("run r1")
    for one in (*OPEN[1:], *ACCEPTED, act("approve", "Bo")):
        versions.act(one)


def test_a_rerun_sets_the_approved_version_aside_and_shows_what_differs(tmp_path: Path) -> None:
    versions = folder_with(tmp_path, REPORT)
    approved(versions)
    assert versions.set_aside() == 1
    folder_with(tmp_path, OTHER)
    assert versions.renew("run r2").version == 2
    assert versions.report(1) == REPORT
    assert any(change.what == "verdict" for change in versions.changes())
    assert versions.problems() == ()
    assert versions.set_aside() == 2


def test_the_same_report_again_begins_no_new_version(tmp_path: Path) -> None:
    versions = folder_with(tmp_path, REPORT)
    approved(versions)
    assert versions.renew("run r2").state == "approved"
    assert versions.review().version == 1


@pytest.mark.parametrize("name", ["report.json", "review.jsonl"])
def test_one_changed_byte_in_an_approved_report_or_its_review_is_found(
    tmp_path: Path, name: str
) -> None:
    versions = folder_with(tmp_path, REPORT)
    approved(versions)
    assert versions.problems() == ()
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content.replace(b"case-7", b"case-8").replace(b"Bo", b"Ed"))
    assert versions.problems()


def test_a_version_that_was_set_aside_and_altered_is_found(tmp_path: Path) -> None:
    versions = folder_with(tmp_path, REPORT)
    approved(versions)
    versions.set_aside()
    folder_with(tmp_path, OTHER)
    versions.renew("run r2")
    old = tmp_path / "versions" / "1" / "report.json"
    old.chmod(0o644)
    old.write_bytes(old.read_bytes().replace(b"262", b"263").replace(b"148", b"149"))
    assert versions.problems() == ("version 1 of the report is not the one that was reviewed",)
