"""The reply of an endpoint's `/audio/transcriptions` as text and counts. Pure.

Endpoints bill a recording by tokens or by its length, and may say neither.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestrator.models.chat_reply import TokenCount, UnreadableReply

MAX_SOUND = 25 << 20
"""Bytes of one upload, by the published limit of the OpenAI API; others allow no more."""


class _Usage(BaseModel):
    model_config = ConfigDict(extra="ignore")
    type: str = ""
    input_tokens: int = 0
    output_tokens: int = 0


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")
    text: str
    usage: _Usage | None = None


def read_transcript(body: str) -> tuple[str, TokenCount | None]:
    """What was said, and the tokens if those are what is billed. Raises UnreadableReply."""
    try:
        found = _Body.model_validate_json(body)
    except ValidationError as error:
        raise UnreadableReply("it holds no transcript") from error
    usage = found.usage
    counted = usage is not None and usage.type != "duration" and usage.input_tokens > 0
    if usage is None or not counted:
        return found.text, None
    return found.text, TokenCount(usage.input_tokens, 0, usage.output_tokens)
