"""Before an answer ends the run, a fresh reader sees the task, the answer and the evidence."""

from __future__ import annotations

import json
import re

import pytest
from harness import Bench, assign, echo, finish, last_user, team

from orchestrator.agent import Assignment, Observation, Report, Source, WorkContext
from orchestrator.errors import ModelFault
from orchestrator.limits import Limits
from orchestrator.models.llm import Completion, Request
from orchestrator.models.scripted import ScriptedModel
from orchestrator.verifying import excerpts, judge

PAGE = "Blue Widget (2019)\nprice: 444 EUR\nweight: 12 kg"


def verdict(supported: object, *quotes: str, unproven: object = ()) -> str:
    return json.dumps({"supported": supported, "quotes": quotes, "unproven": unproven})


def tells_the_value(request: Request) -> str:
    """The lead: look, then answer with the value that the newest report shows."""
    told = "\n".join(m.content for m in request.messages if m.role == "user")
    seen = re.findall(r"value (\d+)", told)
    return finish(f"The value is {seen[-1]}.") if seen else assign(("Echo", "look"))


def reads_the_evidence(request: Request) -> str:
    """The verifier: the answer's number has to stand in the evidence."""
    prompt = last_user(request)
    answer = re.search(r"<answer>\nThe value is (\d+)\.", prompt)
    shown = re.search(r"value (\d+)", prompt.partition("</answer>")[2])
    if answer and shown and answer[1] == shown[1]:
        return verdict(True, shown[0])
    return verdict(False, unproven=[f"the evidence shows {shown[0] if shown else 'nothing'}"])


class Judged:
    """A lead, and a verifier whose replies come in turn; what both were asked is kept."""

    def __init__(self, *votes: str, lead: object = tells_the_value) -> None:
        self.votes, self.lead = list(votes), lead
        self.asked: list[Request] = []
        self.leads: list[Request] = []

    def __call__(self, request: Request) -> Completion | str:
        if request.role != "verifier":
            self.leads.append(request)
            return self.lead(request)  # type: ignore[operator, no-any-return]
        self.asked.append(request)
        return self.votes.pop(0) if self.votes else reads_the_evidence(request)


async def test_an_answer_out_of_evidence_costs_one_more_call_and_is_verified(bench: Bench) -> None:
    plays = Judged()
    outcome = await bench.run(plays, without=())
    assert (outcome.outcome, outcome.verified) == ("answered", True)
    assert outcome.spent.calls == 3
    assert bench.kinds("VoteCast")[0]["quotes"] == ["value 444"]


async def test_the_reader_sees_the_bytes_and_not_what_the_agent_said_of_them(bench: Bench) -> None:
    async def liar(assignment: Assignment, ctx: WorkContext) -> Report:
        seen = Observation(text=PAGE, source=Source(kind="url", ref="http://shop/blue"))
        evidence = await ctx.add_evidence("act/1", seen)
        return Report(status="done", summary="value 999 it says", evidence=(evidence.id,))

    plays = Judged()
    outcome = await bench.run(plays, agents=team(Echo=liar), without=())
    prompt = last_user(plays.asked[0])
    assert "price: 444 EUR" in prompt
    assert "http://shop/blue" in prompt
    assert "it says" not in prompt
    assert len(plays.asked[0].messages) == 2  # nothing else of the run
    assert (outcome.outcome, outcome.verified) == ("partial", False)


async def test_an_answer_of_the_opening_is_never_verified(bench: Bench) -> None:
    outcome = await bench.run(lambda _request: finish("Paris"), without=())
    assert (outcome.outcome, outcome.spent.calls, outcome.verified) == ("answered", 1, None)


async def test_no_verify_ends_without_that_call(bench: Bench) -> None:
    outcome = await bench.run(Judged(), without=("verify",))
    assert (outcome.outcome, outcome.spent.calls, outcome.verified) == ("answered", 2, None)


async def test_what_only_a_program_has_printed_is_verified_in_plain_code(bench: Bench) -> None:
    async def computes(_assignment: Assignment, ctx: WorkContext) -> Report:
        source = Source(kind="tool", ref="Coder")
        seen = Observation(text="value 77317", source=source, locator="code output of p")
        evidence = await ctx.add_evidence("act/1", seen)
        return Report(status="done", summary=seen.text, evidence=(evidence.id,))

    outcome = await bench.run(Judged(), agents=team(Echo=computes), without=())
    assert (outcome.outcome, outcome.spent.calls, outcome.verified) == ("answered", 2, True)


@pytest.mark.parametrize("unclear", ["I think so.", "{}", verdict("maybe"), verdict(True)])
async def test_an_unclear_vote_is_followed_by_one_in_other_words_that_says_why(
    bench: Bench, unclear: str
) -> None:
    plays = Judged(unclear)
    outcome = await bench.run(plays, without=())
    assert (outcome.outcome, outcome.verified, outcome.spent.calls) == ("answered", True, 4)
    first, second = plays.asked
    assert first.messages[0].content != second.messages[0].content
    assert "could not be used" in last_user(second)


async def test_a_vote_with_an_invented_quote_counts_for_nothing(bench: Bench) -> None:
    plays = Judged(verdict(True, "value 445"), verdict(True, "value 446"))
    outcome = await bench.run(plays, without=())
    assert [vote["verdict"] for vote in bench.kinds("VoteCast")] == ["unclear", "unclear"]
    assert (outcome.outcome, outcome.verified) == ("answered", False)
    assert "the answer could not be verified" in outcome.warnings


