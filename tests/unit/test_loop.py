"""The loop from a task to an outcome, with a lead that reads what it is shown."""

from __future__ import annotations

import asyncio
import json
import re
from itertools import pairwise

from harness import Bench, Work, Worker, assign, echo, fail, finish, last_user, reply, team

from agents.tool_loop import ToolLoop
from agents.toolkit import tool, tools_of
from orchestrator.agent import Assignment, Observation, Report, Source, WorkContext
from orchestrator.errors import ModelFault
from orchestrator.limits import Limits
from orchestrator.models.llm import Completion, Request, ToolCall
from orchestrator.models.scripted import Policy, ScriptedModel


def reads_the_value(request: Request) -> str:
    """Assign one look, then answer with the value that the report shows."""
    seen = re.search(r"value (\d+)", last_user(request))
    evidence = re.search(r"evidence (\d+\.\d+\.\d+)", last_user(request))
    if seen and evidence:
        quote = {"quote": seen[0], "evidence": [evidence[1]]}
        return finish(f"The value is {seen[1]}.", citations=[quote])
    return assign(("Echo", "look"))


def always_stalled(request: Request) -> str:
    number = len(request.messages)
    return assign(("Echo", f"try {number}"), making_progress=False, reason="nothing new")


async def test_a_trivial_task_is_one_call(bench: Bench) -> None:
    outcome = await bench.run(lambda _request: finish("Paris"), task="Capital of France?")
    assert (outcome.outcome, outcome.answer, outcome.spent.calls) == ("answered", "Paris", 1)
    assert outcome.basis == "model_memory"


async def test_an_answer_names_the_evidence_that_it_rests_on(bench: Bench) -> None:
    outcome = await bench.run(reads_the_value)
    assert outcome.outcome == "answered"
    assert outcome.answer == "The value is 444."
    assert [item.id for item in outcome.evidence] == ["1.1.1"]
    assert (outcome.basis, outcome.unsupported) == ("evidence", ())


async def test_a_number_that_no_evidence_holds_is_asked_about_once_then_marked(
    bench: Bench,
) -> None:
    asked: list[str] = []

    def invents(request: Request) -> str:
        asked.append(last_user(request))
        return finish("The value is 98765.") if len(asked) > 1 else assign(("Echo", "look"))

    outcome = await bench.run(invents)
    assert outcome.outcome == "answered"
    assert outcome.unsupported == ("98765",)
    assert len(asked) == 3
    assert "no cited evidence holds: 98765" in asked[2]


async def test_require_evidence_turns_an_unsupported_answer_into_partial(bench: Bench) -> None:
    outcome = await bench.run(lambda _request: finish("It is 98765."), require_evidence=True)
    assert outcome.outcome == "partial"


async def test_a_false_satisfied_is_asked_about_once_naming_what_is_open(bench: Bench) -> None:
    plan = [{"id": "p1", "text": "look it up", "agent": "Echo"}]
    asked: list[str] = []

    def too_early(request: Request) -> str:
        asked.append(last_user(request))
        if 'ask kind="gate"' in asked[-1]:
            return assign(("Echo", "look"))
        if len(asked) == 1:
            return finish("done", plan=plan)
        return finish("It is 444.", plan=[{"id": "p1", "state": "done"}])

    outcome = await bench.run(too_early)
    assert outcome.outcome == "answered"
    assert "plan step p1 is open: look it up" in asked[1]
    assert "the plan names Echo, who was never asked" in asked[1]


async def test_an_always_stalled_lead_replans_to_the_cap_and_gives_up(bench: Bench) -> None:
    outcome = await bench.run(always_stalled, limits=Limits(stalls=3, replans=2))
    assert outcome.outcome == "gave_up"
    replans = bench.kinds("Replanned")
    assert len(replans) == 2
    assert "Echo: try" in " ".join(replans[0]["tried"])
    assert "no progress after 2 new plans" in outcome.reason


async def test_a_new_plan_is_told_what_failed_and_may_not_begin_with_it(bench: Bench) -> None:
    shown: list[str] = []

    def repeats_itself(request: Request) -> str:
        shown.append(last_user(request))
        if "does the login page" in shown[-1]:
            return finish("It cannot be done: the login page refuses, so I am unable to.")
        if "was tried before and failed" in shown[-1]:
            return assign(("Echo", "does the login page open?"))
        return assign(("Wall", "log in"), making_progress=False, reason="login refused")

    await bench.run(repeats_itself, agents=team(Wall=fail, Echo=echo))
    replan = next(text for text in shown if 'kind="replan"' in text)
    assert "Wall: log in -> failed: the login page refused: log in" in replan
    assert any("was tried before and failed" in text for text in shown)


