"""Checks claims against the evidence: looks every citation up again, then reads the sentence.

Plain code, no model. Looking up happens in a lab; what follows from it is pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from orchestrator.canonical import sha256_bytes
from orchestrator.errors import ToolFailed
from tasks.forensics.atoms import (
    ABSENT,
    GUILT,
    NUMBER,
    VAGUE,
    Atom,
    Support,
    atoms_of,
    deceiving,
)
from tasks.forensics.binding import unbound
from tasks.forensics.claims import (
    Checked,
    Citation,
    Claim,
    Lines,
    Looked,
    Page,
    Query,
    Result,
    State,
)
from tasks.forensics.intake import Intake
from tasks.forensics.lab import Lab
from tasks.forensics.measuring import bounds_in, measured_in, unmeasured, unshown
from tasks.forensics.rules import computed, numbers_in

UNTOLD = "not in its claims"
Known = tuple[str, str]
"""The state of a claim and its sentence."""
PLACE = re.compile(r"\b(line|page|slide)s? (\d+)(?:(?: to |-)(\d+))?\b", re.IGNORECASE)
NUMBERED = re.compile(r"\b(?:page|slide) (\d+)")
UNITS = frozenset(map(Decimal, ("1", "7", "24", "60", "100", "1000", "3600", "86400")))


async def check_claims(
    claims: Sequence[Claim], lab: Lab, looked: Iterable[Looked] = ()
) -> tuple[Checked, ...]:
    """Every claim with its state, in order; what a claim depends on is judged before it. `looked`
    are the pages that were archived."""
    results = await look_up([c for claim in claims for c in claim.citations], lab, looked)
    known: dict[str, Known] = {}
    checked = []
    for claim in claims:
        own = tuple(results[citation] for citation in claim.citations)
        state, why = judged(claim, own, lab.intake, known)
        known[claim.id] = (state, claim.text)
        checked.append(Checked(claim=claim, state=state, why=why, results=own))
    return tuple(checked)


async def look_up(
    citations: Sequence[Citation], lab: Lab, looked: Iterable[Looked] = ()
) -> dict[Citation, Result]:
    """What each citation holds now."""
    queries = {c: c.sql for c in citations if isinstance(c, Query)}
    answers = await lab.ask_all(list(queries.values()))
    found: dict[Citation, Result] = {
        citation: queried(citation, answer, lab.intake)
        for citation, answer in zip(queries, answers, strict=True)
    }
    archived = {page.id: page for page in looked}
    for citation in citations:
        if isinstance(citation, Lines) and citation not in found:
            found[citation] = await _lines(citation, lab)
        elif isinstance(citation, Page):
            found[citation] = _page(citation, archived.get(citation.id))
    return found


def _page(citation: Page, page: Looked | None) -> Result:
    """What the archived copy of a page holds; nothing is fetched."""
    if page is None or page.url != citation.url:
        return Result(citation=citation, found_sha256="", problem="no such page was archived")
    lines = [line for line in page.text.splitlines() if line.strip()]
    return Result(
        citation=citation,
        found_sha256=sha256_bytes(page.text.encode("utf-8", "surrogatepass")),
        columns=("line", "text"),
        rows=tuple(enumerate(lines, start=1)),
        asked=(page.url,),
        partial=True,
    )


def queried(citation: Citation, found: dict[str, Any] | str, intake: Intake) -> Result:
    """What the lab's answer to a query's citation holds."""
    if isinstance(found, str):
        return Result(citation=citation, found_sha256="", problem=found)
    exhibits = {entry.id for table in found["tables"] if (entry := intake.exhibit_of(table))}
    return Result(
        citation=citation,
        found_sha256=found["sha256"],
        columns=tuple(found["columns"]),
        rows=tuple(tuple(row) for row in found["rows"]),
        asked=tuple(found["asked"]),
        narrowed=tuple(found["narrowed"]),
        units=(*found["units"], *found["read"]),
        labels=tuple(found["labels"]),
        objections=tuple(found["objections"]),
        partial=bool(found["partial"]),
        exhibits=tuple(sorted(exhibits)),
    )


async def _lines(citation: Lines, lab: Lab) -> Result:
    asked = {"exhibit": citation.exhibit, "first": citation.first, "last": citation.last}
    try:
        found = await lab.ask({"op": "lines", **asked})
    except ToolFailed as error:
        return Result(citation=citation, found_sha256="", problem=error.message)
    return Result(
        citation=citation,
        found_sha256=found["sha256"],
        columns=tuple(found["columns"]),
        rows=tuple(tuple(line) for line in found["lines"]),
        partial=True,
        exhibits=(citation.exhibit,),
    )


def judged(
    claim: Claim, results: Sequence[Result], intake: Intake, known: Mapping[str, Known]
) -> tuple[State, str]:
    """The state of a claim, and why it is not verified. `known` are the claims before it."""
    for state, why in (
        _citations_hold(claim, results),
        _may_be_said(claim, known),
        _atoms_hold(claim, results, known),
        _absence_holds(claim, results, intake, known),
    ):
        if state != "verified":
            return state, why
    return "verified", ""


def unsaid(text: str, told: Sequence[str]) -> str:
    """What a sentence says that the sentences it rests on do not, or ""."""
    support = Support()
    for known in told:
        support.add_text(known)
    for form in (GUILT, VAGUE, ABSENT):
        said = form.search(text)
        if said and (form is GUILT or not any(said[0].lower() in one.lower() for one in told)):
            return f"{said[0]!r} is {'a judgement about a person' if form is GUILT else UNTOLD}"
    missing = [atom.text for atom in atoms_of(text) if not support.holds(atom)]
    if deceiving(text) or missing:
        return f"{', '.join(missing[:5]) or deceiving(text)} is {UNTOLD}"
    for _, _, measured in measured_in(text):
        if not any(measured in one for one in told):
            return f"{measured!r} is {UNTOLD}"
    rows = tuple((one,) for one in told)
    cited = Query(id="", sql="", sha256="")
    return unbound(text, [Result(citation=cited, found_sha256="", rows=rows)], Support())


def _citations_hold(claim: Claim, results: Sequence[Result]) -> tuple[State, str]:
    if not results and not (claim.kind == "inference" and claim.depends_on):
        return "unsupported", "it cites nothing"
    for result in results:
        if result.problem:
            return "not_reproducible", result.problem
        if result.found_sha256 != result.citation.sha256:
            return "mismatch", "what it cites is not what is found there now"
        if result.objections:
            return "unverifiable", f"the query cannot be cited: {result.objections[0]}"
    return "verified", ""


def _may_be_said(claim: Claim, known: Mapping[str, Known]) -> tuple[State, str]:
    guilt = GUILT.search(claim.text)
    if guilt:
        return "unsupported", f"{guilt[0]!r} is a judgement about a person; say what was found"
    strange = deceiving(claim.text)
    if strange:
        return "unsupported", f"it holds a character that looks like another one: {strange}"
    vague = VAGUE.search(claim.text)
    if vague and not claim.test:
        return "unsupported", f"{vague[0]!r} cannot be looked up; write the figure"
    open_ones = [name for name in claim.depends_on if known.get(name, ("",))[0] != "verified"]
    if open_ones:
        return "unsupported", f"it depends on {', '.join(open_ones)}, which is not verified"
    return "verified", ""


def _atoms_hold(
    claim: Claim, results: Sequence[Result], known: Mapping[str, Known]
) -> tuple[State, str]:
    support = support_of(results)
    problem = _apply_formulas(claim, support)
    if problem:
        return "unsupported", problem
    for name in claim.depends_on:
        support.add_text(known.get(name, ("", ""))[1])
    said_of = _without_places(claim.text, results)
    bounds = {} if claim.test else bounds_in(said_of, results)
    missing = [
        atom
        for atom in atoms_of(said_of)
        if not support.holds(atom) and not (claim.test and _is_asked(atom, results))
        if atom.text not in bounds
    ]
    if missing:
        # A figure beside figures that are there is a wrong one; anything else was never shown.
        wrong = any(atom.number is not None for atom in missing) and bool(results)
        said = ", ".join(repr(atom.text) for atom in missing[:5])
        return ("mismatch" if wrong else "unsupported"), f"{said} is not in what it cites"
    if claim.test:
        return "verified", ""
    return _put_together(claim, said_of, results)


def _put_together(claim: Claim, text: str, results: Sequence[Result]) -> tuple[State, str]:
    """Figures stand beside their names, and in the unit that was measured."""
    problem = unbound(text, results, _loose(claim, results))
    if problem:
        return "mismatch", problem
    unit = unmeasured(text, results, claim.formulas)
    return ("mismatch", unit) if unit else ("verified", "")


def _loose(claim: Claim, results: Sequence[Result]) -> Support:
    """What may stand beside any name: results of one row, and what follows by a formula."""
    loose = support_of([result for result in results if len(result.rows) == 1])
    for formula in claim.formulas:
        loose.add_number(Decimal(formula.partition("=")[0].strip().replace(",", "")))
    return loose


def _is_asked(atom: Atom, results: Sequence[Result]) -> bool:
    """Whether a figure is a threshold of the query; the sentence of a test is the playbook's."""
    return any(atom.text in (*result.asked, *result.narrowed) for result in results)


