"""Long tasks in small windows: the conversation folds, observations shrink, the answer is right."""

from __future__ import annotations

import json
import re

import pytest
from harness import Bench, Worker, assign, finish, team

from agents.tool_loop import ToolLoop
from agents.toolkit import tool, tools_of
from orchestrator.agent import Assignment, Observation, Report, Source, WorkContext
from orchestrator.errors import ModelFault
from orchestrator.limits import Limits
from orchestrator.models.llm import Completion, Request, ToolCall
from orchestrator.models.scripted import Policy, ScriptedModel
from orchestrator.models.tokens import estimate_tokens, request_text

STEPS = 60


class Narrow(ScriptedModel):
    """An endpoint that refuses what is longer than its window, which nobody knows beforehand."""

    def __init__(self, policy: Policy, window: int) -> None:
        super().__init__(policy)
        self.window = window
        self.longest = 0
        self.refused = 0

    async def complete(self, request: Request) -> Completion:
        tokens = estimate_tokens(request_text(request))
        if tokens > self.window:
            self.refused += 1
            raise ModelFault("context_too_long", f"{tokens} tokens are more than {self.window}")
        self.longest = max(self.longest, tokens)
        return await super().complete(request)


async def meter(assignment: Assignment, ctx: WorkContext) -> Report:
    """One reading, in a report that says much more than is needed."""
    number = int(assignment.instruction.split()[-1])
    text = f"meter {number:02} shows {number * 7919 % 9973}\n" + "This is about meters. " * 60
    seen = Observation(text=text, source=Source(kind="tool", ref=f"meter {number}"))
    evidence = await ctx.add_evidence("act/1", seen)
    return Report(status="done", summary=text, evidence=(evidence.id,))


def adds_up(request: Request) -> str:
    """Writes each reading down as a fact, and adds them up when all are there."""
    told = "\n".join(m.content for m in request.messages if m.role == "user")
    seen = {int(n): int(v) for n, v in re.findall(r"meter (\d\d) shows (\d+)", told)}
    facts = [
        {"id": f"m{n:02}", "kind": "found", "text": f"meter {n:02} shows {v}"}
        for n, v in seen.items()
    ][-3:]
    if len(seen) == STEPS:
        return finish(f"In all {sum(seen.values())}.")
    number = next(n for n in range(1, STEPS + 1) if n not in seen)
    return assign(("Meter", f"read meter {number:02}"), facts=facts)


RIGHT = f"In all {sum(n * 7919 % 9973 for n in range(1, STEPS + 1))}."
ROUNDS = Limits(rounds=90)


@pytest.mark.parametrize(("size", "window"), [(6000, 6000), (3000, None)])
async def test_sixty_steps_in_a_small_window_end_with_the_right_answer(
    bench: Bench, size: int, window: int | None
) -> None:
    model = Narrow(adds_up, size)
    outcome = await bench.run(model, agents=team(Meter=meter), limits=ROUNDS, window=window)
    assert (outcome.outcome, outcome.answer) == ("answered", RIGHT)
    assert model.refused <= (0 if window else 3)
    assert outcome.spent.calls <= STEPS + 3


async def test_a_window_that_was_learned_replays(bench: Bench) -> None:
    agents = team(Meter=meter)
    await bench.run(Narrow(adds_up, 6000), agents=agents, limits=ROUNDS)
    assert bench.kinds("WindowLearned")
    recorder = await bench.replay(agents, limits=ROUNDS)
    assert recorder.digest() == recorder.recorded_digest()


class Book:
    """A tool that shows a lot at once."""

    @tool()
    async def chapter(self, number: int) -> Observation:
        """A chapter; its first line is what matters."""
        text = f"chapter {number}: the key is {number * 313}\n" + "and so on " * 1900
        return Observation(text=text, source=Source(kind="path", ref="book"))


async def test_a_worker_goes_on_with_shorter_observations(bench: Bench) -> None:
    async def reads(assignment: Assignment, ctx: WorkContext) -> Report:
        return await ToolLoop(assignment, ctx, tools_of(Book()), "You read.").work()

    def play(request: Request) -> Completion | str:
        if request.role == "lead":
            told = "\n".join(m.content for m in request.messages if m.role == "user")
            keys = re.search(r"keys: ([\d ]+)", told)
            return finish(keys[0]) if keys else assign(("Reader", "read three chapters"))
        shown = "\n".join(m.content for m in request.messages if m.role == "tool")
        keys = re.findall(r"the key is (\d+)", shown)
        name, arguments = "chapter", {"number": len(keys) + 1}
        if len(keys) == 3:
            name, arguments = "report", {"status": "done", "summary": f"keys: {' '.join(keys)}"}
        call = ToolCall(id="1", name=name, arguments=json.dumps(arguments))
        return Completion(text="", tool_calls=(call,))

    model = Narrow(play, 4000)
    outcome = await bench.run(model, agents={"Reader": Worker("Reader", reads)})
    assert (outcome.outcome, outcome.answer) == ("answered", "keys: 313 626 939")
    assert 0 < model.refused <= 4


async def test_an_endpoint_that_takes_nothing_ends_honestly(bench: Bench) -> None:
    outcome = await bench.run(Narrow(adds_up, 50), agents=team(Meter=meter))
    assert outcome.outcome == "needs_human"
    assert outcome.fault == "context_too_long"
