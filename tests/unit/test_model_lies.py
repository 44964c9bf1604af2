"""Endpoints that claim what they cannot do are caught by what comes back, and the talk goes on."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai_faults import Body
from openai_server import Server, serve
from openai_wire import from_request_policy

from orchestrator.ledger import LeadReply
from orchestrator.models.capability import ProfileStore
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.head_watch import HeadWatch
from orchestrator.models.llm import (
    Completion,
    Message,
    OutputSchema,
    Request,
    ToolCall,
    ToolSpec,
    Usage,
    has_room,
)
from orchestrator.models.openai_compatible import OpenAICompatible
from orchestrator.models.questions import draw_bands, names_bands, picture
from orchestrator.models.retries import RetryPolicy

PICTURE = picture(("red", "white", "blue"))
NAME = hashlib.sha256(PICTURE).hexdigest()
OUTPUT = OutputSchema(name="lead_reply", json_schema=LeadReply.model_json_schema())
LOOK = ToolSpec(name="look", description="Look.", parameters={"type": "object", "properties": {}})
TALK = (
    Message(role="system", content="You look before you answer."),
    Message(role="user", content="What is there?"),
)


def looks(request: Request) -> Completion:
    """Calls the tool that it is shown; without one it can only talk."""
    if not request.tools:
        return Completion(text="I cannot look.")
    return Completion(text="", tool_calls=(ToolCall(id="1", name="look", arguments="{}"),))


def decides(_: Body) -> str:
    return json.dumps({"request_satisfied": True, "answer": "42"})


async def at_once(_: float) -> None:
    return None


def open_at(server: Server, model: str = "scripted", home: Path | None = None) -> OpenAICompatible:
    return OpenAICompatible.open(
        Endpoint(model, server.base_url, "k"),
        read_blob={NAME: PICTURE}.__getitem__,
        store=ProfileStore(home / "profiles.json") if home else None,
        retries=RetryPolicy(sleep=at_once),
    )


async def ask(model: OpenAICompatible, *messages: Message, **knobs: Any) -> Completion:
    return await model.complete(Request(role="r", messages=messages or TALK, **knobs))


async def test_tools_that_are_taken_and_ignored_are_described_in_the_prompt(tmp_path: Path) -> None:
    with serve(from_request_policy(looks), lies=frozenset({"tools"})) as server:
        model = open_at(server, home=tmp_path)
        first = await ask(model, tools=(LOOK,))
        second = await ask(model, tools=(LOOK,))
        await model.close()
        again = open_at(server, home=tmp_path)
        third = await ask(again, tools=(LOOK,))
        await again.close()
    assert [reply.tool_calls[0].name for reply in (first, second, third)] == ["look"] * 3
    assert ["tools" in entry.body for entry in server.log] == [True, False, False, False]
    assert first.usage.calls == 2
    assert [(trouble.fault, trouble.lasting) for trouble in first.troubles] == [("tools", True)]
    assert second.troubles == ()


async def test_calls_at_the_same_time_all_learn_that_tools_are_ignored() -> None:
    with serve(from_request_policy(looks), lies=frozenset({"tools"})) as server:
        model = open_at(server)
        replies = await asyncio.gather(*(ask(model, tools=(LOOK,)) for _ in range(4)))
        await model.close()
    assert all(reply.tool_calls for reply in replies)


async def test_prose_from_an_endpoint_whose_tools_work_is_believed() -> None:
    replies: list[Completion] = [looks(Request(role="r", messages=TALK, tools=(LOOK,)))]

    def play(_: Body) -> Completion:
        return replies.pop() if replies else Completion(text="There is a cat.")

    with serve(play) as server:
        model = open_at(server)
        await ask(model, tools=(LOOK,))
        said = await ask(model, tools=(LOOK,))
        await model.close()
    assert (said.text, said.usage.calls) == ("There is a cat.", 1)
    assert model.profile.tools


async def test_a_model_that_just_talks_is_doubted_once_and_keeps_its_tools() -> None:
    with serve(lambda _: "There is a cat.") as server:
        model = open_at(server)
        replies = [await ask(model, tools=(LOOK,)) for _ in range(4)]
        await model.close()
    assert [reply.usage.calls for reply in replies] == [2, 1, 1, 1]
    assert model.profile.tools


async def test_a_response_format_that_is_ignored_is_given_up_step_by_step() -> None:
    with serve(decides, lies=frozenset({"format"})) as server:
        model = open_at(server)
        replies = [await ask(model, output=OUTPUT) for _ in range(5)]
        await model.close()
    formats = [entry.body.get("response_format", {}).get("type") for entry in server.log]
    assert formats == ["json_schema"] * 2 + ["json_object"] * 2 + [None]
    assert all(reply.usage.calls == 1 and "42" in reply.text for reply in replies)
    assert [trouble.fault for reply in replies for trouble in reply.troubles] == [
        "json_schema",
        "json_mode",
    ]


async def test_one_odd_reply_of_an_honest_endpoint_changes_nothing() -> None:
    said = ["Well.", "Hm.", "Er."]

    def play(body: Body) -> str:
        return decides(body) if len(said) == 3 else said.pop()

    with serve(play) as server:
        model = open_at(server)
        await ask(model, output=OUTPUT)
        said.pop()
        for _ in range(2):
            await ask(model, output=OUTPUT)
        await model.close()
    assert model.profile.json_schema


@pytest.mark.parametrize(
    ("lies", "pictures"), [(frozenset(), [1, 1, 1]), (frozenset({"vision"}), [1, 0, 0])]
)
async def test_sight_is_proved_with_a_picture_before_the_first_one_is_sent(
    lies: frozenset[Any], pictures: list[int]
) -> None:
    looked = Message(role="user", content="What is it?", images=(NAME,))
    with serve(lambda _: "A flag.", lies=lies) as server:
        model = open_at(server, model="gpt-4o-proxy")
        first = await ask(model, looked)
        second = await ask(model, looked)
        await model.close()
    assert [entry.images for entry in server.log] == pictures
    assert (first.usage.calls, second.usage.calls) == (2, 1)
    assert model.profile.vision is not bool(lies)
    assert [trouble.fault for trouble in first.troubles] == (["vision"] if lies else [])


def test_a_colour_too_many_is_a_guess() -> None:
    bands = draw_bands()
    assert names_bands(Completion(text=", ".join(bands) + "."), bands)
    assert not names_bands(Completion(text=", ".join([*bands, "red"])), bands)
    assert not names_bands(Completion(text=", ".join(reversed(bands))), bands)


async def test_what_is_asked_beside_a_request_stops_where_the_limits_end() -> None:
    allowed: list[Usage] = []

    async def room(used: Usage) -> bool:
        allowed.append(used)
        return False

    with serve(from_request_policy(looks), lies=frozenset({"tools"})) as server:
        model = open_at(server)
        token = has_room.set(room)
        reply = await ask(model, tools=(LOOK,))
        has_room.reset(token)
        await model.close()
    assert (len(server.log), reply.usage.calls, reply.tool_calls) == (1, 1, ())
    assert [used.calls for used in allowed] == [1]


def growing(length: int) -> tuple[Message, ...]:
    """A prompt of about this many tokens."""
    return (
        *TALK[:1],
        Message(role="user", content="What is there? " + "word " * (length * 4 // 5)),
    )


def reads_task(attentive: bool) -> Callable[[Request], str]:
    def play(request: Request) -> str:
        if attentive and request.messages[0].role != "system":
            return "I have lost the thread."
        return "There is a cat."

    return play


@pytest.mark.parametrize(("half", "window"), [(False, 4096), (True, 4096)])
async def test_an_endpoint_that_drops_the_head_is_caught_by_its_count(
    half: bool, window: int, tmp_path: Path
) -> None:
    with serve(from_request_policy(reads_task(True)), keep_last=4096, half=half) as server:
        model = open_at(server, home=tmp_path)
        for length in (900, 1800):
            assert (await ask(model, *growing(length))).text == "There is a cat."
        with pytest.raises(Exception, match="drops the head") as caught:
            await ask(model, *growing(6000))
        asked = len(server.log)
        with pytest.raises(Exception, match="not asked"):
            await ask(model, *growing(5000))
        assert (await ask(model, *growing(3000))).text == "There is a cat."
        await model.close()
        remembered = open_at(server, home=tmp_path)
        await remembered.close()
    fault = caught.value
    assert (fault.kind, fault.window) == ("context_too_long", window)  # type: ignore[attr-defined]
    assert "OLLAMA_CONTEXT_LENGTH" in str(fault.fix)  # type: ignore[attr-defined]
    assert [trouble.lasting for trouble in fault.troubles] == [True]  # type: ignore[attr-defined]
    assert (asked, len(server.log)) == (3, 4)
    assert model.profile.window == remembered.profile.window == window


async def test_a_crooked_window_is_found_by_marks_at_the_head() -> None:
    # 3,001 is no round number, so the count alone proves nothing.
    with serve(from_request_policy(reads_task(True)), keep_last=3001) as server:
        model = open_at(server)
        await ask(model, *growing(900))
        await ask(model, *growing(1800))
        with pytest.raises(Exception, match="drops the head") as caught:
            await ask(model, *growing(5000))
        await model.close()
    assert caught.value.window == 3001  # type: ignore[attr-defined]
    assert caught.value.usage.calls == 3  # type: ignore[attr-defined]
    assert len(server.log) == 2 + 3


async def test_a_model_that_reads_the_marks_is_believed_whatever_is_counted() -> None:
    """An endpoint that leaves cached tokens out of its count."""

    def play(request: Request) -> str:
        return "There is a cat."

    with serve(from_request_policy(play)) as server:
        model = open_at(server)
        await ask(model, *growing(900))
        await ask(model, *growing(1800))
        server.counts = 0.5
        reply = await ask(model, *growing(5000))
        again = await ask(model, *growing(4000))
        await model.close()
    assert (reply.text, reply.usage.calls, again.usage.calls) == ("There is a cat.", 2, 1)
    assert model.profile.window is None


@pytest.mark.parametrize(
    ("seen", "estimate", "counted", "judged"),
    [
        ((), 5000, 4900, "whole"),
        ((), 5000, 3900, "whole"),  # the first prompt: tokenizers differ
        ((), 5000, 3601, "doubtful"),
        ((), 6000, 4096, "cut"),
        ((), 9000, 2050, "cut"),
        ((), 90_000, 16_387, "cut"),
        (((1000, 800), (2000, 1600)), 5000, 4001, "whole"),  # a tokenizer with longer tokens
        (((1000, 1000), (2000, 2000)), 5000, 4401, "doubtful"),
        (((1000, 1000), (2000, 2000)), 4800, 4096, "cut"),
        (((1000, 1300), (2000, 2600)), 3600, 4096, "cut"),  # shorter tokens than we think
        ((), 5000, None, "whole"),
        ((), 300, 20, "whole"),
    ],
)
def test_a_prompt_is_doubted_by_its_count(
    seen: tuple[tuple[int, int], ...], estimate: int, counted: int | None, judged: str
) -> None:
    watch = HeadWatch()
    for pair in seen:
        assert watch.judge(*pair) == "whole"
    assert watch.judge(estimate, counted) == judged


def test_two_lengths_with_one_count_are_a_plateau() -> None:
    watch = HeadWatch()
    assert watch.judge(6000, 3001) == "doubtful"
    assert watch.judge(6000, 3001) == "doubtful"
    assert watch.judge(7000, 3001) == "cut"
    assert watch.note_cut(3001) == 3001
    assert watch.is_too_long(3100)
    assert not watch.is_too_long(2900)
