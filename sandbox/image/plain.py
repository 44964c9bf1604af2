"""The last resort: a file that could not be read as what it is, as lines or printable runs."""

from __future__ import annotations

import re
from pathlib import Path

from sandbox.image.document import MAX_TEXT, Document
from sandbox.image.kinds import decoded, looks_binary

STRINGS = 200_000


def plain_view(path: Path, kind: str, reason: str) -> Document:
    """The text in a file that could not be read as what it is: lines, or printable runs."""
    document = Document(kind, notes=[f"shown as plain text: {reason}"], whole=False)
    with path.open("rb") as file:
        head = file.read(MAX_TEXT)
    if not looks_binary(head[:4096]):
        text = decoded(head)
        if "html" in kind:
            text = re.sub(r"(?is)<(script|style)\b.*?</\1>|<[^>]*>", " ", text)
        document.add("text", text)
        return document
    runs = re.findall(rb"[\x20-\x7e]{6,}", head)
    document.add("printable strings", b"\n".join(runs).decode("ascii")[:STRINGS])
    return document
