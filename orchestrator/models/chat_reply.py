"""The body of a chat completions reply as values, tolerant of how servers bend the format.

Raises UnreadableReply for what is no reply at all; judges nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from orchestrator.models.llm import FinishReason, ToolCall

THINKING = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)
FINISHES: Mapping[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "safety": "content_filter",
}


class UnreadableReply(Exception):
    """The endpoint said 200 and sent no chat completion. `error` is set if it sent an error."""

    def __init__(self, what: str, error: str = "", status: int = 0) -> None:
        super().__init__(what)
        self.error = error
        self.status = status


@dataclass(frozen=True, slots=True)
class TokenCount:
    """What the endpoint says that it counted."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Reply:
    """The one choice of a reply."""

    text: str
    tool_calls: tuple[ToolCall, ...]
    finish: FinishReason
    tokens: TokenCount | None
    model: str


class _Function(BaseModel):
    name: str | None = None
    arguments: Any = None


class _Call(BaseModel):
    id: str | None = None
    function: _Function | None = None


class _Message(BaseModel):
    content: Any = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: dict[str, Any] | None = None
    prompt_cache_hit_tokens: int | None = None


class _Body(BaseModel):
    choices: list[_Choice]
    model: str | None = None


def read_reply(text: str, first_id: str) -> Reply:
    """The reply in a response body. Calls that came without an id are named after `first_id`."""
    raw = _object(text)
    try:
        body = _Body.model_validate(raw)
    except ValidationError as error:
        raise UnreadableReply("the reply is no chat completion") from error
    if not body.choices:
        raise UnreadableReply("the reply has no choices")
    choice = body.choices[0]
    calls = tuple(_calls(choice.message.tool_calls or [], first_id))
    refused = choice.message.refusal
    written = refused or _text(choice.message.content)
    return Reply(
        text=_storable(THINKING.sub("", written, count=1)),
        tool_calls=calls,
        finish=_finish(choice, calls),
        tokens=_tokens(raw.get("usage")),
        model=body.model or "",
    )


def _object(text: str) -> dict[str, Any]:
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableReply("the reply is not JSON") from error
    if not isinstance(raw, dict):
        raise UnreadableReply("the reply is no JSON object")
    failure = raw.get("error")
    if failure and not raw.get("choices"):
        # Gateways that have sent their headers can only put a failure into the body.
        code = failure.get("code") if isinstance(failure, dict) else None
        status = int(str(code)) if str(code).isdigit() else 0
        raise UnreadableReply("the reply holds an error", json.dumps(raw), status)
    return raw


def _finish(choice: _Choice, calls: tuple[ToolCall, ...]) -> FinishReason:
    if choice.message.refusal:
        return "refusal"
    if calls:
        return "tool_calls"
    return FINISHES.get((choice.finish_reason or "").lower(), "stop")


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return ""


def _calls(calls: list[_Call], first_id: str) -> list[ToolCall]:
    read: list[ToolCall] = []
    for number, call in enumerate(calls, 1):
        seen = {earlier.id for earlier in read}
        function = call.function or _Function()
        arguments = function.arguments
        if arguments is None:
            arguments = "{}"
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        read.append(
            ToolCall(
                # Some servers number every call of a reply the same.
                id=call.id if call.id and call.id not in seen else f"{first_id}_{number}",
                name=function.name or "",
                arguments=_storable(arguments),
            )
        )
    return read


def _storable(text: str) -> str:
    """Without lone surrogates, which JSON can spell and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _tokens(raw: Any) -> TokenCount | None:
    try:
        usage = _Usage.model_validate(raw)
    except ValidationError:
        return None
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    cached = (usage.prompt_tokens_details or {}).get("cached_tokens")
    if not isinstance(cached, int):
        cached = usage.prompt_cache_hit_tokens or 0
    cached = min(cached, usage.prompt_tokens)
    return TokenCount(usage.prompt_tokens, cached, usage.completion_tokens)
