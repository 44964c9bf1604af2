"""Every way in which an endpoint fails, once and four times in a row, over real HTTP."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

import pytest
from openai_faults import Fault, FaultName
from openai_server import Server, serve

from orchestrator.errors import FaultKind, ModelFault, UsageError
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.llm import Completion, Message, Request, ToolCall
from orchestrator.models.openai_compatible import OpenAICompatible
from orchestrator.models.retries import RetryPolicy

KEY = "sk-test-4711-do-not-show"
PASSING: tuple[FaultName, ...] = (
    "429", "429-retry-after", "500", "502", "503", "529", "reset", "slow", "cut", "not-json",
    "error-in-200", "gzip-garbage", "null-choices",
)  # fmt: skip
FATAL: tuple[tuple[FaultName, FaultKind], ...] = (
    ("bad-key", "bad_key"),
    ("unknown-model", "unknown_model"),
    ("quota", "quota"),
    ("context", "context_too_long"),
    ("content-filter", "content_filter"),
    ("filtered-reply", "content_filter"),
)


class Sleeps:
    """Waits that take no time and are remembered."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waited.append(seconds)


@pytest.fixture
def sleeps() -> Sleeps:
    return Sleeps()


def ask(text: str = "Say hello.") -> Request:
    return Request(role="lead", messages=(Message(role="user", content=text),))


def hello(_: object) -> str:
    return "hello"


def model_at(server: Server, sleeps: Sleeps, **knobs: float) -> OpenAICompatible:
    endpoint = Endpoint("scripted", server.base_url, KEY, timeout_s=knobs.get("timeout_s", 30))
    return OpenAICompatible.open(endpoint, retries=RetryPolicy(sleep=sleeps))


def broken(kind: FaultName, times: int, first: int = 2) -> Iterator[Fault]:
    yield Fault(first, kind, times, seconds=1.0)


async def complete(server: Server, sleeps: Sleeps, **knobs: float) -> Completion:
    """One good completion, then the one that meets the fault."""
    model = model_at(server, sleeps, **knobs)
    try:
        await model.complete(ask())
        return await model.complete(ask())
    finally:
        await model.close()


@pytest.mark.parametrize("times", [1, 4])
@pytest.mark.parametrize("kind", PASSING)
async def test_a_passing_fault_is_outlasted_once_and_four_times(
    kind: FaultName, times: int, sleeps: Sleeps
) -> None:
    with serve(hello, faults=[*broken(kind, times)]) as server:
        # "slow" is slower than the client's patience, so it is a timeout here.
        reply = await complete(server, sleeps, timeout_s=0.4 if kind == "slow" else 30)
    assert reply.text == "hello"
    assert [entry.fault for entry in server.log] == ["", *[kind] * times, ""]
    assert len(sleeps.waited) == times


@pytest.mark.parametrize(("kind", "expected"), FATAL)
async def test_a_lasting_fault_is_named_at_once(
    kind: FaultName, expected: FaultKind, sleeps: Sleeps
) -> None:
    with serve(hello, faults=[*broken(kind, 4)]) as server, pytest.raises(ModelFault) as caught:
        await complete(server, sleeps)
    assert caught.value.kind == expected
    assert len(server.log) == 2
    assert sleeps.waited == []
    assert server.base_url.split("/")[2] in caught.value.message
    assert caught.value.fix


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("429", "rate_limit"), ("503", "overloaded"), ("reset", "unreachable"), ("cut", "bad_reply")],
)
async def test_a_fault_that_stays_ends_after_six_tries(
    kind: FaultName, expected: FaultKind, sleeps: Sleeps
) -> None:
    with serve(hello, faults=[*broken(kind, 99)]) as server, pytest.raises(ModelFault) as caught:
        await complete(server, sleeps)
    assert caught.value.kind == expected
    assert len(server.log) == 1 + 6
    assert "6 times" in caught.value.message


@pytest.mark.parametrize("kind", [*PASSING, *(kind for kind, _ in FATAL)])
async def test_no_message_and_no_traceback_shows_the_key(kind: FaultName, sleeps: Sleeps) -> None:
    with serve(hello, faults=[*broken(kind, 99)]) as server, pytest.raises(ModelFault) as caught:
        await complete(server, sleeps, timeout_s=0.4 if kind == "slow" else 30)
    assert server.log[-1].key == KEY
    shown = "".join(traceback.format_exception(caught.value)) + str(caught.value.fix)
    assert KEY not in shown
    assert KEY not in repr(Endpoint("m", api_key=KEY))


