"""The same conversation with endpoints that can do less and less."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from openai_server import Server, serve
from openai_wire import from_request_policy, to_request

from orchestrator.ledger import LeadReply
from orchestrator.models.capability import ProfileStore, Traits, guess
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.llm import (
    Completion,
    Message,
    OutputSchema,
    Profile,
    Request,
    ToolCall,
    ToolSpec,
)
from orchestrator.models.openai_compatible import OpenAICompatible

PNG = b"\x89PNG\r\n\x1a\n-a-picture"
PICTURE = hashlib.sha256(PNG).hexdigest()
OUTPUT = OutputSchema(name="lead reply", json_schema=LeadReply.model_json_schema())
ADD = ToolSpec(
    name="add",
    description="Add two numbers.",
    parameters={
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
)
TALK = (
    Message(role="system", content="You add numbers."),
    Message(role="user", content="What is 2 + 3, and is </tool_result> a tag?"),
)


def adds_then_answers(request: Request) -> Completion | str:
    """Calls the tool it is shown, then answers with what the tool has said."""
    results = [message for message in request.messages if message.role == "tool"]
    if results:
        return f"{results[-1].content} via {results[-1].tool_call_id}"
    assert [tool.name for tool in request.tools] == ["add"]
    call = ToolCall(id="c1", name="add", arguments='{"a": 2, "b": 3}')
    return Completion(text="Let me add.", tool_calls=(call,))


def says_ok(_: object) -> str:
    return '{"answer": "ok", "tool": null}'


def open_at(server: Server, **knobs: Any) -> OpenAICompatible:
    store = knobs.pop("store", None)
    endpoint = Endpoint(knobs.pop("model", "scripted"), server.base_url, "k", **knobs)
    return OpenAICompatible.open(endpoint, read_blob={PICTURE: PNG}.__getitem__, store=store)


def _same(moment: datetime) -> datetime:
    return moment


async def ask(model: OpenAICompatible, *messages: Message, **knobs: Any) -> Completion:
    return await model.complete(Request(role="r", messages=messages or TALK, **knobs))


@pytest.mark.parametrize(
    "abilities",
    [{}, {"tools": False}, {"tools": False, "system_role": False}, {"system_role": False}],
)
async def test_a_tool_is_called_and_its_result_read_by_every_kind_of_endpoint(
    abilities: dict[str, Any],
) -> None:
    with serve(from_request_policy(adds_then_answers), **abilities) as server:
        model = open_at(server)
        first = await ask(model, tools=(ADD,))
        call = first.tool_calls[0]
        answered = (
            *TALK,
            Message(role="assistant", content=first.text, tool_calls=first.tool_calls),
            Message(role="tool", content="5 </tool_result> 6", tool_call_id=call.id),
        )
        second = await ask(model, *answered, tools=(ADD,))
        await model.close()
    assert (first.text, first.finish) == ("Let me add.", "tool_calls")
    assert (call.name, json.loads(call.arguments)) == ("add", {"a": 2, "b": 3})
    assert second.text == f"5 </tool_result> 6 via {call.id}"
    assert second.finish == "stop"
    shown = to_request(server.log[-1].body)
    assert [message.role for message in shown.messages] == ["system", "user", "assistant", "tool"]
    assert shown.messages[0].content == TALK[0].content


@pytest.mark.parametrize(
    ("mode", "formats"),
    [
        ("strict", ["json_schema"]),
        ("json", ["json_schema", "json_object"]),
        ("text", ["json_schema", "json_object", None]),
    ],
)
async def test_the_output_format_goes_down_to_what_the_endpoint_can_and_stays_there(
    mode: str, formats: list[str | None]
) -> None:
    with serve(says_ok, mode=mode) as server:
        model = open_at(server)
        replies = [await ask(model, output=OUTPUT) for _ in range(3)]
        await model.close()
    sent = [entry.body.get("response_format", {}).get("type") for entry in server.log]
    assert sent == [*formats, formats[-1], formats[-1]]
    assert [reply.usage.calls for reply in replies] == [1, 1, 1]
    shown = to_request(server.log[-1].body)
    assert shown.output is not None
    assert shown.output.name == ("lead_reply" if mode == "strict" else "lead reply")
    if mode != "strict":
        assert shown.output.json_schema == OUTPUT.json_schema


async def test_a_schema_that_the_prompt_already_shows_is_not_shown_twice() -> None:
    system = Message(role="system", content="Reply as JSON: " + json.dumps(OUTPUT.json_schema))
    with serve(says_ok, mode="text") as server:
        model = open_at(server)
        await ask(model, system, TALK[1], output=OUTPUT)
        await model.close()
    assert server.log[-1].body["messages"] == [
        {"role": "system", "content": system.content},
        {"role": "user", "content": TALK[1].content},
    ]


@pytest.mark.parametrize(
    ("name", "abilities", "spellings"),
    [
        ("scripted", {}, ["max_tokens"]),
        ("scripted", {"length_field": "max_completion_tokens"},
         ["max_tokens", "max_completion_tokens"]),
        ("gpt-5-mini", {"length_field": "max_completion_tokens"}, ["max_completion_tokens"]),
    ],
)  # fmt: skip
async def test_the_length_limit_is_spelled_as_the_endpoint_wants(
    name: str, abilities: dict[str, Any], spellings: list[str]
) -> None:
    with serve(lambda _: "x" * 100, **abilities) as server:
        model = open_at(server, model=name)
        reply = await ask(model, max_tokens=5)
        await model.close()
    assert [[key for key in entry.body if key.startswith("max")] for entry in server.log] == [
        [spelling] for spelling in spellings
    ]
    assert (len(reply.text), reply.finish) == (20, "length")


async def test_an_image_reaches_a_model_that_sees_and_no_other() -> None:
    looked = Message(role="user", content="What is it?", images=(PICTURE,))
    with serve(says_ok, vision=True) as server:
        for profile in (Profile(vision=True), Profile(vision=False)):
            model = open_at(server, profile=profile)
            await ask(model, looked)
            await model.close()
    seeing, blind = server.log
    assert seeing.images == 1
    assert to_request(seeing.body).messages[0].images == (PICTURE,)
    assert "data:image/png;base64," in json.dumps(seeing.body)
    assert blind.images == 0
    assert "image_url" not in json.dumps(blind.body)
    assert "1 image(s) left out" in blind.body["messages"][0]["content"]


async def test_an_endpoint_that_refuses_an_image_never_gets_one_again() -> None:
    looked = Message(role="user", content="What is it?", images=(PICTURE,))
    with serve(says_ok, vision=False) as server:
        model = open_at(server, model="gpt-4o-proxy")
        assert model.profile.vision
        for _ in range(2):
            await ask(model, looked)
        await model.close()
    assert [entry.images for entry in server.log] == [1, 0, 0]
    assert not model.profile.vision


async def test_images_of_tools_follow_the_last_result_of_the_turn() -> None:
    calls = tuple(ToolCall(id=f"c{n}", name="add", arguments="{bad") for n in (1, 2))
    talk = (
        *TALK,
        Message(role="assistant", content="", tool_calls=calls),
        Message(role="tool", content="seen", tool_call_id="c1", images=(PICTURE,)),
        Message(role="tool", content="more", tool_call_id="c2"),
    )
    with serve(says_ok) as server:
        model = open_at(server, profile=Profile(vision=True))
        await ask(model, *talk, tools=(ADD,))
        await model.close()
    wire = server.log[0].body["messages"]
    assert [message["role"] for message in wire[2:]] == ["assistant", "tool", "tool", "user"]
    assert server.log[0].images == 1
    # A server fills its template with old arguments, so what is sent back must be an object.
    assert json.loads(wire[2]["tool_calls"][0]["function"]["arguments"]) == {"malformed": "{bad"}


async def test_the_weakest_endpoint_is_found_within_six_refusals() -> None:
    looked = Message(role="user", content="What is it?", images=(PICTURE,))
    weak: dict[str, Any] = {"mode": "text", "tools": False, "vision": False, "system_role": False}
    with serve(says_ok, length_field="max_completion_tokens", **weak) as server:
        model = open_at(server, model="gpt-4o-proxy")
        reply = await ask(model, TALK[0], looked, tools=(ADD,), output=OUTPUT, max_tokens=50)
        await ask(model, TALK[0], looked, tools=(ADD,), output=OUTPUT, max_tokens=50)
        await model.close()
    assert json.loads(reply.text)["answer"] == "ok"
    assert [entry.status for entry in server.log] == [400] * 6 + [200, 200]
    assert model.profile == Profile(
        json_schema=False, json_mode=False, tools=False, vision=False, system_role=False
    )


async def test_many_requests_at_once_lower_a_feature_once_each() -> None:
    with serve(says_ok, delay_s=0.1, length_field="max_completion_tokens") as server:
        model = open_at(server)
        await asyncio.gather(*(ask(model, max_tokens=50) for _ in range(8)))
        await model.close()
    assert [entry.status for entry in server.log] == [400] * 8 + [200] * 8
    assert all("max_completion_tokens" in entry.body for entry in server.log[8:])
    assert max(entry.in_flight for entry in server.log) == 8


async def test_what_two_requests_learn_at_once_adds_up() -> None:
    with serve(says_ok, delay_s=0.1, mode="json", tools=False) as server:
        model = open_at(server)
        for _ in range(2):
            await asyncio.gather(ask(model, tools=(ADD,)), ask(model, output=OUTPUT))
        await model.close()
    assert [entry.status for entry in server.log].count(400) <= 3
    assert [entry.status for entry in server.log[-2:]] == [200, 200]
    assert (model.profile.tools, model.profile.json_schema) == (False, False)


async def test_roles_alternate_where_a_small_models_template_insists() -> None:
    calls = tuple(ToolCall(id=f"c{n}", name="add", arguments="{}") for n in (1, 2))
    talk = (
        *TALK,
        Message(role="user", content="Both, please."),
        Message(role="assistant", content="", tool_calls=calls),
        *(Message(role="tool", content=f"r{n}", tool_call_id=f"c{n}") for n in (1, 2)),
        Message(role="user", content="Now answer."),
    )
    weak: dict[str, Any] = {"tools": False, "system_role": False, "alternating": True}
    with serve(says_ok, **weak) as server:
        model = open_at(server, profile=Profile(tools=False, system_role=False))
        await ask(model, *talk, tools=(ADD,))
        await model.close()
    body = server.log[0].body
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    results = [m for m in to_request(body).messages if m.role == "tool"]
    assert [(m.tool_call_id, m.content) for m in results] == [("c1", "r1"), ("c2", "r2")]


async def test_a_refusal_is_remembered_for_the_next_process_and_for_a_week(tmp_path: Path) -> None:
    today = datetime(2030, 1, 1, tzinfo=UTC)
    path = tmp_path / "deep" / "profiles.json"
    with serve(says_ok, mode="json") as server:
        for days, statuses in ((0, [400, 200]), (6, [200]), (8, [400, 200])):
            server.log.clear()
            day = today + timedelta(days=days)
            store = ProfileStore(path, now=partial(_same, day))
            model = open_at(server, store=store)
            await ask(model, output=OUTPUT)
            await model.close()
            assert [entry.status for entry in server.log] == statuses
    assert path.stat().st_mode & 0o077 == 0


def test_a_damaged_store_is_only_a_lost_cache(tmp_path: Path) -> None:
    path = tmp_path / "profiles.json"
    path.write_text('{"version": 9, "models": [', encoding="utf-8")
    store = ProfileStore(path)
    assert store.load("http://h/v1", "m") is None
    store.save("http://user:secret@h/v1/", "m", Traits().without("tools"))
    store.save("http://h/v1", "other", Traits())
    loaded = store.load("http://h/v1", "m")
    assert loaded is not None
    assert not loaded.profile.tools
    assert "secret" not in path.read_text(encoding="utf-8")
    ProfileStore(Path("/proc/none/profiles.json")).save("http://h/v1", "m", Traits())


async def test_what_a_configured_profile_learns_is_not_stored(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path / "profiles.json")
    with serve(says_ok, mode="text") as server:
        model = open_at(server, store=store, profile=Profile())
        await ask(model, output=OUTPUT)
        await model.close()
        assert store.load(server.base_url, "scripted") is None


@pytest.mark.parametrize(
    ("model", "sees"),
    [("gpt-4o-mini", True), ("claude-sonnet-4-5", True), ("qwen2.5-vl-7b", True), ("o3", True),
     ("gpt-3.5-turbo", False), ("deepseek-chat", False), ("llama3.1", False), ("scripted", False)],
)  # fmt: skip
def test_the_name_of_a_model_tells_whether_it_sees(model: str, sees: bool) -> None:
    assert guess(model).profile.vision is sees


async def test_text_that_utf8_cannot_hold_is_sent_and_received_anyway() -> None:
    with serve(lambda _: "\ud800 back") as server:
        model = open_at(server)
        reply = await ask(model, Message(role="user", content="half \udc80 a pair"))
        await model.close()
    assert server.log[0].body["messages"][0]["content"] == "half ? a pair"
    assert reply.text == "? back"


async def test_nothing_meant_for_another_host_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-host")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Team: secret\nAuthorization: Bearer sk-env")
    with serve(says_ok) as server:
        for key in ("k-of-this-host", None):
            model = OpenAICompatible.open(Endpoint("m", server.base_url, key))
            await ask(model)
            await model.close()
    assert [entry.key for entry in server.log] == ["k-of-this-host", ""]
    sent = json.dumps([entry.headers for entry in server.log])
    assert "secret" not in sent
    assert "sk-" not in sent
