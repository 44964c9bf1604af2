"""What an endpoint can do: a first guess from the model's name, corrected by what it refuses.

A refusal is remembered in a small JSON file, so it costs one request per week and not one per run.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from orchestrator.models.llm import Frozen, Profile

Feature = Literal["json_schema", "json_mode", "tools", "vision", "system_role", "length_field"]
LengthField = Literal["max_tokens", "max_completion_tokens", "none"]
Clock = Callable[[], datetime]

# Long enough to be worth it, short enough that an upgraded server gets its features back.
REMEMBERED = timedelta(days=7)
SEES = re.compile(
    r"gpt-4o|gpt-4\.1|gpt-[5-9]|\bo[134]\b|claude-(3|opus|sonnet|haiku|[4-9])|gemini|pixtral"
    r"|llava|vision|[-.\d]vl\b|llama-?4|gemma-?3|mistral-(small|medium)-3",
    re.IGNORECASE,
)
COUNTS_REASONING = re.compile(r"(^|/)(gpt-[5-9]|o[134])\b", re.IGNORECASE)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shape:
    """Which optional features a request made use of, so that only those are ever given up."""

    json_schema: bool
    json_mode: bool
    tools: bool
    vision: bool
    system_role: bool
    length_field: bool


class Traits(Frozen):
    """A profile, plus how this endpoint wants the length limit to be spelled. `confirmed` are
    the abilities that a reply has shown; `drops_head` is an endpoint that cuts in silence;
    `is_probed` once everything was asked about."""

    profile: Profile = Profile()
    length_field: LengthField = "max_tokens"
    confirmed: frozenset[Feature] = frozenset()
    drops_head: bool = False
    is_probed: bool = False

    def without(self, feature: Feature) -> Traits:
        """The same endpoint after it has refused a feature."""
        if feature == "length_field":
            spelled: LengthField = (
                "max_completion_tokens" if self.length_field == "max_tokens" else "none"
            )
            return self.model_copy(update={"length_field": spelled})
        return self.model_copy(update={"profile": self.profile.model_copy(update={feature: False})})

    def with_window(self, window: int, *, drops_head: bool = False) -> Traits:
        """The same endpoint with a context size that it has stated or shown."""
        profile = self.profile.model_copy(update={"window": window})
        return self.model_copy(update={"profile": profile, "drops_head": drops_head})

    def confirming(self, feature: Feature) -> Traits:
        """The same endpoint after a reply has shown that it has a feature."""
        return self.model_copy(update={"confirmed": self.confirmed | {feature}})


def configured(traits: Traits, window: int | None, vision: bool | None) -> Traits:
    """Traits with what the user has said about the endpoint; that needs no proof."""
    if window is not None:
        traits = traits.with_window(window, drops_head=traits.drops_head)
    if vision is None:
        return traits
    profile = traits.profile.model_copy(update={"vision": vision})
    return traits.model_copy(update={"profile": profile}).confirming("vision")


def guess(model: str) -> Traits:
    """What the model's name says; a wrong guess is corrected by the first refusal."""
    field: LengthField = "max_completion_tokens" if COUNTS_REASONING.search(model) else "max_tokens"
    return Traits(profile=Profile(vision=bool(SEES.search(model))), length_field=field)


class Remembered(Frozen):
    """What was learned of an endpoint and model, and when."""

    learned: datetime
    traits: Traits


class _File(Frozen):
    version: Literal[1] = 1
    models: dict[str, Remembered] = Field(default_factory=dict)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ProfileStore:
    """Learned traits per base URL and model. A damaged or unwritable file is only a lost cache."""

    def __init__(self, path: Path, now: Clock = _utc_now) -> None:
        self._path = path
        self._now = now

    def load(self, base_url: str, model: str) -> Traits | None:
        """What was learned within the last week, if anything."""
        found = self.found(base_url, model)
        return found.traits if found else None

    def found(self, base_url: str, model: str) -> Remembered | None:
        """The same with its date."""
        return self.all().get(_key(base_url, model))

    def all(self) -> dict[str, Remembered]:
        """Everything that is still remembered, under `URL model`."""
        now = self._now()
        models = self._read().models
        return {key: one for key, one in models.items() if now - one.learned <= REMEMBERED}

    def forget(self, base_url: str, model: str) -> None:
        """Start over with an endpoint and model."""
        models = self._read().models
        if models.pop(_key(base_url, model), None):
            self._write(models)

    def save(self, base_url: str, model: str, traits: Traits) -> datetime:
        """Remember; entries that another process wrote meanwhile are kept. Returns the time."""
        entry = Remembered(learned=self._now(), traits=traits)
        self._write({**self._read().models, _key(base_url, model): entry})
        return entry.learned

    def _write(self, models: dict[str, Remembered]) -> None:
        try:
            self._replace(_File(models=models).model_dump_json(indent=1))
        except OSError as error:
            log.warning("cannot remember the model's profile in %s: %s", self._path, error)

    def _read(self) -> _File:
        try:
            return _File.model_validate(json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, ValidationError):
            return _File()

    def _replace(self, text: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise


def _key(base_url: str, model: str) -> str:
    # Without user and password, which some people put into the URL.
    parts = urlsplit(base_url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')} {model}"
