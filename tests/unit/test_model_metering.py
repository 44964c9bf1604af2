"""What a completion cost is what the server counted, and a price is known or it is not."""

from __future__ import annotations

import itertools

import pytest
from openai_faults import Fault
from openai_server import serve
from openai_wire import from_request_policy

from orchestrator.errors import EndOfRecording, ModelFault
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.llm import Completion, Message, Profile, Request, ToolCall, Usage
from orchestrator.models.openai_compatible import OpenAICompatible
from orchestrator.models.prices import Price, table_micros, table_window
from orchestrator.models.replay import ReplayModel
from orchestrator.models.retries import RetryPolicy
from orchestrator.models.scripted import ScriptedModel

HEAD = "You keep the ledger. " * 40
PRICE = Price(prompt=2.5, completion=10.0, cached=1.25)


async def at_once(_: float) -> None:
    return None


def growing(rounds: int) -> list[Request]:
    """An append-only conversation, as the lead has it."""
    messages = [Message(role="system", content=HEAD)]
    requests = []
    for number in range(rounds):
        messages.append(Message(role="user", content=f"Report {number}: " + "word " * 30))
        requests.append(Request(role="lead", messages=tuple(messages)))
        messages.append(Message(role="assistant", content=f"Decision {number}."))
    return requests


def decides(request: Request) -> Completion:
    call = ToolCall(id="c", name="go", arguments='{"to": "there"}')
    return Completion(text=f"Decision {len(request.messages)}.", tool_calls=(call,))


@pytest.mark.parametrize("reports_usage", [True, False])
async def test_the_sum_of_all_completions_is_what_the_server_counted(reports_usage: bool) -> None:
    # A reply that was cut off or no JSON has been served, and costs; a 503 has not.
    faults = [Fault(3, "503"), Fault(5, "not-json"), Fault(8, "429-retry-after", 2)]
    total = Usage()
    with serve(from_request_policy(decides), faults=faults, reports_usage=reports_usage) as server:
        endpoint = Endpoint("scripted", server.base_url, price=PRICE)
        model = OpenAICompatible.open(endpoint, retries=RetryPolicy(sleep=at_once))
        for request in growing(6):
            total += (await model.complete(request)).usage
        await model.close()
    calls, prompt, cached, completion = server.counted()
    lost = server.log[4]
    assert lost.fault == "not-json"
    assert calls == 7
    # Nobody can read the counts of a reply that is no JSON: its prompt is estimated, uncached.
    assert total.calls == calls
    assert total.prompt_tokens == prompt
    assert total.cached_tokens == cached - lost.cached_tokens
    assert total.completion_tokens == completion - lost.completion_tokens
    assert (total.cached_tokens > 0) is reports_usage
    assert total.usd_micros is not None
    exact = (
        (total.prompt_tokens - total.cached_tokens) * 2.5
        + total.cached_tokens * 1.25
        + total.completion_tokens * 10
    )
    assert abs(total.usd_micros - exact) <= calls


async def test_a_fault_says_what_was_spent_in_vain() -> None:
    with serve(lambda _: "x", faults=[Fault(1, "cut", 99)]) as server:
        endpoint = Endpoint("scripted", server.base_url, price=PRICE)
        model = OpenAICompatible.open(endpoint, retries=RetryPolicy(tries=3, sleep=at_once))
        with pytest.raises(ModelFault) as caught:
            await model.complete(growing(1)[0])
        await model.close()
    usage = caught.value.usage
    assert usage is not None
    assert (usage.calls, usage.prompt_tokens) == (3, server.counted()[1])
    assert usage.usd_micros


async def test_a_filtered_reply_was_served_and_is_counted() -> None:
    with serve(lambda _: "x", faults=[Fault(1, "filtered-reply")]) as server:
        model = OpenAICompatible.open(Endpoint("scripted", server.base_url))
        with pytest.raises(ModelFault) as caught:
            await model.complete(growing(1)[0])
        await model.close()
    assert caught.value.usage is not None
    assert caught.value.usage.prompt_tokens == server.counted()[1] > 0


async def test_the_scripted_model_counts_as_the_server_does() -> None:
    direct = ScriptedModel(decides)
    usages = [(await direct.complete(request)).usage for request in growing(5)]
    again = ScriptedModel(decides)
    assert usages == [(await again.complete(request)).usage for request in growing(5)]
    assert usages[0].cached_tokens == 0
    assert all(usage.calls == 1 and usage.usd_micros == 0 for usage in usages)
    for earlier, later in itertools.pairwise(usages):
        # All of the earlier prompt, in blocks of 16 tokens, and nothing of what is new.
        assert earlier.prompt_tokens - 17 <= later.cached_tokens <= earlier.prompt_tokens


async def test_the_scripted_model_names_its_finish_and_itself() -> None:
    model = ScriptedModel(decides, name="actor", profile=Profile(vision=True))
    reply = await model.complete(growing(1)[0])
    assert (reply.finish, reply.model, model.profile.vision) == ("tool_calls", "actor", True)
    spoken = await ScriptedModel(lambda _: "hi").complete(growing(1)[0])
    assert (spoken.text, spoken.finish, spoken.usage.completion_tokens) == ("hi", "stop", 1)


async def test_a_replay_never_calls_a_model() -> None:
    with pytest.raises(EndOfRecording, match="lead"):
        await ReplayModel().complete(growing(1)[0])


@pytest.mark.parametrize(
    ("model", "base_url", "known"),
    [
        ("gpt-4o", "https://api.openai.com/v1", True),
        ("deepseek-chat", "https://api.deepseek.com", True),
        ("gpt-4o", "https://gateway.example.com/v1", False),
        ("gpt-4o", "http://127.0.0.1:8000/v1", False),
        ("gpt-4o", "http://10.0.0.7/v1", False),
        ("gpt-4o", "http://ollama:11434/v1", False),
        ("no-such-model", "https://api.openai.com/v1", False),
    ],
)
def test_a_price_is_known_for_a_vendor_and_never_guessed(
    model: str, base_url: str, known: bool
) -> None:
    tokens = Usage(prompt_tokens=1000, cached_tokens=400, completion_tokens=100)
    assert (table_micros(model, base_url, tokens) is not None) is known


def test_the_table_prices_cached_tokens_apart_and_knows_the_window() -> None:
    tokens = Usage(prompt_tokens=1000, cached_tokens=400, completion_tokens=100)
    cost = table_micros("gpt-4o", "https://api.openai.com/v1", tokens)
    assert cost == PRICE.micros(tokens) == 600 * 2.5 + 400 * 1.25 + 100 * 10
    assert table_window("gpt-4o", "https://api.openai.com/v1") == 128_000
    assert table_window("gpt-4o", "http://localhost/v1") is None


def test_an_unknown_price_makes_the_sum_unknown() -> None:
    assert (Usage(calls=1, usd_micros=5) + Usage(calls=1, usd_micros=None)).usd_micros is None