def _without_places(text: str, results: Sequence[Result]) -> str:
    """A sentence without the numbers of lines and pages that it cites."""
    cited = [r.citation for r in results if isinstance(r.citation, Lines)]
    lines = {str(n) for citation in cited for n in (citation.first, citation.last)}
    pages = {number for r in results for place in r.places for number in NUMBERED.findall(place)}

    def left(found: re.Match[str]) -> str:
        numbers = lines if found[1].lower() == "line" else pages
        return "" if {found[2], found[3] or found[2]} <= numbers else found[0]

    return PLACE.sub(left, text)


def support_of(results: Sequence[Result]) -> Support:
    """Everything that the results hold."""
    support = Support()
    for result in results:
        # The number of a line or page is where a text stands, not a figure in it.
        lines = isinstance(result.citation, (Lines, Page))
        rows = [row[-1:] for row in result.rows] if lines else result.rows
        support.add_cells(rows, without=result.labels)
        if result.places or isinstance(result.citation, Page):
            support.add_passage(str(row[-1]) for row in result.rows)
        for exhibit in result.exhibits:
            support.add_text(exhibit)
            support.add_text(exhibit.lower())
        # A figure of a condition is what was asked, and not what was found.
        for constant in (text for text in result.asked if NUMBER.fullmatch(text) is None):
            support.add_text(constant)
    return support


