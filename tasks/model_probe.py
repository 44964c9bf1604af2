"""Asks an endpoint short questions that show what it really does, and remembers the answers.

A run does not need this: it learns the same from the replies that it gets anyway. Everything
asked here is metered, and shown with what it cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.errors import ModelFault
from orchestrator.models import questions
from orchestrator.models.capability import ProfileStore, Remembered, Traits
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.llm import Frozen, Message, Request, Trouble, Usage
from orchestrator.models.openai_compatible import OpenAICompatible
from tasks.model_pool import PROFILES

MOST_SCHEMA_TRIES = 5
LONG_CHARS = 24_000  # about 6,000 tokens: more than servers keep that were never configured
SHOWN_LENGTH = 1_000


class Probed(Frozen):
    """What is known of an endpoint and model. `fresh` is false when it was remembered."""

    model: str
    base_url: str
    fresh: bool
    learned: datetime
    traits: Traits
    troubles: tuple[Trouble, ...] = ()
    usage: Usage = Usage()


@dataclass(slots=True)
class _Session:
    client: OpenAICompatible
    usage: Usage
    troubles: list[Trouble]

    async def ask(self, request: Request) -> None:
        """Ask; what is learned from it stays in the client. A prompt that is too long for the
        endpoint is an answer too. Raises ModelFault when the endpoint is out."""
        try:
            completion = await self.client.complete(request)
        except ModelFault as fault:
            self.usage += fault.usage or Usage()
            self.troubles += fault.troubles
            if fault.kind != "context_too_long":
                raise
        else:
            self.usage += completion.usage
            self.troubles += completion.troubles


async def probe(endpoint: Endpoint, home: Path, *, fresh: bool) -> Probed:
    """What an endpoint and model can do: remembered, or with `fresh` asked again. Raises
    ModelFault when it cannot be asked."""
    store = ProfileStore(home / PROFILES)
    if fresh:
        store.forget(endpoint.base_url, endpoint.model)
    known = store.found(endpoint.base_url, endpoint.model)
    if known is not None and known.traits.is_probed:
        return Probed(
            model=endpoint.model,
            base_url=endpoint.shown_url,
            fresh=False,
            learned=known.learned,
            traits=known.traits,
        )
    client = OpenAICompatible.open(endpoint, read_blob=_no_picture, store=store)
    session = _Session(client, Usage(), [])
    try:
        await _ask_all(session)
        traits = client.traits.model_copy(update={"is_probed": True})
    finally:
        await client.close()
    learned = store.save(endpoint.base_url, endpoint.model, traits)
    return Probed(
        model=endpoint.model,
        base_url=endpoint.shown_url,
        fresh=True,
        learned=learned,
        traits=traits,
        troubles=tuple(session.troubles),
        usage=session.usage,
    )


def known_profiles(home: Path) -> Mapping[str, Remembered]:
    """What is remembered of all endpoints, under `URL model`."""
    return ProfileStore(home / PROFILES).all()


def described(traits: Traits) -> str:
    """One line about what an endpoint does."""
    profile = traits.profile
    shape = "strict schema" if profile.json_schema else "JSON mode" if profile.json_mode else "text"
    parts = [
        f"replies in {shape}",
        "tools" if profile.tools else "tools described in the prompt",
        "pictures" if profile.vision else "no pictures",
        "system role" if profile.system_role else "no system role",
        f"length as {traits.length_field}",
        f"window {profile.window}" if profile.window else "window unknown",
    ]
    if traits.drops_head:
        parts.append("drops the head of longer prompts without a word")
    return ", ".join(parts)


async def _ask_all(session: _Session) -> None:
    ping = Message(role="user", content="Reply with the word `ready`.")
    system = Message(role="system", content="You follow instructions exactly.")
    await session.ask(
        Request(role=questions.ROLE, messages=(system, ping), max_tokens=SHOWN_LENGTH)
    )
    for _ in range(MOST_SCHEMA_TRIES):
        await session.ask(questions.about_schema())
        known, profile = session.client.traits.confirmed, session.client.profile
        if not profile.json_mode or known & {"json_schema", "json_mode"}:
            break
    await session.ask(questions.about_tool())
    bands = questions.draw_bands()
    if session.client.profile.vision:
        await session.ask(questions.about_picture(session.client.lend(questions.picture(bands))))
    if session.client.profile.window is None:
        await session.ask(_long())


def _long() -> Request:
    """A prompt that is longer than what servers keep that nobody has configured."""
    filler = "".join(f"Line {n}: nothing to see here.\n" for n in range(LONG_CHARS // 32))
    system = Message(role="system", content="You follow instructions exactly.")
    end = Message(role="user", content=f"{filler}\nReply with the word `ready`.")
    return Request(role=questions.ROLE, messages=(system, end))


def _no_picture(sha256: str) -> bytes:
    raise KeyError(sha256)
