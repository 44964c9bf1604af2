"""A chain of models: the next takes over while the one before is out, and everybody is told."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from harness import Bench, assign, finish
from openai_faults import Fault, FaultName
from openai_server import Server, serve

from orchestrator.errors import ModelFault
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.fallback import OUT_FOR_S, FallbackModel
from orchestrator.models.llm import Message, Request
from orchestrator.models.openai_compatible import OpenAICompatible
from orchestrator.models.prices import Price
from orchestrator.models.retries import RetryPolicy

ASK = Request(role="r", messages=(Message(role="user", content="Say hello."),))


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    now: float = 0.0
    waited: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)


def chain(clock: Clock, *servers: tuple[str, Server]) -> FallbackModel:
    models = [
        OpenAICompatible.open(
            Endpoint(name, server.base_url, "k", price=Price(prompt=n, completion=n)),
            retries=RetryPolicy(total_s=30, sleep=clock.sleep),
        )
        for n, (name, server) in enumerate(servers, start=1)
    ]
    return FallbackModel(models, clock=clock)


OUTAGES: tuple[tuple[FaultName, str], ...] = (
    ("429", "rate_limit"), ("503", "overloaded"), ("529", "overloaded"), ("reset", "unreachable"),
    ("not-json", "bad_reply"), ("quota", "quota"), ("unknown-model", "unknown_model"),
    ("bad-key", "bad_key"),
)  # fmt: skip


@pytest.mark.parametrize(("kind", "fault"), OUTAGES)
async def test_the_next_model_takes_over_and_the_reply_says_why(
    kind: FaultName, fault: str
) -> None:
    clock = Clock()
    with (
        serve(lambda _: "from a", faults=[Fault(1, kind, 99)]) as a,
        serve(lambda _: "from b") as b,
    ):
        model = chain(clock, ("a", a), ("b", b))
        replies = [await model.complete(ASK) for _ in range(3)]
        asked = len(a.log)
        await model.close()
    assert {(reply.text, reply.model) for reply in replies} == {("from b", "b")}
    lasting = [trouble for trouble in replies[0].troubles if trouble.lasting]
    assert [(t.model, t.fault, t.then) for t in lasting] == [("a", fault, "b took over")]
    assert replies[1].troubles == ()
    assert asked == len(a.log) <= 6
    assert len(b.log) == 3


async def test_the_first_model_is_tried_again_after_a_while() -> None:
    clock = Clock()
    with serve(lambda _: "a", faults=[Fault(1, "503", 6)]) as a, serve(lambda _: "b") as b:
        model = chain(clock, ("a", a), ("b", b))
        said = [(await model.complete(ASK)).text]
        clock.now += OUT_FOR_S + 1
        said.append((await model.complete(ASK)).text)
        await model.close()
    assert said == ["b", "a"]


@pytest.mark.parametrize("kind", ["content-filter", "context"])
async def test_what_the_prompt_itself_causes_is_not_passed_on(kind: FaultName) -> None:
    with serve(lambda _: "a", faults=[Fault(1, kind)]) as a, serve(lambda _: "b") as b:
        model = chain(Clock(), ("a", a), ("b", b))
        with pytest.raises(ModelFault):
            await model.complete(ASK)
        await model.close()
    assert b.log == []


async def test_when_all_are_out_the_fault_names_them_all() -> None:
    with (
        serve(lambda _: "a", faults=[Fault(1, "quota", 99)]) as a,
        serve(lambda _: "b", faults=[Fault(1, "503", 99)]) as b,
    ):
        model = chain(Clock(), ("a", a), ("b", b))
        with pytest.raises(ModelFault) as caught:
            await model.complete(ASK)
        await model.close()
    assert caught.value.kind == "quota"
    assert "a at " in caught.value.message
    assert "b at " in caught.value.message


async def test_every_model_is_paid_at_its_own_price() -> None:
    with (
        serve(lambda _: "x" * 400, faults=[Fault(1, "cut", 99)]) as a,
        serve(lambda _: "y" * 400) as b,
    ):
        model = chain(Clock(), ("a", a), ("b", b))
        reply = await model.complete(ASK)
        await model.close()
    in_vain = len(a.served) * a.served[0].prompt_tokens
    paid = b.served[0].prompt_tokens + b.served[0].completion_tokens
    assert reply.usage.calls == len(a.served) + 1
    assert reply.usage.usd_micros == in_vain * 1 + paid * 2


async def test_a_run_goes_on_with_the_next_model_and_its_outcome_names_both(bench: Bench) -> None:
    """The first model breaks down in the middle of the run, for good."""

    def play(body: dict[str, object]) -> str:
        return (
            finish("111") if "seen for look" in str(body["messages"]) else assign(("Echo", "look"))
        )

    with serve(play, faults=[Fault(2, "503", 999)]) as a, serve(play) as b:
        model = chain(Clock(), ("alpha", a), ("beta", b))
        outcome = await bench.run(model)
        await model.close()
    assert outcome.outcome == "answered"
    assert outcome.models == ("alpha", "beta")
    assert [line for line in outcome.warnings if "beta took over" in line]
    (event,) = bench.kinds("EndpointTroubled")
    assert event["troubles"][-1]["then"] == "beta took over"
    assert outcome.spent.calls == len(a.served) + len(b.served)
