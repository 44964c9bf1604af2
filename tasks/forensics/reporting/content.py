"""What a report says, as one value: everything that its forms are made of, and report.json itself.

Pure. What is not verified is listed by its id and the reason; what it says stands in the annex, a
file of its own, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestrator.models.llm import Frozen
from tasks.forensics.claims import (
    Affected,
    Checked,
    Lines,
    Looked,
    Page,
    Polarity,
    Result,
    Sentence,
)
from tasks.forensics.custody import Custody
from tasks.forensics.deciding import Docket
from tasks.forensics.intake import Examined, Intake
from tasks.forensics.manifest import Case
from tasks.forensics.reporting.open_ends import (
    gaps,
    injections,
    orders_of,
    questions,
    would_change,
)
from tasks.forensics.verdict import WORDS, Verdict

SCHEMA = "quaestor.forensics.report/1"
SHOWN_ROWS = 50
"""Rows of a citation that a page shows; the query beside it gives all."""
UNSAID: Mapping[str, object] = {"text": "", "formulas": (), "citations": ()}
SEEN = ("supported", "open", "explained")
PlotKind = Literal["bar", "line", "scatter", "hist"]


class Plot(Frozen):
    """A drawing: the rows that its query gave, the first column across, the second up."""

    title: str
    kind: PlotKind
    sql: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


class RunFacts(Frozen):
    """What made the claims: the run with its chain's head, models by the provider's own names, and
    the image that the evidence was examined in; how the run ended."""

    run: str = ""
    head: str = ""
    models: tuple[str, ...] = ()
    image: str = ""
    version: str = ""
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Material:
    """What a report is made of."""

    case: Case
    custody: Custody
    docket: Docket
    verdict: Verdict
    affected: tuple[Affected, ...] = ()
    plots: tuple[Plot, ...] = ()
    summary: tuple[Sentence, ...] = ()
    run: RunFacts = field(default_factory=RunFacts)
    looked: tuple[Looked, ...] = ()


class LookedUp(Frozen):
    """A page that was opened for the case: who runs it may know that somebody asked."""

    id: str
    url: str
    time: str
    sha256: str


class Cited(Frozen):
    """A citation with what it was found to hold. `place` is a query's id or EXHIBIT:LINES, with the
    pages or sections where the exhibit is a document."""

    place: str
    sql: str
    sha256: str
    exhibits: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    rows_in_all: int
    problem: str = ""


class Statement(Frozen):
    """A claim as a report shows it. `also` are claims that say and cite the same."""

    id: str
    also: tuple[str, ...] = ()
    by: str
    text: str
    kind: str
    side: Polarity
    mechanism: str
    test: str
    outcome: bool | None
    state: str
    why: str
    is_reviewed: bool
    refutes: str
    formulas: tuple[str, ...]
    depends_on: tuple[str, ...]
    citations: tuple[Cited, ...]


class ShownExhibit(Frozen):
    """An exhibit as it was received, or a member of one."""

    id: str
    path: str
    kind: str
    size: int
    sha256: str
    complete: bool
    reference: bool
    clocks: tuple[str, ...]
    flaws: tuple[str, ...]


class LeftOutItem(Frozen):
    """Something that was there and was not examined."""

    path: str
    why: str


class Counts(Frozen):
    """Claims that were made and those that hold."""

    made: int
    verified: int
    reviewed: int


class CaseReport(Frozen):
    """The report of a case: report.json. `tests` says what each test of the playbook asks; `gaps`
    are what the evidence lacks or leaves unsure, `warnings` the same with attempts to give orders.
    """

    schema_name: str = SCHEMA
    case_id: str
    title: str
    question: str
    subject: str
    period: tuple[str, str] | None
    hypotheses: tuple[str, ...]
    tags: tuple[str, ...]
    words: str
    verdict: Verdict
    summary: tuple[Sentence, ...]
    claims: tuple[Statement, ...]
    annex: tuple[Statement, ...]
    affected: tuple[Affected, ...]
    plots: tuple[Plot, ...]
    exhibits: tuple[ShownExhibit, ...]
    left_out: tuple[LeftOutItem, ...]
    looked_up: tuple[LookedUp, ...]
    warnings: tuple[str, ...]
    gaps: tuple[str, ...]
    injections: tuple[str, ...]
    would_change: tuple[str, ...]
    questions: tuple[str, ...]
    tests: dict[str, str]
    counts: Counts
    playbook_version: str
    playbook_sha256: str
    run: RunFacts

    def side(self, side: Polarity) -> tuple[Statement, ...]:
        """The verified claims that speak for the allegation, against it, or neither."""
        return tuple(claim for claim in self.claims if claim.side == side)


def report_of(material: Material) -> CaseReport:
    """The report."""
    case, docket, verdict = material.case, material.docket, material.verdict
    seen = {f.mechanism for f in verdict.findings if f.standing in SEEN}
    shown = [_statement(item, docket, seen) for item in docket.checked]
    known = {item.id for item in shown if item.state == "verified"}
    verified = _merged(item for item in shown if item.state == "verified")
    tests = {name: test.asks for name, (_, test) in docket.playbook.tests().items()}
    return CaseReport(
        case_id=case.case_id,
        title=case.title,
        question=case.question,
        subject=case.subject or "",
        period=_period(case),
        hypotheses=case.hypotheses,
        tags=case.tags,
        words=WORDS[verdict.word],
        verdict=verdict,
        summary=tuple(said for said in material.summary if set(said.claims) <= known),
        claims=verified,
        annex=tuple(i.model_copy(update=UNSAID) for i in shown if i.state != "verified"),
        affected=material.affected,
        plots=material.plots,
        exhibits=tuple(_exhibits(material.custody, docket.intake)),
        left_out=tuple(
            LeftOutItem(path=item.path, why=item.why) for item in material.custody.left_out
        ),
        looked_up=tuple(
            LookedUp(id=page.id, url=page.url, time=page.time, sha256=page.sha256)
            for page in material.looked
        ),
        warnings=docket.intake.warnings(),
        gaps=tuple(gaps(material.custody, docket.intake)),
        injections=(*injections(docket.intake), *orders_of(material.looked)),
        would_change=tuple(would_change(verdict, tests)),
        questions=tuple(questions(verdict, first_ids(verified))),
        tests=tests,
        counts=Counts(
            made=len(shown),
            verified=len(known),
            reviewed=len(known & docket.reviewed),
        ),
        playbook_version=docket.playbook.version,
        playbook_sha256=docket.playbook.sha256,
        run=material.run,
    )


def _period(case: Case) -> tuple[str, str] | None:
    return (case.period[0].isoformat(), case.period[1].isoformat()) if case.period else None


def _statement(item: Checked, docket: Docket, seen: Collection[str]) -> Statement:
    claim = item.claim
    outcome = _outcome(item, docket)
    return Statement(
        id=claim.id,
        by=claim.by,
        text=claim.text,
        kind=claim.kind,
        side=_side(item, outcome, docket, seen),
        mechanism=claim.mechanism or _mechanism(claim.test),
        test=claim.test,
        outcome=outcome,
        state=item.state,
        why=item.why,
        is_reviewed=claim.id in docket.reviewed,
        refutes=claim.refutes,
        formulas=claim.formulas,
        depends_on=claim.depends_on,
        citations=tuple(_cited(result) for result in item.results),
    )


def _merged(items: Iterable[Statement]) -> tuple[Statement, ...]:
    """What says and cites the same as an earlier claim is named beside it."""
    kept: dict[tuple[str, ...], Statement] = {}
    for item in items:
        said = (item.text, *(cited.place for cited in item.citations))
        first = kept.get(said)
        if first is None:
            kept[said] = item
            continue
        is_reviewed = first.is_reviewed or item.is_reviewed
        kept[said] = first.model_copy(
            update={"also": (*first.also, item.id), "is_reviewed": is_reviewed}
        )
    return tuple(kept.values())


def _mechanism(test: str) -> str:
    return test.partition("/")[0] if "/" in test else ""


def _outcome(item: Checked, docket: Docket) -> bool | None:
    """Read again from the figures; what a claim says of itself is not shown."""
    known = docket.playbook.tests().get(item.claim.test)
    return known[1].outcome(item.figures()) if known else None


def _side(item: Checked, outcome: bool | None, docket: Docket, seen: Collection[str]) -> Polarity:
    """A test takes the side of its outcome. Peers and payments take none, nor do innocent
    explanations of what was not seen."""
    claim = item.claim
    part = docket.playbook.tests().get(claim.test, ("", None))[0]
    if part == "shared" or (part == "twin" and _mechanism(claim.test) not in seen):
        return "neutral"
    if part:
        sides: dict[bool | None, Polarity] = {True: "inculpatory", False: "exculpatory"}
        return sides.get(outcome, "neutral")
    return "exculpatory" if claim.refutes and claim.polarity == "neutral" else claim.polarity


def _cited(result: Result) -> Cited:
    cited = result.citation
    lines = isinstance(cited, Lines)
    return Cited(
        place=_place(result),
        sql="" if lines else getattr(cited, "sql", ""),
        sha256=cited.sha256,
        exhibits=result.exhibits,
        columns=result.columns,
        rows=result.rows[:SHOWN_ROWS],
        rows_in_all=len(result.rows),
        problem=result.problem,
    )


def _place(result: Result) -> str:
    cited = result.citation
    if isinstance(cited, Page):
        return f"{cited.id} ({cited.url})"
    if not isinstance(cited, Lines):
        return cited.id
    lines = f"{cited.first}-{cited.last}" if cited.last > cited.first else f"{cited.first}"
    where = f" ({', '.join(result.places)})" if result.places else ""
    return f"{cited.exhibit}:{lines}{where}"


def _exhibits(custody: Custody, intake: Intake) -> Iterator[ShownExhibit]:
    found: dict[str, Examined] = {entry.id: entry for entry in intake.exhibits}
    for item in custody.exhibits:
        entry = found.get(item.id)
        if entry is not None:
            yield _received(entry, item.reference)
            members = [e for e in intake.exhibits if e.id.startswith(f"{item.id}.")]
            yield from (_received(member, item.reference) for member in members)
            continue
        yield ShownExhibit(
            id=item.id,
            path=item.path,
            kind="not examined",
            size=item.size,
            sha256=item.sha256,
            complete=False,
            reference=item.reference,
            clocks=(),
            flaws=(),
        )


def _received(entry: Examined, reference: bool) -> ShownExhibit:
    return ShownExhibit(
        id=entry.id,
        path=entry.path,
        kind=entry.kind,
        size=entry.size,
        sha256=entry.sha256,
        complete=entry.whole,
        reference=reference,
        clocks=tuple(_clocks(entry)),
        flaws=(*entry.flaws, *entry.notes),
    )


def _clocks(entry: Examined) -> Iterator[str]:
    for table in entry.tables:
        for column in table.columns:
            if column.clock is not None:
                zone = column.clock.zone or "zone unknown"
                ends = f"{column.first} to {column.last}" if column.first else "no event"
                yield f"{table.name}.{column.name}: {zone} ({column.clock.found}), {ends}"


def annex_of(material: Material) -> tuple[Statement, ...]:
    """The claims that do not hold, with what they say: annex.json."""
    untold = (item for item in material.docket.checked if not item.is_verified)
    return tuple(_statement(item, material.docket, ()) for item in untold)


def first_ids(claims: Iterable[Statement]) -> dict[str, str]:
    """For each claim that says the same as an earlier one, the id under which it is shown."""
    return {also: claim.id for claim in claims for also in claim.also}


def statements(report: CaseReport) -> Sequence[Statement]:
    """Every claim, those that hold and those that do not."""
    return (*report.claims, *report.annex)
