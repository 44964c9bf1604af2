"""Claims are read against what they cite: every figure, name, time and absence has to be there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tasks.forensics.atoms import atoms_of
from tasks.forensics.checking_claims import judged, unsaid
from tasks.forensics.claims import Claim, ClaimKind, Lines, Query, Result, State
from tasks.forensics.intake import Examined, Intake

KNOWN = {
    "C0.0.1": ("verified", "AFF-1 has 35 hits."),
    "C0.0.2": ("mismatch", "AFF-1 has 36 hits."),
}
QUERY = Query(id="Q1", sql="SELECT ...", sha256="a" * 64)
LINES = Lines(exhibit="E002", first=10, last=10, sha256="b" * 64)
INTAKE = Intake(
    exhibits=(
        Examined(id="E001", path="a.csv", kind="delimited text", size=1, sha256="1", whole=True),
        Examined(id="E002", path="b.log", kind="log", size=1, sha256="2", whole=False),
    )
)


def found(*rows: tuple[Any, ...], **changes: Any) -> Result:
    """What the query gives: by default a row of a partner with figures, of E001."""
    result = Result(
        citation=QUERY,
        found_sha256=QUERY.sha256,
        columns=("partner", "n"),
        rows=rows or (("AFF-1", 35, 0.6538),),
        asked=("AFF-9", "2026-05-01"),
        exhibits=("E001",),
    )
    return result.model_copy(update=changes)


def line(text: str, **changes: Any) -> Result:
    """A line as it stands in E002."""
    result = Result(
        citation=LINES,
        found_sha256=LINES.sha256,
        columns=("line", "text"),
        rows=((10, text),),
        partial=True,
        exhibits=("E002",),
    )
    return result.model_copy(update=changes)


def state_of(text: str, *results: Result, kind: ClaimKind = "observation", **more: Any) -> State:
    claim = Claim(
        id="C1.1.1",
        by="Examiner",
        text=text,
        kind=kind,
        citations=tuple(result.citation for result in results),
        **more,
    )
    return judged(claim, results, INTAKE, KNOWN)[0]


TRUE = {
    "a figure and a name": "AFF-1 has 35 hits.",
    "a name that was asked about": "AFF-9 has 35 hits.",
    "a day that was asked about": "Since 2026-05-01 AFF-1 has 35 hits.",
    "a rounded share": "The share of AFF-1 is 0.65.",
    "a figure in words": "AFF-1 has 35 hits.",
    "an exhibit": "E001 shows 35 hits.",
}


@pytest.mark.parametrize("text", TRUE.values(), ids=TRUE)
def test_what_is_in_the_result_is_verified(text: str) -> None:
    assert state_of(text, found()) == "verified"


FALSE: dict[str, tuple[str, State]] = {
    "a wrong figure": ("AFF-1 has 36 hits.", "mismatch"),
    "a wrong share": ("The share of AFF-1 is 0.66.", "mismatch"),
    "a whole number for a share": ("AFF-1 has a share of 1.", "mismatch"),
    "a figure in letters": ("AFF-1 has seven hits.", "mismatch"),
    "another partner": ("AFF-2 has 35 hits.", "unsupported"),
    "an address": ("AFF-1 came from 10.0.0.1 with 35 hits.", "unsupported"),
    "another day": ("On 2026-05-02 AFF-1 has 35 hits.", "unsupported"),
    "a site": ("AFF-1 runs evil-shop.example with 35 hits.", "unsupported"),
    "a vague word": ("Most of the 35 hits are of AFF-1.", "unsupported"),
    "a judgement": ("AFF-1 is a fraudster with 35 hits.", "unsupported"),
    "quoted words": ('AFF-1 wrote "pay me" in 35 hits.', "unsupported"),
}


@pytest.mark.parametrize(("text", "state"), FALSE.values(), ids=FALSE)
def test_what_is_not_in_the_result_is_not(text: str, state: State) -> None:
    assert state_of(text, found()) == state


MANY = found(
    ("AFF-1", "d_1", 35, 0.6538),
    ("AFF-2", "d_2", 12, 0.25),
    ("AFF-3", "d_3", 7, 0.04),
    columns=("partner", "device", "hits", "share"),
    asked=(),
)
TIMED = found(
    ("AFF-1", 35, "2026-05-16T00:10:00Z"),
    asked=("AFF-1", "10"),
    units=("date_diff", "second", "seconds_seen"),
    narrowed=("30",),
)
HONEST: dict[str, tuple[str, Result]] = {
    "a row": ("AFF-2 has 12 hits.", MANY),
    "two rows": ("AFF-1 has 35 hits and AFF-2 has 12.", MANY),
    "two rows, figures first": ("35 hits are of AFF-1 and 12 of AFF-2.", MANY),
    "a list": ("AFF-1 and AFF-2 have 35 and 12 hits.", MANY),
    "a list of names": ("AFF-1, AFF-2 and AFF-3 have hits.", MANY),
    "a name and another of its row": ("AFF-2 used d_2 for 12 hits.", MANY),
    "figures of the whole": ("The shares 0.25 and 0.04 follow.", MANY),
    "a share that is rounded": ("AFF-1 has a share of 0.65.", MANY),
    "a limit in time": ("AFF-1 has 35 hits within 10 seconds.", TIMED),
    "a beginning of a time": ("AFF-1 came at 2026-05-16 00:10 with 35 hits.", TIMED),
    "a time with its zone": ("AFF-1 came at 2026-05-16T00:10:00Z.", TIMED),
    "a word in quotes": ('35 hits of "AFF-1" were found.', TIMED),
    "figures in words": ("AFF-1 has seven hits.", found(("AFF-1", 7))),
    "grouped figures": ("AFF-1 has 1,320 hits.", found(("AFF-1", 1320))),
    "a name in other letters": ("M\u00fcller has 35 hits.", found(("M\u00fcller", 35))),
}
WRONG: dict[str, tuple[str, Result]] = {
    "a figure of another row": ("AFF-1 has 12 hits.", MANY),
    "figures that changed places": ("AFF-1 has 12 hits and AFF-2 has 35.", MANY),
    "a list in another order": ("AFF-1 and AFF-2 have 12 and 35 hits.", MANY),
    "one figure for two": ("AFF-1 and AFF-2 have 12 hits.", MANY),
    "a name of another row": ("AFF-1 used d_2.", MANY),
    "a name of another row, with a figure": ("AFF-1 has 35 hits from d_2.", MANY),
    "a share of another row": ("The share of AFF-1 is 0.25.", MANY),
    "a threshold for a count": ("AFF-1 has 10 hits.", TIMED),
    "a threshold in another unit": ("AFF-1 has 35 hits within 10 minutes.", TIMED),
    "another zone": ("AFF-1 came at 2026-05-16T00:10:00+02:00.", TIMED),
    "another minute": ("AFF-1 came at 2026-05-16 00:11.", TIMED),
    "a day in other words": ("AFF-1 came on 16 May 2026 with 35 hits.", TIMED),
    "a month": ("AFF-1 has 35 hits in June.", TIMED),
    "a day of the week": ("On Monday AFF-1 has 35 hits.", TIMED),
    "a day with slashes": ("AFF-1 has 35 hits on 05/16/2026.", TIMED),
    "a percentage": ("AFF-1 has 35 % of the hits.", TIMED),
    "a percentage of a share": ("AFF-1 has 65.38 percent.", MANY),
    "a currency": ("AFF-1 has earned 35 EUR.", TIMED),
    "a currency before it": ("AFF-1 has earned $35.", TIMED),
    "hours": ("AFF-1 was there for 35 hours.", TIMED),
    "a dozen": ("AFF-2 has a dozen hits.", MANY),
    "half": ("Half of the hits are of AFF-1.", MANY),
    "doubled": ("AFF-1 has doubled its 35 hits.", MANY),
    "a range": ("AFF-1 has 30-40 hits.", MANY),
    "a range in words": ("AFF-1 has between 30 and 40 hits.", MANY),
    "rounded up": ("AFF-1 has 40 hits.", MANY),
    "a share rounded wrongly": ("The share of AFF-1 is 0.66.", MANY),
    "the other case": ("aff-1 has 35 hits.", MANY),
    "a letter of another script": ("\u0410FF-1 has 35 hits.", MANY),
    "a hyphen of another kind": ("AFF\u20111 has 35 hits.", MANY),
    "an invisible character": ("AFF-1\u200b has 35 hits.", MANY),
    "digits of another script": ("AFF-1 has \u0663\u0665 hits.", MANY),
    "a word of another script": ("\u0430\u0441\u043c\u0435 has 35 hits of AFF-1.", MANY),
    "a name that the query wrote": (
        "AFF-7 has 35 hits.",
        found(("AFF-7", 35), labels=("AFF-7",), asked=()),
    ),
    "a name that was left out": (
        "AFF-4 has 35 hits.",
        found(("AFF-1", 35), asked=(), narrowed=("AFF-4",)),
    ),
}


@pytest.mark.parametrize(("text", "result"), HONEST.values(), ids=HONEST)
def test_honest_sentences_hold(text: str, result: Result) -> None:
    assert state_of(text, result) == "verified"


@pytest.mark.parametrize(("text", "result"), WRONG.values(), ids=WRONG)
def test_nothing_wrong_is_verified_however_it_is_worded(text: str, result: Result) -> None:
    assert state_of(text, result) in ("mismatch", "unsupported")


def test_a_claim_without_a_citation_is_unsupported() -> None:
    assert state_of("AFF-1 has 35 hits.") == "unsupported"


def test_a_result_that_is_another_one_now_is_a_mismatch() -> None:
    assert state_of("AFF-1 has 35 hits.", found(found_sha256="c" * 64)) == "mismatch"


def test_a_query_that_cannot_run_or_be_cited_verifies_nothing() -> None:
    assert state_of("AFF-1 has 35 hits.", found(problem="no such table")) == "not_reproducible"
    objected = found(objections=("it writes '35' into the result itself",))
    assert state_of("AFF-1 has 35 hits.", objected) == "unverifiable"


def test_a_text_that_the_query_itself_wrote_supports_nothing() -> None:
    labelled = found(("AFF-7", 35), labels=("AFF-7",))
    assert state_of("AFF-7 has 35 hits.", labelled) == "unsupported"


FORMULAS: dict[str, tuple[str, State]] = {
    "one that holds": ("70 = 35 * 100 / 50", "verified"),
    "one that does not": ("70 = 35 * 100 / 60", "unsupported"),
    "one with a figure from nowhere": ("70 = 35 + 35.5", "unsupported"),
    "one that is code": ("70 = __import__('os')", "unsupported"),
    "one without a side": ("70", "unsupported"),
    "a division by zero": ("70 = 35 / (50 - 50)", "unsupported"),
}


@pytest.mark.parametrize(("formula", "state"), FORMULAS.values(), ids=FORMULAS)
def test_a_figure_may_follow_by_a_stated_formula(formula: str, state: State) -> None:
    result = found(("AFF-1", 35, 50))
    assert state_of("That is 70 % of AFF-1.", result, formulas=(formula,)) == state


NOTHING = found(("AFF-1", 0), asked=("AFF-1", "%refund%"))
ABSENCES: dict[str, tuple[str, Result, State]] = {
    "over a whole exhibit": ("AFF-1 has no refund.", NOTHING, "verified"),
    "of what was not asked": ("AFF-1 has no chargeback.", NOTHING, "unsupported"),
    "of a quiet hour": (
        "AFF-1 has no refund.",
        found(("AFF-1", 0), asked=("AFF-1", "%refund%"), narrowed=("2026-05-01 02:00:00",)),
        "unsupported",
    ),
    "beside a figure that is not told": (
        "AFF-1 has no refund.",
        found(("AFF-1", 35, 0), asked=("AFF-1", "%refund%")),
        "unsupported",
    ),
    "beside one that is": (
        "AFF-1 has 35 sales and no refund.",
        found(("AFF-1", 35, 0), asked=("AFF-1", "%refund%")),
        "verified",
    ),
    "of those that were counted": (
        "AFF-1 has 16 sales that name no click.",
        found(("AFF-1", 16), asked=("AFF-1",)),
        "verified",
    ),
    "of all of them": (
        "All 20 sales of AFF-1 are among the 20 refunds.",
        found(("AFF-1", 20, 20), asked=("AFF-1",)),
        "verified",
    ),
    "of all of some": (
        "All 16 sales of AFF-1 are among the 20 refunds.",
        found(("AFF-1", 16, 20), asked=("AFF-1",)),
        "unsupported",
    ),
    "none of those that were counted": (
        "None of the 16 sales of AFF-1 were paid.",
        found(("AFF-1", 16), asked=("AFF-1",)),
        "unsupported",
    ),
    "never, where some were counted": (
        "AFF-1 never had a refund; it has 16 sales.",
        found(("AFF-1", 16), asked=("AFF-1",)),
        "unsupported",
    ),
    "without exception": (
        "Without exception the 16 sales of AFF-1 are late.",
        found(("AFF-1", 16), asked=("AFF-1",)),
        "unsupported",
    ),
    "over part of it": (
        "AFF-1 has no refund.",
        NOTHING.model_copy(update={"partial": True}),
        "unsupported",
    ),
    "over a broken exhibit": (
        "AFF-1 has no refund.",
        NOTHING.model_copy(update={"exhibits": ("E001", "E002")}),
        "unsupported",
    ),
    "from a line": ("Nothing else is there.", line("x"), "unsupported"),
    "as a zero": ("AFF-1 has 0 refunds.", found(("AFF-1", 0), partial=True), "unsupported"),
    "of exceptions": ("All hits are of AFF-1.", found(("AFF-1", 5), partial=True), "unsupported"),
}


@pytest.mark.parametrize(("text", "result", "state"), ABSENCES.values(), ids=ABSENCES)
def test_absence_needs_a_query_over_whole_and_complete_exhibits(
    text: str, result: Result, state: State
) -> None:
    assert state_of(text, result) == state


def test_a_line_has_to_stand_there_and_hold_what_is_said() -> None:
    text = "user=u_17 paid 49.00 from 240.1.2.3"
    assert state_of("In E002 u_17 paid 49 from 240.1.2.3.", line(text)) == "verified"
    assert state_of('Line 10 of E002 reads "user=u_17 paid".', line(text)) == "verified"
    assert state_of("In E002 u_18 paid 49.", line(text)) == "unsupported"
    assert state_of("In E002 u_17 paid 50.", line(text)) == "mismatch"
    assert state_of("In E002 u_17 paid 49.", line(text, found_sha256="x")) == "mismatch"


def test_an_inference_stands_and_falls_with_what_it_depends_on() -> None:
    inferred = "These observations of AFF-1 and its 35 hits fit together."
    assert state_of(inferred, kind="inference", depends_on=("C0.0.1",)) == "verified"
    assert state_of(inferred, kind="inference", depends_on=("C0.0.2",)) == "unsupported"
    assert state_of(inferred, kind="inference", depends_on=("C9.9.9",)) == "unsupported"
    assert state_of(inferred, kind="inference") == "unsupported"
    other = "So AFF-1 has 36 hits."
    assert state_of(other, kind="inference", depends_on=("C0.0.1",)) == "unsupported"
    denied = "So AFF-1 has no refunds."
    assert state_of(denied, kind="inference", depends_on=("C0.0.1",)) == "unsupported"


def test_a_limitation_says_nothing_about_the_case() -> None:
    said = {"kind": "limitation"}
    assert state_of("E001 holds no times.", found(), **said) == "verified"  # type: ignore[arg-type]
    assert state_of("AFF-1 has no refund.", found(), **said) == "unsupported"  # type: ignore[arg-type]


TOLD = ("AFF-1 has 35 hits within 10 seconds. C1", "AFF-2 has 12 hits. C2")
UNTOLD = {
    "another figure": "AFF-1 has 36 hits.",
    "another name": "AFF-3 has 35 hits.",
    "a figure of the other claim": "AFF-1 has 12 hits.",
    "a judgement": "AFF-1 is guilty.",
    "an absence": "AFF-1 has 35 hits and no sale.",
    "a vague word": "Most of the 35 hits are of AFF-1.",
    "another unit": "AFF-1 has 35 hits within 10 hours.",
    "a letter of another script": "\u0410FF-1 has 35 hits.",
}


def test_a_summary_says_what_its_claims_say() -> None:
    assert unsaid("AFF-1 has 35 hits, and AFF-2 has 12.", TOLD) == ""
    assert unsaid("Within 10 seconds AFF-1 has 35 hits.", TOLD) == ""


@pytest.mark.parametrize("text", UNTOLD.values(), ids=UNTOLD)
def test_a_summary_says_nothing_that_its_claims_do_not_say(text: str) -> None:
    assert unsaid(text, TOLD)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,320 hits", [("number", "1,320")]),
        ("37.5 % of 8.", [("number", "37.5"), ("number", "8")]),
        ("from 249.149.27.3.", [("address", "249.149.27.3")]),
        (
            "clk_0041 at 2026-05-16T00:10:00Z",
            [("id", "clk_0041"), ("time", "2026-05-16T00:10:00Z")],
        ),
        ("the shop at good-shop.example", [("id", "good-shop.example")]),
        ("nothing to look up here", []),
    ],
)
def test_atoms_are_what_can_be_looked_up(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(atom.kind, atom.text) for atom in atoms_of(text)] == expected


def test_a_number_is_a_value_however_it_is_written() -> None:
    (atom,) = atoms_of("12,500.50")
    assert atom.number == Decimal("12500.50")