async def test_the_lead_is_told_what_is_unproven_and_may_give_work_again(bench: Bench) -> None:
    def mends(request: Request) -> str:
        asked = last_user(request)
        if 'kind="unproven"' in asked:
            return assign(("Echo", "look at the green one"))
        return tells_the_value(request)

    wrong = verdict(False, unproven=["the task asks for the green widget, this is the blue one"])
    plays = Judged(wrong, wrong, lead=mends)
    outcome = await bench.run(plays, without=())
    assert (outcome.outcome, outcome.verified) == ("answered", True)
    assert outcome.answer == f"The value is {111 * len('look at the green one')}."
    told = next(last_user(r) for r in plays.leads if 'kind="unproven"' in last_user(r))
    assert "this is the blue one" in told


async def test_an_answer_that_stays_unproven_is_partial_and_says_what_is_not_shown(
    bench: Bench,
) -> None:
    plays = Judged(*[verdict("false", unproven="it is the wrong film")] * 9)
    outcome = await bench.run(plays, without=())
    assert (outcome.outcome, outcome.verified) == ("partial", False)
    assert outcome.missing[0] == "it is the wrong film"
    assert outcome.answer == "The value is 444."
    assert outcome.spent.calls == 2 + 2 + 2 * (1 + 2)


async def test_too_few_calls_left_end_without_a_check_and_say_so(bench: Bench) -> None:
    outcome = await bench.run(Judged(), without=(), limits=Limits(calls=3))
    assert (outcome.outcome, outcome.verified, outcome.spent.calls) == ("answered", False, 2)
    assert "too few calls are left to verify the answer" in outcome.warnings


async def test_a_limit_between_two_votes_is_partial_with_the_answer(bench: Bench) -> None:
    class Dear(ScriptedModel):
        async def complete(self, request: Request) -> Completion:
            done = await super().complete(request)
            usage = done.usage.model_copy(update={"usd_micros": 100})
            return done.model_copy(update={"usage": usage})

    plays = Judged(verdict(False, unproven=["not shown"]))
    outcome = await bench.run(Dear(plays), without=(), limits=Limits(usd_micros=300))
    assert (outcome.outcome, outcome.limit and outcome.limit.name) == ("partial", "usd")
    assert outcome.answer == "The value is 444."


async def test_an_outage_while_verifying_waits_and_a_resume_asks_only_that_again(
    bench: Bench,
) -> None:
    class Failing(ScriptedModel):
        async def complete(self, request: Request) -> Completion:
            if request.role == "verifier":
                raise ModelFault("overloaded", "HTTP 503")
            return await super().complete(request)

    outcome = await bench.run(Failing(tells_the_value), without=())
    assert (outcome.outcome, outcome.answer) == ("needs_human", "The value is 444.")
    resumed = await bench.run(Judged(), run=bench.run_id)
    assert (resumed.outcome, resumed.verified, resumed.spent.calls) == ("answered", True, 3)


@pytest.mark.parametrize("kind", ["content_filter", "context_too_long"])
async def test_a_reader_that_is_refused_gets_less_to_read(bench: Bench, kind: str) -> None:
    asked: list[Request] = []

    class Refusing(ScriptedModel):
        async def complete(self, request: Request) -> Completion:
            if request.role == "verifier":
                asked.append(request)
                if len(asked) == 1:
                    raise ModelFault(kind, "no")  # type: ignore[arg-type]
            return await super().complete(request)

    outcome = await bench.run(Refusing(Judged()), without=())
    assert (outcome.outcome, outcome.verified) == ("answered", True)


async def test_the_votes_replay(bench: Bench) -> None:
    await bench.run(Judged("hm"), without=())
    recorder = await bench.replay(team(Echo=echo), without=())
    assert recorder.digest() == recorder.recorded_digest()
    assert [vote["verdict"] for vote in bench.kinds("VoteCast")] == ["unclear", "proven"]


SHOWN = {"1.1.1": PAGE}
VOTES = [
    (verdict(True, "price: 444 EUR"), "proven"),
    (verdict("true", "PRICE:  444 eur"), "proven"),
    (f"Sure!\n```json\n{verdict(True, '444')}\n```", "proven"),
    (json.dumps({"supported": True, "quotes": [{"quote": "price: 444 EUR"}]}), "proven"),
    (json.dumps({"supported": True, "quotes": "price: 444 EUR"}), "proven"),
    (verdict(True, "weight: 12 kg"), "unclear"),
    (verdict(True, "price: 444 EUR", "price: 445 EUR"), "unclear"),
    (verdict(True, ""), "unclear"),
    (verdict(None, "444"), "unclear"),
    (verdict(False), "unproven"),
    (verdict("no", unproven="wrong"), "unproven"),
    ('{"supported": tr', "unclear"),
    ("", "unclear"),
]


@pytest.mark.parametrize(("text", "expected"), VOTES)
def test_a_vote_counts_as_what_plain_code_finds_of_it(text: str, expected: str) -> None:
    assert judge(text, "It costs 444 EUR.", SHOWN)[0] == expected


def test_an_excerpt_is_the_beginning_and_what_stands_around_the_marks() -> None:
    filler = "\n".join(f"line {n} of nothing" for n in range(400))
    text = f"The Blue Film (1999)\n{filler}\nthe director is  Ada Grey\n{filler}"
    shown = excerpts(text, ["director is Ada"], 900)
    assert shown.startswith("The Blue Film (1999)")
    assert "Ada Grey" in shown
    assert len(shown) < 1500


def test_a_short_text_is_shown_whole_and_a_long_one_without_marks_from_its_top() -> None:
    assert excerpts("short", ["x"], 100) == "short"
    assert excerpts("y" * 900, ["x"], 100) == "y" * 100
