"""`--classic`: the published cadence of calls, on the same state, journal and loop."""

from __future__ import annotations

import json
import re

import pytest
from harness import Bench, Worker, last_user

from agents.tool_loop import ToolLoop
from agents.toolkit import tool, tools_of
from orchestrator.agent import Assignment, Observation, Report, Source, WorkContext
from orchestrator.limits import Limits
from orchestrator.models.llm import Completion, Request, ToolCall


class Meter:
    """A tool that shows another value for each thing."""

    @tool()
    async def read(self, number: int) -> Observation:
        """Read a meter."""
        source = Source(kind="tool", ref="meter")
        return Observation(text=f"meter {number} shows {number * 111}", source=source)


async def work(assignment: Assignment, ctx: WorkContext) -> Report:
    return await ToolLoop(assignment, ctx, tools_of(Meter()), "You read meters.").work()


TEAM = {"Reader": Worker("Reader", work)}


def ledger(done: object, **said: object) -> str:
    parts = {
        "is_request_satisfied": done, "is_in_loop": False, "is_progress_being_made": True,
        "next_speaker": "Reader", "instruction_or_question": "", **said,
    }  # fmt: skip
    return json.dumps({name: {"reason": "so", "answer": value} for name, value in parts.items()})


class Classic:
    """Reads k meters one after the other; decides by what it is shown."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.prompts: list[Request] = []

    def __call__(self, request: Request) -> Completion | str:
        self.prompts.append(request)
        asked = last_user(request)
        if request.role == "Reader":
            number = re.search(r"read meter (\d+)", asked)
            arguments = json.dumps({"number": int(number[1]) if number else 0})
            call = ToolCall(id="c1", name="read", arguments=arguments)
            return Completion(text="", tool_calls=(call,))
        if "take stock" in asked:
            return "GIVEN: meters exist"
        if "The team for this task" in asked or "went wrong" in asked:
            return "1. Reader reads every meter"
        if "Write the lists of facts" in asked:
            return "GIVEN: meters exist, GUESSES: they may be stuck"
        told = "\n".join(message.content for message in request.messages)
        seen = re.findall(r"meter \d+ shows (\d+)", told)
        if "Write the answer" in asked:
            return f"The sum is {sum(map(int, seen))}."
        if len(seen) >= self.steps:
            return ledger(True)
        return ledger(False, instruction_or_question=f"read meter {len(seen) + 1}")


def kinds_of(bench: Bench) -> list[str]:
    """The kind of every model call, in order, as the journal tells it."""
    records = bench.journal.read(bench.run_id)
    asks = {r.body["round"]: r.body["ask"] for r in records if r.kind == "RoundOpened"}
    calls = [r.key for r in records if r.kind == "StepDone" and r.body["step"] == "model"]
    return [asks[int(key.split("/")[1])] if "/lead/" in key else "worker" for key in calls]


@pytest.mark.parametrize("steps", [1, 5, 10, 20])
async def test_the_calls_come_in_the_published_sequence(bench: Bench, steps: int) -> None:
    outcome = await bench.run(Classic(steps), agents=TEAM, strategy="classic", without=())
    assert outcome.outcome == "answered"
    assert outcome.answer == f"The sum is {sum(n * 111 for n in range(1, steps + 1))}."
    assert kinds_of(bench) == ["facts", "plan", *["ledger", "worker"] * steps, "ledger", "final"]
    assert outcome.spent.calls == 2 * steps + 4


async def test_a_ledger_sees_the_whole_thread_and_ends_with_the_question(bench: Bench) -> None:
    plays = Classic(2)
    await bench.run(plays, agents=TEAM, strategy="classic")
    last = next(r for r in reversed(plays.prompts) if "Judge where" in last_user(r))
    text = "\n".join(message.content for message in last.messages)
    assert "1. Reader reads every meter" in text
    assert "meter 1 shows 111" in text
    assert text.count("Judge where the team stands") == 1
    assert [m.role for m in last.messages] == ["user", *["assistant", "user"] * 2, "user"]


async def test_stalls_make_new_facts_and_a_new_plan_and_count_anew(bench: Bench) -> None:
    class Stalling(Classic):
        def __call__(self, request: Request) -> Completion | str:
            said = super().__call__(request)
            if isinstance(said, str) and "is_in_loop" in said:
                return said.replace(
                    '"is_progress_being_made": {"reason": "so", "answer": true}',
                    '"is_progress_being_made": {"reason": "so", "answer": false}',
                )
            return said

    outcome = await bench.run(
        Stalling(9), agents=TEAM, strategy="classic", limits=Limits(stalls=2, replans=1)
    )
    assert outcome.outcome == "gave_up"
    wanted = ["ledger", "worker", "ledger"]
    assert kinds_of(bench) == ["facts", "plan", *wanted, "new_facts", "new_plan", *wanted]


@pytest.mark.parametrize(
    "bad",
    [
        "hm", "{}", ledger("perhaps"), ledger(False), ledger(False, next_speaker="Nobody"),
        ledger(True).replace("is_in_loop", "loops"),
    ],
)  # fmt: skip
async def test_a_malformed_ledger_is_asked_for_again_with_what_is_wrong(
    bench: Bench, bad: str
) -> None:
    class Stuttering(Classic):
        did = False

        def __call__(self, request: Request) -> Completion | str:
            said = super().__call__(request)
            if isinstance(said, str) and "is_in_loop" in said and not self.did:
                self.did = True
                return bad
            return said

    plays = Stuttering(1)
    outcome = await bench.run(plays, agents=TEAM, strategy="classic")
    assert (outcome.outcome, outcome.answer) == ("answered", "The sum is 111.")
    assert any("could not be used" in last_user(r) for r in plays.prompts)


async def test_a_limit_in_the_classic_cadence_is_never_worded_as_success(bench: Bench) -> None:
    outcome = await bench.run(Classic(9), agents=TEAM, strategy="classic", limits=Limits(calls=6))
    assert (outcome.outcome, outcome.limit and outcome.limit.name) == ("partial", "calls")


async def test_a_classic_run_replays(bench: Bench) -> None:
    await bench.run(Classic(2), agents=TEAM, strategy="classic")
    recorder = await bench.replay(TEAM, strategy="classic")
    assert recorder.digest() == recorder.recorded_digest()