async def test_failed_and_empty_reports_are_stalls_whatever_the_lead_says(bench: Bench) -> None:
    numbers = iter(range(100))

    def optimistic(_request: Request) -> str:
        return assign(("Wall", f"log in {next(numbers)}"), ("Wall", f"again {next(numbers)}"))

    outcome = await bench.run(optimistic, agents=team(Wall=fail))
    assert outcome.outcome == "gave_up"


async def test_each_limit_ends_partial_with_what_was_found(bench: Bench) -> None:
    def finds_more(request: Request) -> str:
        evidence = re.findall(r"evidence (\d+\.\d+\.\d+)", last_user(request))
        facts = [{"text": f"value seen in {e}", "kind": "found", "evidence": [e]} for e in evidence]
        return assign(("Echo", f"look {len(request.messages)}"), facts=facts)

    for limits, name in (
        (Limits(rounds=3), "rounds"),
        (Limits(calls=2), "calls"),
        (Limits(tokens=4000), "tokens"),
        (Limits(time_s=0.02), "time"),
    ):
        outcome = await bench.run(finds_more, limits=limits)
        assert (outcome.outcome, outcome.limit and outcome.limit.name) == ("partial", name)
        assert outcome.missing
    assert "value seen in 1.1.1" in str(
        (await bench.run(finds_more, limits=Limits(calls=2))).answer
    )


async def test_a_limit_in_the_middle_of_a_round_tells_what_the_agents_had_found(
    bench: Bench,
) -> None:
    outcome = await bench.run(lambda _request: assign(("Echo", "look")), limits=Limits(rounds=1))
    assert outcome.outcome == "partial"
    assert "Echo: seen for look: value 444" in str(outcome.answer)
    assert [item.id for item in outcome.evidence] == ["1.1.1"]


async def test_branches_at_the_same_time_overrun_no_limit(bench: Bench) -> None:
    model = Slow(
        lambda request: lead(request) if request.role == "lead" else calls("read", page="x")
    )

    def lead(_request: Request) -> str:
        return assign(*[("Reader", f"read {n}") for n in range(6)])

    outcome = await bench.run(model, agents=team(Reader=reads(["one"])), limits=Limits(calls=4))
    assert outcome.limit is not None
    assert (outcome.outcome, outcome.limit.name) == ("partial", "calls")
    assert outcome.spent.calls == 4


async def test_the_time_limit_also_ends_a_call_that_hangs(bench: Bench) -> None:
    async def hangs(_assignment: Assignment, ctx: WorkContext) -> Report:
        async def forever() -> None:
            await asyncio.sleep(60)

        await ctx.once("act/1", forever, kind="tool", fingerprint="")
        return Report(status="done", summary="never")

    def lead(_request: Request) -> str:
        return assign(("Hangs", "wait"))

    outcome = await bench.run(lead, agents=team(Hangs=hangs), limits=Limits(time_s=0.5))
    assert outcome.limit is not None
    assert (outcome.outcome, outcome.limit.name) == ("partial", "time")
    assert outcome.seconds < 20


async def test_independent_assignments_are_in_flight_together_and_after_waits(bench: Bench) -> None:
    together, order = asyncio.Barrier(2), []

    async def meets(assignment: Assignment, ctx: WorkContext) -> Report:
        async with asyncio.timeout(5):
            await together.wait()
        order.append(assignment.instruction)
        return await echo(assignment, ctx)

    async def last(assignment: Assignment, ctx: WorkContext) -> Report:
        order.append(assignment.brief)
        return await echo(assignment, ctx)

    def lead(request: Request) -> str:
        if len(request.messages) > 2:
            return finish("done")
        return assign(
            {"id": "a", "agent": "Meets", "instruction": "one"},
            {"id": "b", "agent": "Meets", "instruction": "two"},
            {"id": "c", "agent": "Last", "instruction": "three", "after": ["b", "a"]},
        )

    outcome = await bench.run(lead, agents=team(Meets=meets, Last=last))
    assert outcome.outcome == "answered"
    assert sorted(order[:2]) == ["one", "two"]
    assert order[2].index("seen for one") < order[2].index("seen for two")


async def test_a_crash_in_an_agent_is_a_failed_report_and_not_the_end(bench: Bench) -> None:
    async def broken(_assignment: Assignment, _ctx: WorkContext) -> Report:
        raise KeyError("oops")

    def lead(request: Request) -> str:
        if any("KeyError" in message.content for message in request.messages):
            return finish("The tool is broken, so this could not be found.")
        return assign(("Broken", "go"))

    outcome = await bench.run(lead, agents=team(Broken=broken))
    assert outcome.outcome == "answered"
    assert bench.kinds("Reported")[0]["report"]["status"] == "failed"


