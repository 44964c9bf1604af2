"""What every model looks like to the rest of the code: a Request in, a Completion out.

Knows no wire format and no vendor. Values are frozen and survive a round trip through JSON,
because the journal stores them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal"]
JsonSchema = dict[str, Any]


class Frozen(BaseModel):
    """A value that cannot change and refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolCall(Frozen):
    """A tool call as the model wrote it; `arguments` is JSON text and may be malformed."""

    id: str
    name: str
    arguments: str


class Message(Frozen):
    """One message of a conversation. `images` are sha256 names of stored PNG or JPEG blobs."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    images: tuple[str, ...] = ()


class ToolSpec(Frozen):
    """A tool offered to the model; `parameters` is a JSON schema of type object."""

    name: str
    description: str
    parameters: JsonSchema


class OutputSchema(Frozen):
    """The JSON shape a reply must have, sent as `response_format` where the endpoint can."""

    name: str
    json_schema: JsonSchema


class Sound(Frozen):
    """A recording to be turned into text: stored bytes, and a file name that tells the format."""

    sha256: str
    name: str


class Request(Frozen):
    """Everything that decides a reply. The role says who asks, for per-role models and metering.

    With a `sound` the reply is what is said in it.
    """

    role: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    output: OutputSchema | None = None
    max_tokens: int | None = None
    sound: Sound | None = None


class Usage(Frozen):
    """What one or more calls cost. Money in micro-dollars, None when the price is unknown."""

    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    usd_micros: int | None = 0

    def __add__(self, other: Usage) -> Usage:
        known = self.usd_micros is not None and other.usd_micros is not None
        return Usage(
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            usd_micros=(self.usd_micros or 0) + (other.usd_micros or 0) if known else None,
        )


HasRoom = Callable[[Usage], Awaitable[bool]]
has_room: ContextVar[HasRoom | None] = ContextVar("has_room", default=None)
"""Whether a completion that has used this much so far may ask the endpoint once more. Set by
whoever keeps the limits; a model asks before every request of a completion but the first."""


class Trouble(Frozen):
    """Something that went wrong on the way to a reply, and how it was got over.

    `fault` is a kind of fault or the ability that the endpoint lacks. `lasting` troubles change
    what the rest of the run gets, so its outcome names them; `fix` is what a person can do.
    """

    model: str
    fault: str
    what: str
    then: str
    fix: str = ""
    lasting: bool = False


class Completion(Frozen):
    """A reply. `usage.calls` counts every HTTP request that the endpoint served for it."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish: FinishReason = "stop"
    usage: Usage = Usage(calls=1)
    model: str = ""
    troubles: tuple[Trouble, ...] = ()


class Profile(Frozen):
    """What an endpoint and model can do. `window` is the context size in tokens, if known."""

    json_schema: bool = True
    json_mode: bool = True
    tools: bool = True
    vision: bool = False
    system_role: bool = True
    window: int | None = None


class LLM(Protocol):
    """A model that answers. Raises ModelFault, never a vendor's error."""

    @property
    def name(self) -> str:
        """The name shown to people and stored in the journal."""
        ...

    @property
    def profile(self) -> Profile:
        """What the model can do, as far as known by now."""
        ...

    async def complete(self, request: Request) -> Completion:
        """Answer one request, with the endpoint's own retries inside."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
