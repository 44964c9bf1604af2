"""Recordings as documents: which may be heard, under what name they go out, how their words read.

Decides only; who listens is `orchestrator.models.hearing`, by way of the tool loop.
"""

from __future__ import annotations

import re

from orchestrator.models.llm import Sound
from orchestrator.models.transcript import MAX_SOUND
from sandbox.base import Conversion, Part

KINDS = ("audio", "video")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def named(sha256: str, content: bytes) -> Sound:
    """What goes to the endpoint: the bytes, and a name of ours with an ending that fits them."""
    return Sound(sha256=sha256, name=f"recording.{_ending(content[:12])}")


def unheard(document: Conversion, reason: str) -> Conversion:
    """A recording that nobody listened to, with why."""
    return Conversion(
        document.kind, document.title, document.parts, (f"cannot_hear: {reason}",), False
    )


def objection(path: str, size: int) -> str:
    """Why a recording cannot be sent, or ""."""
    if "!" in path:
        return "it is packed; have a program of the Coder take it out of its archive first"
    if size > MAX_SOUND:
        return f"it holds {size} bytes, and endpoints take at most {MAX_SOUND}"
    return ""


def transcript(document: Conversion, words: str) -> Conversion:
    """A recording as text: a sentence a line, so that a search shows one."""
    text = "\n".join(_SENTENCE.split(words.strip())) or "(nothing is said in it)"
    note = "written down by a model, which may have misheard"
    return Conversion(document.kind, document.title, (Part("transcript", text),), (note,))


def _ending(head: bytes) -> str:
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav"
    if head[4:8] == b"ftyp":
        return "m4a" if head[8:11] == b"M4A" else "mp4"
    starts = {b"OggS": "ogg", b"fLaC": "flac", b"\x1aE\xdf\xa3": "webm"}
    return starts.get(head[:4], "mp3")