def _apply_formulas(claim: Claim, support: Support) -> str:
    """Add what the stated formulas give; why one of them is none."""
    for formula in claim.formulas:
        left, equals, right = formula.partition("=")
        try:
            value = computed(right) if equals else None
            stated = Decimal(left.strip().replace(",", ""))
            parts = numbers_in(right)
        except (ValueError, ArithmeticError):
            return f"{formula!r} is no formula; write 37.5 = 100 * 3 / 8"
        strange = [
            part
            for part in parts
            if not support.has_number(part, Decimal(part)) and Decimal(part) not in UNITS
        ]
        if strange:
            return f"the formula uses {strange[0]}, which is not in what it cites"
        places = max(0, -int(stated.as_tuple().exponent))
        if value is None or round(Decimal(repr(value)), places) != stated:
            return f"the formula {formula!r} does not hold"
        support.add_number(stated)
    return ""


def _absence_holds(
    claim: Claim, results: Sequence[Result], intake: Intake, known: Mapping[str, Known]
) -> tuple[State, str]:
    """A claim that something is not there, or that all are so, needs a query over whole, complete
    exhibits that found nothing, of just what the sentence says."""
    says_so = claim.kind == "absence" or ABSENT.search(claim.text)
    if claim.test or not says_so or _limits_only(claim):
        return "verified", ""
    if claim.kind == "inference" and not results:
        # What follows from claims denies nothing that they do not.
        denied = any(ABSENT.search(known.get(name, ("", ""))[1]) for name in claim.depends_on)
        return ("verified", "") if denied else ("unsupported", "no claim it rests on denies that")
    whole = [result for result in results if not result.partial]
    if not whole:
        return "unsupported", "absence, or all, needs a query over whole exhibits (no lines, LIMIT)"
    read = {name for result in whole for name in result.exhibits}
    documents = [e.id for e in intake.exhibits if e.is_document and e.id in read]
    if documents:
        return "unsupported", (
            f"absence cannot be claimed of a document such as {documents[0]}: a converter may "
            f"leave text out, and words may run over the end of a line"
        )
    broken = sorted({name for result in whole for name in incomplete(result, intake)})
    if broken:
        return "unsupported", f"absence cannot be claimed: {', '.join(broken)} is not complete"
    problem = unshown(claim.text, whole)
    return ("unsupported", problem) if problem else ("verified", "")


def _limits_only(claim: Claim) -> bool:
    """A limitation speaks of exhibits; whoever names more says something about the case."""
    named = (
        a for a in atoms_of(claim.text) if re.fullmatch(r"[Ee]\d{3,4}(\.\d+)?", a.text) is None
    )
    return claim.kind == "limitation" and not any(named)


def incomplete(result: Result, intake: Intake) -> tuple[str, ...]:
    """The exhibits behind a result that could not be read as a whole."""
    whole = {entry.id: entry.whole for entry in intake.exhibits}
    return tuple(name for name in result.exhibits if not whole.get(name, False))
