"""Secrets by name: a model writes `<secret:NAME>`, the surfer types the value on its origin only.

Values never leave this module but into a field of a page; everything that is shown or recorded is
masked. Knows no files and no environment: how a value is read is injected.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

from orchestrator.agent import Json
from orchestrator.errors import ToolFailed

NAMED = re.compile(r"<secret:([^<>]{1,80})>")
MIN_LENGTH = 6
"""A shorter value could not be told from ordinary text, so it could not be masked."""
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Secret:
    """A value under a name, bound to the one origin whose fields may hold it."""

    name: str
    origin: str
    read: Callable[[], str]


@dataclass(slots=True)
class Vault:
    """The secrets of a run. `faults` says why a value could not be read."""

    secrets: Mapping[str, Secret] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    _values: dict[str, str] = field(default_factory=dict)
    _loaded: bool = False

    def load(self) -> None:
        """Read every value, once: what is masked has to be known before the first page."""
        if self._loaded:
            return
        self._loaded = True
        for secret in self.secrets.values():
            try:
                value = secret.read()
            except (OSError, ValueError) as error:
                self.faults[secret.name] = str(error)
                continue
            if len(value) < MIN_LENGTH:
                self.faults[secret.name] = f"it is shorter than {MIN_LENGTH} characters"
                continue
            self._values[secret.name] = value

    def listing(self) -> str:
        """The names with their origins, as a model is told of them."""
        return ", ".join(f"<secret:{s.name}> for {s.origin}" for s in self.secrets.values())

    def value_for(self, text: str, origin: str) -> str | None:
        """The value to type for a text that names a secret, None for any other text. Raises
        ToolFailed where it may not be typed."""
        found = NAMED.findall(text)
        if not found:
            return None
        if len(found) > 1 or text.strip() != f"<secret:{found[0]}>":
            raise ToolFailed("secret_refused: a secret fills a field alone, without other text")
        secret = self.secrets.get(found[0])
        if secret is None:
            known = ", ".join(self.secrets) or "none"
            raise ToolFailed(f"secret_refused: there is no secret {found[0]!r}; there are: {known}")
        if origin_of(origin) != origin_of(secret.origin):
            raise ToolFailed(
                f"secret_refused: {secret.name} may be typed on {secret.origin} only, "
                f"and this field is on {origin_of(origin) or 'no web origin'}"
            )
        if secret.name not in self._values:
            why = self.faults.get(secret.name, "it was not read")
            raise ToolFailed(f"secret_refused: {secret.name} cannot be read: {why}")
        return self._values[secret.name]

    def mask(self, text: str) -> str:
        """The text without any value, plain or in a common encoding, whole or cut off."""
        for name, value in self._values.items():
            for spelling in _spellings(value):
                text = text.replace(spelling, f"(secret {name})")
            text = _without_pieces(text, value, f"(secret {name})")
        return text

    def mask_all(self, value: Json) -> Json:
        """The same for every string of a JSON value."""
        if not self._values:
            return value
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, dict):
            return {self.mask(name): self.mask_all(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.mask_all(item) for item in value]
        return value

    def shows(self, content: str | bytes) -> bool:
        """Whether a text or a file holds a value."""
        text = content if isinstance(content, str) else content.decode("utf-8", "replace")
        return self.mask(text) != text


def origin_of(url: str) -> str:
    """scheme://host:port of a web address, or nothing for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return ""
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        return ""
    return f"{parts.scheme}://{parts.hostname.lower()}:{port}"


def _spellings(value: str) -> list[str]:
    """The value and what programs commonly make of it, the longest first."""
    content = value.encode()
    standard = base64.b64encode(content).decode()
    safe = base64.urlsafe_b64encode(content).decode()
    found: dict[str, Any] = dict.fromkeys(
        (
            value, quote(value, safe=""), quote(value), quote_plus(value), html.escape(value),
            json.dumps(value)[1:-1], standard, standard.rstrip("="), safe, safe.rstrip("="),
            content.hex(), content.hex().upper(), value[::-1], value.upper(), value.lower(),
        )
    )  # fmt: skip
    return sorted(found, key=len, reverse=True)


def _without_pieces(text: str, value: str, mask: str) -> str:
    """A value that was cut at the end of a field or a line leaves its beginning or its end."""
    piece = max(MIN_LENGTH, (len(value) + 1) // 2)
    for start, step in ((value[:piece], 1), (value[-piece:], -1)):
        at = text.find(start)
        while at >= 0:
            first, last = at, at + piece
            if step > 0:
                while last < len(text) and text[first : last + 1] == value[: last + 1 - first]:
                    last += 1
            else:
                while first > 0 and text[first - 1 : last] == value[-(last - first + 1) :]:
                    first -= 1
            text = text[:first] + mask + text[last:]
            at = text.find(start, first + len(mask))
    return text
