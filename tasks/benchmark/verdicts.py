"""Scores the rows of a run: by rule, by running code in the box, or by asking a judge.

This is where gold and answers meet, after the units have ended. Scoring again runs nothing again:
answers come from the rows, the last page and the evidence from the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from orchestrator.blobs import Blobs
from orchestrator.errors import ModelFault
from orchestrator.journal import Record
from orchestrator.models.llm import LLM, Usage
from sandbox.base import Box
from tasks.benchmark.cases import Case
from tasks.benchmark.extraction import extract
from tasks.benchmark.judge import ROLE, judge_graded, judge_string
from tasks.benchmark.outcomes import FULL
from tasks.benchmark.rows import Spent, UnitResult
from tasks.benchmark.scorers.humaneval import score_functional
from tasks.benchmark.scorers.lenient import would_accept
from tasks.benchmark.scorers.registry import FUNCTIONAL, JUDGED, PURE
from tasks.benchmark.scorers.score import Json, Score, unjudged
from tasks.benchmark.signals import LEAD, answer_was_shown, last_page
from tasks.benchmark.suites.loading import OpensBox

AT_ONCE = 8
"""Judgements of a model that are asked for at the same time."""
BY_ADDRESS = "webarena/url"
IN_WORDS = frozenset({"gaia/2023", "gaia/magentic-one", "assistantbench/official",
                      "assistantbench/log10", "exact", "contains", "number"})  # fmt: skip
"""Rules about the words of an answer, which may be right in the wrong form."""


@dataclass(slots=True)
class Judges:
    """What rules need besides answer and gold. The box is opened when code is to be judged; without
    a model what needs a judge says so. `read` gives the records of a run."""

    open_box: OpensBox
    model: LLM | None
    read: Callable[[str], Sequence[Record]]
    blobs: Blobs
    also: tuple[str, ...] = ()
    _box: Box | None = None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Judges:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        self._box = None

    async def box(self) -> Box:
        """The one box of all judgements."""
        if self._box is None:
            self._box = await self._stack.enter_async_context(self.open_box())
        return self._box


async def scored_rows(
    rows: Sequence[UnitResult], cases: Mapping[str, Case], judges: Judges
) -> list[UnitResult]:
    """Every row with its score, in the same order. Nothing that one answer does ends it."""
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(row: UnitResult) -> UnitResult:
        async with at_once:
            return await scored_row(row, cases[row.task], judges)

    asked = [row for row in rows if cases[row.task].scorer in JUDGED]
    by_unit = {row.unit: row for row in await asyncio.gather(*map(one, asked))}
    for row in rows:
        if row.unit not in by_unit:
            by_unit[row.unit] = await scored_row(row, cases[row.task], judges)
    return [by_unit[row.unit] for row in rows]


async def scored_row(row: UnitResult, case: Case, judges: Judges) -> UnitResult:
    """The row with level, tags and score, and with what only gold can tell of it."""
    known: dict[str, object] = {"level": case.level, "tags": case.tags}
    if row.ended == "not_run":
        return row.model_copy(update=known)
    if case.gold is None:
        hidden = unjudged("the answer is hidden: it can be submitted, not scored", hidden=True)
        return row.model_copy(update={**known, "score": hidden})
    records = judges.read(row.run) if row.run else ()
    prediction, rule = _prediction(row, case, records, judges.blobs)
    score = await _score(case, prediction, judges)
    known["score"] = score.model_copy(update={"detail": {**score.detail, "extraction": rule}})
    known["also"] = {
        name: PURE[name](prediction, case.gold).score
        for name in judges.also
        if case.scorer in IN_WORDS
    }
    known["spent"] = (*(item for item in row.spent if item.role != ROLE), *_asked(score))
    if score.score < FULL and case.scorer in IN_WORDS:
        known["lenient"] = score.score == 0 and would_accept(prediction, case.gold)
        known |= _overlooked(row, case, records, judges.blobs)
    return row.model_copy(update=known)


def _prediction(
    row: UnitResult, case: Case, records: Sequence[Record], blobs: Blobs
) -> tuple[Json, str]:
    """What is judged, and the rule by which it was found."""
    if case.scorer == BY_ADDRESS:
        return last_page(records, blobs), "last page"
    found = extract(row.answer)
    return found.answer, found.rule


async def _score(case: Case, prediction: Json, judges: Judges) -> Score:
    if case.scorer == FUNCTIONAL:
        return await score_functional(prediction, case.gold, await judges.box())
    ask = {"simpleqa/graded": judge_graded, "webarena/string": judge_string}.get(case.scorer)
    if ask is None or judges.model is None:
        return PURE[case.scorer](prediction, case.gold)
    try:
        return await ask(judges.model, prediction, case.gold, case.task)
    except ModelFault as fault:
        return unjudged(f"the judge cannot be asked: {fault.message}", fault=fault.kind)


def _asked(score: Score) -> tuple[Spent, ...]:
    usage = score.detail.get("grader_usage")
    if usage is None:
        return ()
    model = str(score.detail.get("grader", ""))
    return (Spent(role=ROLE, model=model, usage=Usage.model_validate(usage)),)


def _overlooked(
    row: UnitResult, case: Case, records: Sequence[Record], blobs: Blobs
) -> dict[str, object]:
    """An answer that some observation held and that was not given: the lead passed it over."""
    signals = {name: count for name, count in row.signals.items() if name != "answer_seen"}
    if not answer_was_shown(records, blobs, case.gold):
        return {"signals": signals}
    seen: dict[str, object] = {"signals": {**signals, "answer_seen": 1}}
    if not row.failed_agent:
        seen |= {"failed_agent": LEAD, "failed_step": f"round/{row.rounds}/lead"}
    return seen