async def test_a_long_outage_ends_needs_human_and_a_resume_goes_on(bench: Bench) -> None:
    class Failing(ScriptedModel):
        async def complete(self, request: Request) -> Completion:
            if len(request.messages) > 2:
                raise ModelFault("overloaded", "500 from host x, 6 tries")
            return await super().complete(request)

    outcome = await bench.run(Failing(reads_the_value))
    assert outcome.outcome == "needs_human"
    assert "provider" in outcome.reason
    resumed = await bench.run(reads_the_value, run=bench.run_id)
    assert (resumed.outcome, resumed.spent.calls) == ("answered", 2)


async def test_notes_reach_the_lead_once_in_the_next_round(bench: Bench) -> None:
    shown: list[str] = []

    def lead(request: Request) -> str:
        shown.append(last_user(request))
        if len(shown) == 1:
            bench.journal.post(bench.run_id, "note", {"text": "prefer the blue one"}, "alex")
        return finish("ok") if len(shown) > 2 else assign(("Echo", f"look {len(shown)}"))

    await bench.run(lead)
    assert "prefer the blue one" in shown[1]
    assert "prefer the blue one" not in shown[2]


async def test_second_task_in_the_same_process_works_as_the_first(bench: Bench) -> None:
    first, second = await bench.run(reads_the_value), await bench.run(reads_the_value)
    assert first.answer == second.answer
    assert first.spent.calls == second.spent.calls


async def test_resume_with_other_limits_goes_on_from_the_last_step(bench: Bench) -> None:
    agents = team()
    outcome = await bench.run(reads_the_value, agents=agents, limits=Limits(rounds=1))
    assert outcome.outcome == "partial"
    resumed = await bench.run(
        reads_the_value, agents=agents, limits=Limits(rounds=5), run=bench.run_id
    )
    assert (resumed.outcome, resumed.spent.calls) == ("answered", 2)
    assert len(bench.kinds("StepIntended")) == 3  # two model calls and one look: nothing twice


async def test_an_old_conversation_is_folded_into_the_ledger_and_the_prompt_stays_small(
    bench: Bench,
) -> None:
    sizes: list[int] = []

    def sixty(request: Request) -> str:
        sizes.append(sum(len(m.content) for m in request.messages))
        if len(sizes) > 60:
            return finish("done")
        return assign(("Echo", f"look number {len(sizes)} " + "x" * 80))

    outcome = await bench.run(sixty, limits=Limits(rounds=80), window=6000)
    assert outcome.outcome == "answered"
    assert max(sizes) < 6000 * 4
    assert bench.kinds("Compacted")


async def test_prompts_share_their_prefix_over_a_dozen_rounds(bench: Bench) -> None:
    prompts: list[str] = []

    def dozen(request: Request) -> str:
        prompts.append("\0".join(m.content for m in request.messages))
        return finish("done") if len(prompts) > 12 else assign(("Echo", f"look {len(prompts)}"))

    await bench.run(dozen)
    shared = total = 0
    for before, now in pairwise(prompts):
        shared += next(
            (n for n, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), len(before)
        )
        total += len(now)
    assert shared / total > 0.9


async def test_a_replay_gives_the_same_digest_also_with_parallel_branches(bench: Bench) -> None:
    def lead(request: Request) -> str:
        if len(request.messages) > 2:
            return finish("done")
        return assign(("Echo", "one"), ("Echo", "two"), ("Other", "three"))

    agents = team(Echo=echo, Other=echo)
    await bench.run(lead, agents=agents)
    recorder = await bench.replay(team(Echo=echo, Other=echo))
    assert recorder.digest() == recorder.recorded_digest()
    assert json.loads(json.dumps(bench.kinds("RunEnded")))[0]["digest"] == recorder.digest()


async def test_a_lead_without_a_usable_reply_ends_gave_up_and_never_answered(bench: Bench) -> None:
    outcome = await bench.run(lambda _request: "I could not possibly say.")
    assert outcome.outcome == "gave_up"
    assert outcome.answer is None


async def test_the_retry_holds_the_validators_words(bench: Bench) -> None:
    shown: list[str] = []

    def stutters(request: Request) -> str:
        shown.append(last_user(request))
        return (
            reply(assignments=[{"agent": "Nobody", "instruction": "x"}])
            if len(shown) == 1
            else finish("ok")
        )

    outcome = await bench.run(stutters)
    assert outcome.outcome == "answered"
    assert "unknown agent 'Nobody'; the agents are Echo" in shown[1]
    assert outcome.spent.calls == 2


def test_worker_is_an_agent() -> None:
    assert Worker("x", echo).name == "x"


