"""A document while it is read: its parts, why it may be unreadable, how long there is.

Travels into the box together with the readers; standard library only.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass, field
from typing import Any

MAX_TEXT = 2 << 20
WALL_S = 50.0
SOFT_S = 40.0
"""Readers that work page by page stop here and hand over what they have."""
STARTED = time.monotonic()


@dataclass
class Document:
    """What is printed. A part is an anchor and its text; `whole` is false when text is missing."""

    kind: str
    title: str = ""
    parts: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    whole: bool = True

    def add(self, anchor: str, text: str) -> None:
        """One more part, unless it is empty."""
        if text.strip():
            self.parts.append({"anchor": anchor, "text": text.strip("\n")})


class Unreadable(Exception):
    """This reader cannot do it; the plain view is shown instead."""


def capped(document: Document) -> Document:
    """At most MAX_TEXT bytes of text, with a note where it was cut."""
    left = MAX_TEXT
    for place, part in enumerate(document.parts):
        size = len(part["text"].encode("utf-8", errors="replace"))
        if size > left:
            part["text"] = (
                part["text"]
                .encode("utf-8", errors="replace")[:left]
                .decode("utf-8", errors="ignore")
            )
            del document.parts[place + 1 :]
            document.whole = False
            document.notes.append(f"cut after {MAX_TEXT} bytes, at {part['anchor']}")
            break
        left -= size
    return document


def late() -> bool:
    """True when a reader should stop and hand over."""
    return time.monotonic() - STARTED > SOFT_S


def one_line(text: str) -> str:
    """Text from a hostile file as part of a line: no line breaks, no control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def library(name: str) -> Any:
    """Installed in the box, not where this is type-checked."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Unreadable(f"the library {name} is not installed here") from error
