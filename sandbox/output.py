"""Turns the raw output of a block into text that can be shown, stored and put into a prompt."""

from __future__ import annotations

import re

# Terminal control: CSI sequences, OSC and other strings up to their end, two-character escapes.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)|\x1b[@-Z\\-_]|\x1b", re.DOTALL
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def readable(raw: bytes) -> str:
    """UTF-8 text without escapes and control characters; other bytes become U+FFFD."""
    text = raw.decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def joined(head: bytes, tail: bytes, total: int) -> tuple[str, bool]:
    """The two ends of an output as one text, and whether its middle is missing."""
    missing = total - len(head) - len(tail)
    if missing <= 0:
        return readable(head + tail), False
    return f"{readable(head)}\n[... {missing} bytes left out ...]\n{readable(tail)}", True
