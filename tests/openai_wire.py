"""Lets a policy over our Request play behind a real HTTP endpoint.

Reads a chat completions body back into a Request, also where the client has folded tools, schema
or system text into the prompt, and writes the policy's tool calls as text where the client had to.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from openai_faults import Body, image_urls

from orchestrator.models.llm import Completion, Message, OutputSchema, Request, ToolCall, ToolSpec
from orchestrator.models.scripted import Policy
from orchestrator.models.tool_text import INTRODUCTION, read_calls, write_call

TOOLS = re.compile(re.escape(INTRODUCTION) + r"\n<tools>\n(.*?)\n</tools>", re.DOTALL)
SCHEMA = re.compile(
    r"Reply with one JSON object and nothing else\. It must fit this JSON schema:\n"
    r'<schema name="(.*?)">\n(.*?)\n</schema>',
    re.DOTALL,
)
INSTRUCTIONS = re.compile(r"\A<instructions>\n(.*?)\n</instructions>(?:\n\n|\Z)", re.DOTALL)
RESULT = re.compile(r'<tool_result id="(.*?)">\n(.*?)\n</tool_result>(?:\n\n|\Z)', re.DOTALL)


def no_role(_: str) -> str:
    return ""


def from_request_policy(
    policy: Policy, role_of: Callable[[str], str] = no_role
) -> Callable[[Body], Completion]:
    """A body policy that shows `policy` a Request. The wire does not say who asks, so `role_of`
    may tell it from the system text."""

    def play(body: Body) -> Completion:
        request = to_request(body, role_of)
        played = policy(request)
        reply = Completion(text=played) if isinstance(played, str) else played
        emulated = bool(request.tools) and "tools" not in body
        return _as_text(reply) if emulated and reply.tool_calls else reply

    return play


def to_request(body: Body, role_of: Callable[[str], str] = no_role) -> Request:
    """The Request that a client has put into this body."""
    tools = [ToolSpec(**tool["function"]) for tool in body.get("tools", [])]
    output = _output(body.get("response_format", {}))
    messages: list[Message] = []
    for wire in body["messages"]:
        for message in _messages(wire):
            text = message.content
            if message.role == "system" and (folded := TOOLS.search(text)):
                tools = [_tool(line) for line in folded[1].splitlines()]
                text = text.replace(folded[0], "").strip()
            if message.role == "system" and (folded := SCHEMA.search(text)):
                output = OutputSchema(name=folded[1], json_schema=json.loads(folded[2]))
                text = text.replace(folded[0], "").strip()
            messages.append(message.model_copy(update={"content": text}))
    if "tools" not in body and tools:
        messages = [_with_calls(message, number) for number, message in enumerate(messages)]
    system = "\n".join(message.content for message in messages if message.role == "system")
    return Request(
        role=role_of(system),
        messages=tuple(message for message in messages if not _is_hollow(message)),
        tools=tuple(tools),
        output=output,
        max_tokens=body.get("max_tokens") or body.get("max_completion_tokens"),
    )


def text_of(wire: Body) -> str:
    """The text of a message on the wire."""
    content = wire.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


def _tool(line: str) -> ToolSpec:
    """A tool of which only the name matters to a policy."""
    name, _, description = line.partition("(")
    return ToolSpec(name=name, description=description, parameters={})


def _messages(wire: Body) -> Iterator[Message]:
    text, role = text_of(wire), wire["role"]
    images = tuple(_sha256(url) for url in image_urls(wire))
    calls = tuple(_tool_call(call) for call in wire.get("tool_calls") or [])
    if role != "user":
        yield Message(
            role=role, content=text, tool_calls=calls, tool_call_id=wire.get("tool_call_id")
        )
        return
    if head := INSTRUCTIONS.match(text):
        yield Message(role="system", content=head[1])
        text = text[head.end() :]
    for result in RESULT.finditer(text):
        content = result[2].replace("<\\/tool_result", "</tool_result")
        yield Message(role="tool", content=content, tool_call_id=result[1])
    yield Message(role="user", content=RESULT.sub("", text), images=images)


def _with_calls(message: Message, number: int) -> Message:
    if message.role != "assistant":
        return message
    text, calls = read_calls(message.content, (), f"call_{number}")
    return message.model_copy(update={"content": text, "tool_calls": calls})


def _is_hollow(message: Message) -> bool:
    """Left over when everything in it was folded in by the client."""
    return message.role in ("user", "system") and not message.content and not message.images


def _as_text(reply: Completion) -> Completion:
    blocks = [write_call(call) for call in reply.tool_calls]
    text = "\n".join([reply.text, *blocks] if reply.text else blocks)
    return reply.model_copy(update={"text": text, "tool_calls": (), "finish": "stop"})


def _output(response_format: Body) -> OutputSchema | None:
    asked: Any = response_format.get("json_schema")
    return OutputSchema(name=asked["name"], json_schema=asked["schema"]) if asked else None


def _tool_call(wire: Body) -> ToolCall:
    function = wire["function"]
    return ToolCall(id=wire["id"], name=function["name"], arguments=function["arguments"])


def _sha256(data_url: str) -> str:
    return hashlib.sha256(base64.b64decode(data_url.partition("base64,")[2])).hexdigest()
