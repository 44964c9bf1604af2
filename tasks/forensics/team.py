"""The team on a case: Examiner, Skeptic and Writer, under the ordinary lead.

The Skeptic starts from the claims alone and never sees how they were arrived at. The Writer sees
verified claims and nothing else of the evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.tool_loop import ToolLoop
from agents.toolkit import Tool, tool, tools_of
from orchestrator.agent import Assignment, Observation, Report, WorkContext
from orchestrator.errors import ToolFailed
from orchestrator.prompt_files import render
from tasks.forensics.board import PLOT, Board, Noted, observed
from tasks.forensics.checking_claims import unsaid
from tasks.forensics.claims import CLAIM, REVIEWED, ROLES, SUMMARY, Sentence
from tasks.forensics.desk import Desk
from tasks.forensics.lab import Lab
from tasks.forensics.showing import exhibits_text

PROMPTS = Path(__file__).parent / "prompts"
KEPT = frozenset({CLAIM, REVIEWED, ROLES, SUMMARY, PLOT})
"""Records that become events of the run; the rest only makes the board whole again."""
MAX_SENTENCES = 30


class Examiner:
    """Examines the evidence and makes claims."""

    name = "Examiner"
    description = (
        "examines the case's evidence in a lab: exhibits, profiles, samples, SQL, lines, look-ups, "
        "plots; fills the playbook's roles, runs its tests, and makes claims. Direct tools: "
        "exhibits(), profile(table), sql(query)."
    )

    def __init__(self, lab: Lab, board: Board) -> None:
        self._lab = lab
        self._board = board

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        desk = Desk(self._lab, self._board, assignment)
        return await _work(assignment, ctx, self._board, render("examiner", folder=PROMPTS), desk)

    async def close(self) -> None:
        """The lab belongs to whoever opened it."""


class Skeptic:
    """Tries to refute each claim and to prove each innocent explanation."""

    name = "Skeptic"
    description = (
        "looks at every claim with fresh eyes, fills the roles anew, runs the tests again, and "
        "states what speaks against claims. Give it work after the Examiner has made its claims."
    )

    def __init__(self, lab: Lab, board: Board) -> None:
        self._lab = lab
        self._board = board

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        desk = Desk(self._lab, self._board, assignment)
        brief = "\n".join(
            [
                f"The question of the case: {self._board.case.question}",
                f"The subject: {self._board.case.subject or 'not named'}",
                "The claims:",
                *(_line(noted) for noted in self._board.claims()),
                "The exhibits:",
                exhibits_text(self._board.shown),
            ]
        )
        shown = self._board.mask.text(brief)
        fresh = assignment.model_copy(
            update={"instruction": "Try to refute these claims.", "brief": shown}
        )
        return await _work(fresh, ctx, self._board, render("skeptic", folder=PROMPTS), desk)

    async def close(self) -> None:
        """The lab belongs to whoever opened it."""


class Writer:
    """Puts verified claims into a summary."""

    name = "Writer"
    description = "writes the summary from the verified claims; the last one to be given work."

    def __init__(self, board: Board) -> None:
        self._board = board

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        sheet = Sheet(self._board)
        verified = [_line(noted) for noted in self._board.claims() if noted.state == "verified"]
        brief = self._board.mask.text("\n".join([f"{len(verified)} verified claims:", *verified]))
        fresh = assignment.model_copy(
            update={"instruction": "Write the summary of the case.", "brief": brief}
        )
        return await _work(fresh, ctx, self._board, render("writer", folder=PROMPTS), sheet)

    async def close(self) -> None:
        """Nothing to let go of."""


class Sheet:
    """The Writer's one tool."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def recall(self, observation: Observation) -> None:
        """Take over what a recorded step has written."""
        self._board.take((observation.snapshot or {}).get("forensics", ()))

    @tool()
    async def write(self, sentences: list[Sentence]) -> Observation:
        """Write the whole summary: sentences in order, each with the claims that it puts together.
        What a sentence says has to stand in its claims."""
        wrong = [
            f"sentence {number}: {problem}"
            for number, sentence in enumerate(sentences, start=1)
            if (problem := _objection(sentence, self._board))
        ]
        if wrong or not sentences or len(sentences) > MAX_SENTENCES:
            raise ToolFailed("; ".join(wrong) or f"1 to {MAX_SENTENCES} sentences")
        body = {"sentences": [item.model_dump(mode="json") for item in sentences]}
        self._board.take([(SUMMARY, body)])
        verified = sum(noted.state == "verified" for noted in self._board.claims())
        text = f"written: {len(sentences)} sentences over {verified} verified claims"
        return observed(text, "summary", (SUMMARY, body))


def _objection(sentence: Sentence, board: Board) -> str:
    told: list[str] = []
    for name in sentence.claims:
        noted = board.noted.get(name)
        if noted is None or noted.state != "verified":
            return f"{name} is no verified claim"
        told.append(f"{noted.claim.text} {name}")
    return unsaid(sentence.text, told)


def _line(noted: Noted) -> str:
    claim = noted.claim
    cited = ", ".join(
        f"{c.exhibit}:{c.first}-{c.last}" if c.kind == "lines" else c.id for c in claim.citations
    )
    outcome = {True: " outcome yes", False: " outcome no", None: ""}[claim.outcome]
    test = f" test {claim.test}{outcome}" if claim.test else ""
    return f"{claim.id} [{noted.state}{test}; cites {cited or 'claims'}]: {claim.text}"


async def _work(
    assignment: Assignment,
    ctx: WorkContext,
    board: Board,
    prompt: str,
    device: Desk | Sheet,
) -> Report:
    """The shared loop; afterwards the records of its steps become events of the run."""
    kept = _Kept(device)
    own = tools_of(device)
    if board.case.network == "none":
        own.pop("page", None)
    tools = kept.watching(board.mask.over(own))
    loop = ToolLoop(assignment, ctx, tools, prompt, device=kept)
    try:
        return await loop.work()
    finally:
        for number, (schema, body) in enumerate(kept.records, start=1):
            await ctx.record(f"record/{number}", schema, body)


class _Kept:
    """Gathers records in the order of the steps, whether they ran now or were recorded."""

    def __init__(self, device: Desk | Sheet) -> None:
        self._device = device
        self.records: list[tuple[str, Any]] = []

    def recall(self, observation: Observation) -> None:
        """A recorded step."""
        self._device.recall(observation)
        self._gather(observation)

    def watching(self, tools: Mapping[str, Tool]) -> dict[str, Tool]:
        """The tools, with each observation's records gathered."""
        return {
            name: replace(known, function=self._watched(known.function))
            for name, known in tools.items()
        }

    def _watched(self, function: Any) -> Any:
        async def run(**arguments: Any) -> Observation:
            observation: Observation = await function(**arguments)
            self._gather(observation)
            return observation

        return run

    def _gather(self, observation: Observation) -> None:
        found = (observation.snapshot or {}).get("forensics", ())
        self.records += [(schema, body) for schema, body in found if schema in KEPT]
