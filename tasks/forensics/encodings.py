"""What a piece of text says once it is decoded: percent signs, entities, escapes, base64, hex.

Pure. Knows encodings that carry text through addresses, mails and logs, and nothing of what the
text is looked through for.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from urllib.parse import unquote_plus

ROUNDS = 3
"""So many layers of encoding are taken off."""
PIECES = (
    re.compile(r"""[^\s"'<>,|()\[\]{}&?;=]{3,}"""),
    re.compile(r"""[^\s"'<>,|()\[\]{}]{3,}"""),
    re.compile(r"""[^\s"'<>,|]{3,}"""),
)
"""Small pieces first, so that no more of a text is given up than has to be."""
ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2}))")
QUOTED = re.compile(r"=([0-9A-F]{2})")
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
HEX = re.compile(r"(?:[0-9a-fA-F]{2}){6,}")


def readings(piece: str) -> Iterator[str]:
    """Everything else that a piece may stand for, each once."""
    seen, newest = {piece}, [piece]
    for _ in range(ROUNDS):
        fresh = {said for text in newest for decode in DECODERS if (said := decode(text))} - seen
        yield from sorted(fresh)
        seen |= fresh
        newest = sorted(fresh)


def _percent(text: str) -> str:
    return unquote_plus(text) if "%" in text else ""


def _entities(text: str) -> str:
    return html.unescape(text) if "&" in text else ""


def _escapes(text: str) -> str:
    return ESCAPED.sub(_escaped, text) if "\\" in text else ""


def _escaped(found: re.Match[str]) -> str:
    code = int(found[1] or found[2] or found[3], 16)
    return chr(code) if code < 0x110000 else found[0]


def _quoted_printable(text: str) -> str:
    if "=" not in text:
        return ""
    return QUOTED.sub(lambda found: bytes.fromhex(found[1]).decode("latin-1"), text)


def _plain_characters(text: str) -> str:
    """Full-width and other doubles as the usual characters, and nothing invisible."""
    if text.isascii():
        return ""
    plain = unicodedata.normalize("NFKC", text)
    return "".join(char for char in plain if unicodedata.category(char) != "Cf")


def _base64(text: str) -> str:
    if not BASE64.fullmatch(text):
        return ""
    usual = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _printed(base64.b64decode(usual + "=" * (-len(usual) % 4), validate=True))
    except binascii.Error:
        return ""


def _hex(text: str) -> str:
    return _printed(bytes.fromhex(text)) if HEX.fullmatch(text) else ""


def _printed(content: bytes) -> str:
    """Bytes that are text, or ""."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return text if all(char.isprintable() or char.isspace() for char in text) else ""


DECODERS: tuple[Callable[[str], str], ...] = (
    _percent,
    _entities,
    _escapes,
    _quoted_printable,
    _plain_characters,
    _base64,
    _hex,
)
