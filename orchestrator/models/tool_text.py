"""Tool calls as text: for endpoints without tools, and for models that write their calls down.

Only a reply of the model is ever read for calls, never a page or a file. What a tool returned is
fenced in, and a closing tag inside of it is defused, so that it cannot pose as something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from typing import Any

from orchestrator.models.llm import Message, ToolCall, ToolSpec
from orchestrator.models.schema_words import as_arguments

INTRODUCTION = """# Tools
You can call the tools listed below; an argument with a `?` may be left out. To call one, write this
and nothing after it:
<tool_call>
{"name": "the tool's name", "arguments": {"argument": "value"}}
</tool_call>
Several calls are several such blocks. Each result comes back in a <tool_result> block."""
CALL = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|(?=<tool_call>)|\Z)", re.DOTALL)
FENCE = re.compile(r"```(?:json|tool_call)?[ \t]*\n(.*?)\n?```\s*\Z", re.DOTALL)
NAME = re.compile(r'"name"\s*:\s*"([^"]+)"')
ARGUMENTS = re.compile(r'"(?:arguments|parameters)"\s*:\s*(.*)\Z', re.DOTALL)
ARGUMENT_KEYS = ("arguments", "parameters")


def describe_tools(tools: Iterable[ToolSpec]) -> str:
    """The tools for the head of a prompt; the same tools give the same text."""
    lines = [
        f"{tool.name}({as_arguments(tool.parameters)}): {' '.join(tool.description.split())}"
        for tool in tools
    ]
    return "\n".join([INTRODUCTION, "<tools>", *lines, "</tools>"])


def as_plain(message: Message) -> Message:
    """A message of a conversation with tools, as one for an endpoint that knows none."""
    if message.role == "tool":
        safe = message.content.replace("</tool_result", "<\\/tool_result")
        text = f'<tool_result id="{message.tool_call_id or ""}">\n{safe}\n</tool_result>'
        return Message(role="user", content=text, images=message.images)
    if not message.tool_calls:
        return message
    blocks = [write_call(call) for call in message.tool_calls]
    text = "\n".join([message.content, *blocks] if message.content else blocks)
    return Message(role=message.role, content=text, images=message.images)


def write_call(call: ToolCall) -> str:
    """A call as a model would write it; malformed arguments stay as they are."""
    try:
        arguments = json.dumps(json.loads(call.arguments or "{}"), ensure_ascii=False)
    except ValueError:
        arguments = call.arguments
    body = f'{{"name": {json.dumps(call.name, ensure_ascii=False)}, "arguments": {arguments}}}'
    return f"<tool_call>\n{body}\n</tool_call>"


def read_calls(
    text: str, offered: Collection[str], first_id: str
) -> tuple[str, tuple[ToolCall, ...]]:
    """The text without its calls, and the calls.

    A tagged block counts under any name, since nothing else looks like it. A fence or bare JSON
    counts only at the end of the reply and for an offered tool: it may be an example or an answer.
    """
    found = _tagged(text) or _untagged(text, offered)
    calls = tuple(
        ToolCall(id=f"{first_id}_{number}", name=name, arguments=arguments)
        for number, (name, arguments, _) in enumerate(found, 1)
    )
    rest = text[: found[0][2]].rstrip() if found else text
    return rest, calls


def _tagged(text: str) -> list[tuple[str, str, int]]:
    """Blocks at the end of the reply; text after the last one makes them a quotation."""
    blocks = list(CALL.finditer(text))
    if not blocks or text[blocks[-1].end() :].strip():
        return []
    calls = []
    for block in blocks:
        read = _call(_json(block[1])) or _damaged(block[1])
        if read:
            calls.append((*read, blocks[0].start()))
    return calls


def _untagged(text: str, offered: Collection[str]) -> list[tuple[str, str, int]]:
    fence = FENCE.search(text)
    body, start = (fence[1], fence.start()) if fence else (text.strip(), 0)
    value = _json(body)
    items = value if isinstance(value, list) else [value]
    calls = [call for item in items if (call := _call(item))]
    if len(calls) < len(items) or any(name not in offered for name, _ in calls):
        return []
    return [(name, arguments, start) for name, arguments in calls]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _call(value: Any) -> tuple[str, str] | None:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    key = next((key for key in ARGUMENT_KEYS if key in value), None)
    if key is None:
        return None
    arguments = value[key]
    if isinstance(arguments, str):
        return value["name"], arguments
    return value["name"], json.dumps(arguments, ensure_ascii=False)


def _damaged(body: str) -> tuple[str, str] | None:
    """A call whose JSON is broken still has a name: the tool's error goes back to the model."""
    name = NAME.search(body)
    if not name:
        return None
    arguments = ARGUMENTS.search(body)
    return name[1], arguments[1].strip() if arguments else body
