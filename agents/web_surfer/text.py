"""Makes text from the web harmless to show: nothing invisible, no fence look-alikes, no paths."""

from __future__ import annotations

import re
import unicodedata

MAX_STEM, MAX_SUFFIX = 100, 20
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_FENCE = re.compile(r"<(?=\s*/?\s*(?:untrusted|system|assistant|user|tool|secret)\b)|<(?=\|)", re.I)
_BACKTICKS = re.compile(r"`{3,}|~{3,}")
_RESERVED = {"con", "prn", "aux", "nul", "com1", "com2", "com3", "lpt1", "lpt2", "lpt3"}


def neutral(text: str) -> str:
    """The same words without characters that hide, reorder or imitate our own marks."""
    cleaned = _CONTROL.sub(" ", _INVISIBLE.sub("", text))
    return _FENCE.sub("\u2039", cleaned)


def neutral_document(text: str) -> str:
    """As `neutral`, for running text in which a code fence could close ours."""
    return _BACKTICKS.sub("'''", neutral(text))


def one_line(text: str, limit: int = 300) -> str:
    """The first words of a message, on one line."""
    joined = " ".join(neutral(text).split())
    return joined if len(joined) <= limit else joined[: limit - 1] + "\u2026"


def folded(words: str) -> str:
    """Words as they are compared: what cannot be seen, case and spacing do not count."""
    return " ".join(neutral(words).split()).casefold()


def safe_name(suggested: str, fallback: str = "download") -> str:
    """A plain file name from whatever a server suggests: no folders, no hidden or odd names."""
    plain = unicodedata.normalize("NFKC", neutral(suggested)).replace("\\", "/").rsplit("/", 1)[-1]
    plain = re.sub(r"[^\w.()+ -]", "_", plain).strip(" .")
    plain = re.sub(r"\s+", " ", plain)
    stem, dot, suffix = plain.rpartition(".") if "." in plain else (plain, "", "")
    if not plain or stem.lower() in _RESERVED:
        return fallback
    return stem[:MAX_STEM] + dot + suffix[:MAX_SUFFIX]
