"""A Request as the body of a chat completions call, in the dialect that the endpoint understands.

Pure: same request and traits, same bytes. What is folded into the prompt goes to its head and
does not change between the requests of a conversation, so prefix caches keep working.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from orchestrator.models.capability import Shape, Traits
from orchestrator.models.llm import Message, OutputSchema, Profile, Request, ToolCall, ToolSpec
from orchestrator.models.strict_schema import to_strict
from orchestrator.models.tokens import estimate_tokens
from orchestrator.models.tool_text import as_plain, describe_tools

Body = dict[str, Any]
TIGHT_WINDOW = 6_000  # tokens
ReadBlob = Callable[[str], bytes]
PNG_MAGIC = b"\x89PNG"
IMAGE_LEFT_OUT = "[{count} image(s) left out: this model reads text only]"
IMAGE_FOLLOWS = "Image(s) that belong to the tool results above."
ASKED_SHAPE = """Reply with one JSON object and nothing else. It must fit this JSON schema:
<schema name="{name}">
{schema}
</schema>"""


def build_body(request: Request, model: str, traits: Traits, read_blob: ReadBlob) -> Body:
    """The JSON body. Raises what `read_blob` raises for an image that is not stored."""
    profile = traits.profile
    messages = _in_dialect(request, profile)
    body: Body = {"model": model, "messages": [_wire(message, read_blob) for message in messages]}
    if request.tools and profile.tools:
        body["tools"] = [_wire_tool(tool) for tool in request.tools]
    if request.output:
        is_said = _is_tight(profile) and _shows(request, request.output)
        asked = profile.model_copy(update={"json_schema": False}) if is_said else profile
        if response_format := _response_format(request.output, asked):
            body["response_format"] = response_format
    if request.max_tokens and traits.length_field != "none":
        body[traits.length_field] = request.max_tokens
    return body


def shape_of(body: Body) -> Shape:
    """What a body makes use of."""
    response_format = body.get("response_format", {}).get("type", "")
    messages = body["messages"]
    return Shape(
        json_schema=response_format == "json_schema",
        json_mode=response_format == "json_object",
        tools="tools" in body,
        vision=any(isinstance(message.get("content"), list) for message in messages),
        system_role=any(message["role"] == "system" for message in messages),
        length_field="max_tokens" in body or "max_completion_tokens" in body,
    )


def estimate_prompt(body: Body) -> int:
    """Tokens of a body, for endpoints that do not say."""
    texts = [json.dumps(body[key]) for key in ("tools", "response_format") if key in body]
    images = 0
    for message in body["messages"]:
        content = message.get("content") or ""
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        texts += [part["text"] for part in parts if part["type"] == "text"]
        images += sum(part["type"] == "image_url" for part in parts)
        for call in message.get("tool_calls", ()):
            texts.append(call["function"]["name"] + call["function"]["arguments"])
    return estimate_tokens("".join(texts), images)


def _in_dialect(request: Request, profile: Profile) -> list[Message]:
    messages = list(request.messages)
    folded = "\n\n".join(_folded(request, profile))
    if folded:
        messages = _add_to_head(messages, folded)
    if not profile.vision:
        messages = [_without_images(message) for message in messages]
    if profile.tools:
        messages = _images_after_tools(messages)
    else:
        messages = [as_plain(message) for message in messages]
    if not profile.system_role:
        messages = _without_system(messages)
    if not (profile.tools and profile.system_role):
        # Chat templates of small models insist on alternating roles.
        messages = _merged(messages)
    return messages


def _folded(request: Request, profile: Profile) -> Iterable[str]:
    if request.tools and not profile.tools:
        yield describe_tools(request.tools)
    if request.output and not profile.json_schema and not _shows(request, request.output):
        schema = json.dumps(request.output.json_schema, ensure_ascii=False)
        yield ASKED_SHAPE.format(name=request.output.name, schema=schema)


def _is_tight(profile: Profile) -> bool:
    """Whether a schema beside the prompt that explains it takes room that is needed more."""
    return profile.window is not None and profile.window <= TIGHT_WINDOW


def _shows(request: Request, output: OutputSchema) -> bool:
    """Whether the head of the prompt already explains the shape, and says JSON (a JSON mode that
    does not find this word in the prompt refuses)."""
    system = [message.content for message in request.messages if message.role == "system"]
    users = [message.content for message in request.messages if message.role == "user"]
    head = "\n".join([*system, *users[:1]])
    names = output.json_schema.get("properties", {})
    return "json" in head.lower() and bool(names) and all(name in head for name in names)


def _add_to_head(messages: Sequence[Message], text: str) -> list[Message]:
    if messages and messages[0].role == "system":
        head = Message(role="system", content=f"{messages[0].content}\n\n{text}")
        return [head, *messages[1:]]
    return [Message(role="system", content=text), *messages]


def _without_images(message: Message) -> Message:
    if not message.images:
        return message
    note = IMAGE_LEFT_OUT.format(count=len(message.images))
    content = f"{message.content}\n{note}" if message.content else note
    return message.model_copy(update={"content": content, "images": ()})


def _images_after_tools(messages: Iterable[Message]) -> list[Message]:
    """Tool messages may hold text only, and nothing may stand between them."""
    ordered: list[Message] = []
    waiting: tuple[str, ...] = ()
    for message in messages:
        if message.role != "tool" and waiting:
            ordered.append(Message(role="user", content=IMAGE_FOLLOWS, images=waiting))
            waiting = ()
        if message.role == "tool":
            waiting += message.images
            message = message.model_copy(update={"images": ()})
        ordered.append(message)
    if waiting:
        ordered.append(Message(role="user", content=IMAGE_FOLLOWS, images=waiting))
    return ordered


def _without_system(messages: Iterable[Message]) -> list[Message]:
    return [
        Message(role="user", content=f"<instructions>\n{message.content}\n</instructions>")
        if message.role == "system"
        else message
        for message in messages
    ]


def _merged(messages: Iterable[Message]) -> list[Message]:
    merged: list[Message] = []
    for message in messages:
        last = merged[-1] if merged else None
        mergeable = message.role in ("user", "assistant") and not message.tool_calls
        if last and mergeable and last.role == message.role and not last.tool_calls:
            content = f"{last.content}\n\n{message.content}"
            images = last.images + message.images
            merged[-1] = Message(role=last.role, content=content, images=images)
        else:
            merged.append(message)
    return merged


def _wire(message: Message, read_blob: ReadBlob) -> Body:
    content = _encodable(message.content)
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.tool_call_id or "", "content": content}
    if message.tool_calls:
        calls = [_wire_call(call) for call in message.tool_calls]
        return {"role": message.role, "content": content or None, "tool_calls": calls}
    if not message.images:
        return {"role": message.role, "content": content}
    parts: list[Body] = [{"type": "text", "text": content}] if content else []
    for sha256 in message.images:
        url = _data_url(read_blob(sha256))
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return {"role": message.role, "content": parts}


def _wire_call(call: ToolCall) -> Body:
    arguments = _encodable(call.arguments or "{}")
    try:
        usable = isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        usable = False
    if not usable:
        # Servers read old arguments to fill their chat template, and fail on what is no object.
        arguments = json.dumps({"malformed": arguments})
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _wire_tool(tool: ToolSpec) -> Body:
    return {"type": "function", "function": tool.model_dump()}


def _response_format(output: OutputSchema, profile: Profile) -> Body | None:
    if profile.json_schema:
        strict = to_strict(output.json_schema)
        schema: Body = {
            "name": re.sub(r"[^a-zA-Z0-9_-]", "_", output.name)[:64],
            "schema": strict or output.json_schema,
            "strict": strict is not None,
        }
        return {"type": "json_schema", "json_schema": schema}
    return {"type": "json_object"} if profile.json_mode else None


def _data_url(image: bytes) -> str:
    media_type = "image/png" if image.startswith(PNG_MAGIC) else "image/jpeg"
    return f"data:{media_type};base64,{base64.b64encode(image).decode('ascii')}"


def _encodable(text: str) -> str:
    """Without lone surrogates: a page may hold them, UTF-8 and so HTTP may not."""
    return text.encode("utf-8", "replace").decode("utf-8")