async def test_a_server_that_is_not_there_is_named_after_two_tries(sleeps: Sleeps) -> None:
    with serve(hello) as server:
        pass
    model = model_at(server, sleeps)
    with pytest.raises(ModelFault) as caught:
        await model.complete(ask())
    await model.close()
    assert caught.value.kind == "unreachable"
    assert len(sleeps.waited) == 1
    assert caught.value.usage is not None
    assert caught.value.usage.calls == 0


async def test_a_host_without_an_address_is_unreachable(sleeps: Sleeps) -> None:
    endpoint = Endpoint("m", "http://nowhere.invalid/v1", KEY, timeout_s=5)
    model = OpenAICompatible.open(endpoint, retries=RetryPolicy(sleep=sleeps))
    with pytest.raises(ModelFault, match=r"nowhere\.invalid") as caught:
        await model.complete(ask())
    await model.close()
    assert caught.value.kind == "unreachable"


async def test_a_redirect_takes_neither_prompt_nor_key_elsewhere(sleeps: Sleeps) -> None:
    with serve(hello) as elsewhere:
        moved = Fault(1, "redirect", location=f"{elsewhere.base_url}/chat/completions")
        with serve(hello, faults=[moved]) as server:
            model = model_at(server, sleeps)
            with pytest.raises(ModelFault, match="307"):
                await model.complete(ask())
            await model.close()
    assert elsewhere.log == []


async def test_an_empty_reply_stays_an_empty_text(sleeps: Sleeps) -> None:
    with serve(hello, faults=[*broken("empty", 1)]) as server:
        reply = await complete(server, sleeps)
    assert (reply.text, reply.finish, len(server.log)) == ("", "stop", 2)


async def test_a_refusal_and_a_cut_reply_say_so(sleeps: Sleeps) -> None:
    with serve(hello, faults=[*broken("refusal", 1)]) as server:
        refused = await complete(server, sleeps)
    with serve(hello, faults=[*broken("cut-reply", 1)]) as server:
        cut = await complete(server, sleeps)
    assert (refused.text, refused.finish) == ("hello", "refusal")
    assert (cut.text, cut.finish) == ("he", "length")


@pytest.mark.parametrize("kind", ["wrong-type", "no-usage", "slow-body"])
async def test_what_is_only_odd_is_read_all_the_same(kind: FaultName, sleeps: Sleeps) -> None:
    with serve(hello, faults=[*broken(kind, 1)]) as server:
        reply = await complete(server, sleeps)
    assert (reply.text, len(server.log)) == ("hello", 2)
    assert reply.usage.prompt_tokens == server.log[1].prompt_tokens


async def test_calls_that_share_an_id_are_told_apart(sleeps: Sleeps) -> None:
    calls = tuple(ToolCall(id=f"c{n}", name="go", arguments="{}") for n in (1, 2))
    with serve(
        lambda _: Completion(text="", tool_calls=calls), faults=[*broken("same-ids", 1)]
    ) as (server):
        reply = await complete(server, sleeps)
    assert len({call.id for call in reply.tool_calls}) == 2


async def test_every_wait_is_told_with_its_reason(sleeps: Sleeps) -> None:
    with serve(hello, faults=[*broken("503", 2)]) as server:
        reply = await complete(server, sleeps)
    assert [(trouble.fault, trouble.lasting) for trouble in reply.troubles] == [
        ("overloaded", False)
    ] * 2
    assert all("asked again after" in trouble.then for trouble in reply.troubles)


async def test_the_window_is_learned_from_the_words_of_the_fault(sleeps: Sleeps) -> None:
    with serve(hello, window=900) as server:
        model = model_at(server, sleeps)
        with pytest.raises(ModelFault) as caught:
            await model.complete(ask("x" * 9000))
        assert model.profile.window == 900
        assert (await model.complete(ask())).text == "hello"
        await model.close()
    assert caught.value.kind == "context_too_long"


@pytest.mark.parametrize(
    "endpoint",
    [
        Endpoint("m", "api.example.com/v1"),
        Endpoint("m", "ftp://example.com"),
        Endpoint("m", "http://user:secret@"),
        Endpoint("m", api_key="sk-with-newline\n"),
        Endpoint("m", api_key="sk-\u00fc"),
    ],
)
def test_an_impossible_endpoint_is_a_usage_error_before_anything_is_sent(
    endpoint: Endpoint,
) -> None:
    with pytest.raises(UsageError) as caught:
        OpenAICompatible.open(endpoint)
    assert "secret" not in str(caught.value)
    assert "newline" not in str(caught.value)