async def test_a_lead_that_sees_no_way_on_gives_up_after_saying_it_twice(bench: Bench) -> None:
    def lead(_request: Request) -> str:
        return reply(making_progress=False, reason="the archive burnt down", assignments=[])

    outcome = await bench.run(lead)
    assert (outcome.outcome, outcome.reason) == ("gave_up", "the archive burnt down")
    assert outcome.spent.calls == 2


class Slow(ScriptedModel):
    """An endpoint that takes its time, so that calls are in flight together."""

    async def complete(self, request: Request) -> Completion:
        await asyncio.sleep(0.05)
        return await super().complete(request)


class Filtering(ScriptedModel):
    """An endpoint whose content filter refuses any prompt that holds a word."""

    def __init__(self, policy: Policy, word: str) -> None:
        super().__init__(policy)
        self.word = word
        self.refused: list[str] = []

    async def complete(self, request: Request) -> Completion:
        prompt = "\n".join(message.content for message in request.messages)
        if self.word in prompt:
            assert prompt not in self.refused, "the same prompt was sent again"
            self.refused.append(prompt)
            raise ModelFault("content_filter", "refused by the content filter")
        return await super().complete(request)


async def test_text_that_a_filter_refuses_is_withheld_from_the_lead_and_the_run_goes_on(
    bench: Bench,
) -> None:
    def lead(request: Request) -> str:
        told = "\n".join(message.content for message in request.messages)
        if "withheld" in told:
            return finish("The report could not be read, so the value is unknown.")
        return assign(("Echo", "gunpowder"))

    model = Filtering(lead, "seen for gunpowder")
    outcome = await bench.run(model)
    assert outcome.outcome == "answered"
    assert len(model.refused) == 1
    assert any("content filter refused" in warning for warning in outcome.warnings)
    recorder = await bench.replay(team())
    assert recorder.digest() == recorder.recorded_digest()


async def test_an_observation_that_a_filter_refuses_is_withheld_from_the_worker(
    bench: Bench,
) -> None:
    def policy(request: Request) -> str | Completion:
        told = "\n".join(message.content for message in request.messages)
        if request.role == "lead":
            return (
                finish("It says: nothing.")
                if "<report assignment" in told
                else assign(("Reader", "read"))
            )
        if "withheld" in told:
            return calls("report", status="blocked", summary="the page is refused by a filter")
        return calls("read", page="harmless") if "harmless" in told else calls("read", page="x")

    model = Filtering(policy, "gunpowder")
    outcome = await bench.run(model, agents=team(Reader=reads(["gunpowder"])))
    assert outcome.outcome == "answered"
    assert len(model.refused) == 1
    report = bench.kinds("Reported")[0]["report"]
    assert "a content filter refused evidence 1.1.1" in report["summary"]


async def test_an_agent_that_goes_in_circles_is_stopped_by_plain_code(bench: Bench) -> None:
    asked: list[str] = []

    def policy(request: Request) -> str | Completion:
        if request.role == "lead":
            stopped = any("went in circles" in message.content for message in request.messages)
            return finish("It cannot be found.") if stopped else assign(("Reader", "read"))
        asked.append("think")
        return calls("read", page="one" if len(asked) % 2 else "two")

    outcome = await bench.run(policy, agents=team(Reader=reads(["same", "other"])))
    assert outcome.outcome == "answered"
    assert len(asked) <= 6
    assert bench.kinds("LoopDetected")
    assert any("stopped a loop" in warning for warning in outcome.warnings)


def calls(name: str, **arguments: object) -> Completion:
    call = ToolCall(id="c", name=name, arguments=json.dumps(arguments))
    return Completion(text="", tool_calls=(call,))


def reads(texts: list[str]) -> Work:
    """An agent on the shared tool loop whose one tool shows the same text for the same page."""

    class Shelf:
        @tool()
        async def read(self, page: str) -> Observation:
            """Read a page."""
            text = texts[len(page) % len(texts)]
            return Observation(text=f"{page}: {text}", source=Source(kind="path", ref=page))

    async def work(assignment: Assignment, ctx: WorkContext) -> Report:
        return await ToolLoop(assignment, ctx, tools_of(Shelf()), "You read.").work()

    return work


async def test_a_live_result_is_what_a_resume_will_read(bench: Bench) -> None:
    async def work(_assignment: Assignment, ctx: WorkContext) -> Report:
        async def look() -> dict[str, object]:
            return {"b": 1, "a": (2, 3)}

        done = await ctx.once("act/1", look, kind="tool", fingerprint="")
        return Report(status="done", summary=json.dumps(done.value))

    await bench.run(
        lambda _request: assign(("Looks", "go")), agents=team(Looks=work), limits=Limits(rounds=1)
    )
    assert bench.kinds("Reported")[0]["report"]["summary"] == '{"a": [2, 3], "b": 1}'
