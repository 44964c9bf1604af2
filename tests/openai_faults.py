"""What a chat completions server refuses or breaks, worded as the vendors word it.

Part of the scripted server: pure functions from a request's body to an error body.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from orchestrator.models.llm import Completion

Body = dict[str, Any]
Mode = Literal["strict", "json", "text"]
FaultName = Literal[
    "429", "429-retry-after", "500", "502", "503", "529", "reset", "slow", "cut", "empty",
    "cut-reply", "refusal", "context", "bad-key", "unknown-model", "quota", "content-filter",
    "filtered-reply", "not-json", "error-in-200", "redirect", "gzip-garbage", "wrong-type",
    "no-usage", "null-choices", "same-ids", "slow-body",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """Breaks `times` requests: from the n-th on (counted from 1), or those a function picks."""

    match: int | Callable[[Body], bool]
    kind: FaultName
    times: int = 1
    retry_after: str = "1"
    seconds: float = 3.0
    location: str = ""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the endpoint can do. `length_field` is the one spelling that it accepts, if any.

    `lies` are abilities that it claims and does not have: what asks for them is taken and ignored.
    `keep_last` is how many tokens of a prompt it keeps, without a word (`half`: as Ollama does,
    which keeps half of its window then).
    """

    mode: Mode = "strict"
    tools: bool = True
    vision: bool = True
    system_role: bool = True
    alternating: bool = False
    length_field: Literal["any", "max_tokens", "max_completion_tokens"] = "any"
    window: int | None = None
    reports_usage: bool = True
    lies: frozenset[Literal["format", "tools", "vision"]] = frozenset()
    keep_last: int | None = None
    half: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer without a completion."""

    status: int
    message: str
    code: str | None = None
    kind: str = "invalid_request_error"
    headers: tuple[tuple[str, str], ...] = ()

    def body(self) -> Body:
        return {"error": {"message": self.message, "type": self.kind, "code": self.code}}


def refusal_for(fault: Fault, body: Body, key: str) -> Refusal | None:
    """The error that a fault stands for; None for those that break the reply instead."""
    model = body.get("model")
    limited = "Rate limit reached for requests per minute."
    table = {
        "429": Refusal(429, limited, "rate_limit_exceeded", "requests"),
        "429-retry-after": Refusal(
            429, limited, "rate_limit_exceeded", "requests", (("Retry-After", fault.retry_after),)
        ),
        "redirect": Refusal(307, "Moved.", headers=(("Location", fault.location),)),
        "500": Refusal(500, "The server had an error.", None, "server_error"),
        "502": Refusal(502, "Bad gateway.", None, "server_error"),
        "503": Refusal(503, "The engine is currently overloaded.", None, "server_error"),
        "529": Refusal(529, "Overloaded", None, "overloaded_error"),
        "context": context_refusal(4096, 5000),
        "bad-key": Refusal(401, f"Incorrect API key provided: {key}.", "invalid_api_key"),
        "unknown-model": Refusal(404, f"The model `{model}` does not exist.", "model_not_found"),
        "quota": Refusal(429, "You exceeded your current quota.", "insufficient_quota"),
        "content-filter": Refusal(
            400, "The response was filtered due to the content management policy.", "content_filter"
        ),
    }  # fmt: skip
    return table.get(fault.kind)


def refusal_by(abilities: Abilities, body: Body, prompt_tokens: int) -> Refusal | None:
    """Why this endpoint cannot serve this body, if so."""
    messages = body.get("messages", [])
    wants = body.get("response_format", {})
    if wants and abilities.mode == "text":
        return Refusal(400, "Unsupported parameter: 'response_format'.")
    if wants.get("type") == "json_schema" and abilities.mode == "json":
        return Refusal(400, "response_format type 'json_schema' is not supported by this model.")
    if complaint := _format_complaint(wants, messages):
        return Refusal(400, complaint)
    if not abilities.tools and (body.get("tools") or any(map(_is_tool_talk, messages))):
        return Refusal(400, f"{body.get('model')} does not support tools")
    if not abilities.vision and any(map(image_urls, messages)):
        return Refusal(400, "unknown variant `image_url`, expected `text`")
    if not abilities.system_role and any(message["role"] == "system" for message in messages):
        return Refusal(400, "System role not supported")
    if abilities.alternating and not _alternates(messages):
        return Refusal(400, "Conversation roles must alternate user/assistant/user/assistant/...")
    if complaint := _length_complaint(abilities.length_field, body):
        return Refusal(400, complaint)
    if abilities.window and prompt_tokens > abilities.window:
        return context_refusal(abilities.window, prompt_tokens)
    return None


def message_for(reply: Completion, kind: str, body: Body) -> tuple[Body, str]:
    """The message of a reply and its finish reason, as far as a fault leaves them alone."""
    text, finish = reply.text, "tool_calls" if reply.tool_calls else reply.finish
    message: Body = {"role": "assistant", "content": text or None}
    if kind == "refusal" or finish == "refusal":
        return {
            "role": "assistant",
            "content": None,
            "refusal": text or "I cannot do that.",
        }, "stop"
    if kind == "filtered-reply":
        return {"role": "assistant", "content": ""}, "content_filter"
    if kind == "empty":
        return {"role": "assistant", "content": ""}, "stop"
    if reply.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function",
             "function": {"name": call.name, "arguments": call.arguments}}
            for call in reply.tool_calls
        ]  # fmt: skip
    longest = 4 * (body.get("max_tokens") or body.get("max_completion_tokens") or 10**9)
    if kind == "same-ids":
        for call in message.get("tool_calls", ()):
            call["id"] = "call_0"
    if kind == "cut-reply":
        longest = len(text) // 2
        for call in message.get("tool_calls", ())[-1:]:
            arguments = call["function"]["arguments"]
            call["function"]["arguments"], finish = arguments[: len(arguments) // 2], "length"
    if len(text) > longest:
        message["content"], finish = text[:longest], "length"
    return message, finish


def context_refusal(window: int, prompt_tokens: int) -> Refusal:
    message = (
        f"This model's maximum context length is {window} tokens. However, your messages"
        f" resulted in {prompt_tokens} tokens. Please reduce the length of the messages."
    )
    return Refusal(400, message, "context_length_exceeded")


def image_urls(message: Body) -> list[str]:
    """The images of a message on the wire."""
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]


def _is_tool_talk(message: Body) -> bool:
    return message["role"] == "tool" or bool(message.get("tool_calls"))


def _alternates(messages: list[Body]) -> bool:
    talk = [message["role"] for message in messages if message["role"] in ("user", "assistant")]
    return all(first != second for first, second in pairwise(talk))


def _length_complaint(spelling: str, body: Body) -> str | None:
    for name in ("max_tokens", "max_completion_tokens"):
        if spelling not in ("any", name) and name in body:
            return f"Unsupported parameter: '{name}' is not supported. Use '{spelling}' instead."
    return None


def _format_complaint(wants: Body, messages: list[Body]) -> str | None:
    if wants.get("type") == "json_object" and "json" not in str(messages).lower():
        return "'messages' must contain the word 'json' to use 'response_format' 'json_object'."
    asked = wants.get("json_schema", {})
    if not asked.get("strict"):
        return None
    complaint = strict_complaint(asked["schema"], ())
    return (
        f"Invalid schema for response_format '{asked['name']}': {complaint}" if complaint else None
    )


def strict_complaint(node: Any, path: tuple[str, ...]) -> str | None:
    """What strict decoding has against a schema; its rules, written from the vendor's words."""
    if not isinstance(node, dict):
        return f"In context={path}, a schema must be an object."
    if "default" in node or "oneOf" in node or "allOf" in node:
        return f"In context={path}, 'default', 'oneOf' and 'allOf' are not permitted."
    if "$ref" in node and len(node) > 1:
        return f"In context={path}, $ref cannot have keywords beside it."
    if not node.keys() & {"type", "$ref", "anyOf", "enum", "const"}:
        return f"In context={path}, schema must have a 'type' key."
    if node.get("type") == "object":
        names = list(node.get("properties", {}))
        if node.get("additionalProperties") is not False:
            return f"In context={path}, 'additionalProperties' is required to be false."
        if sorted(node.get("required", [])) != sorted(names):
            return f"In context={path}, 'required' must include every key in properties."
    return _first_complaint(node, path)


def _first_complaint(node: Body, path: tuple[str, ...]) -> str | None:
    inner = [
        (name, sub) for key in ("properties", "$defs") for name, sub in node.get(key, {}).items()
    ]
    inner += [("anyOf", option) for option in node.get("anyOf", [])]
    if node.get("type") == "array":
        inner.append(("items", node.get("items")))
    complaints = (strict_complaint(sub, (*path, name)) for name, sub in inner)
    return next((complaint for complaint in complaints if complaint), None)
