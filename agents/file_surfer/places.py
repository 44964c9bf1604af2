"""Places in documents as a model writes and reads them: outlines, parts, ranges, pages."""

from __future__ import annotations

import re

from orchestrator.agent import Observation, Source
from orchestrator.errors import ToolFailed
from sandbox.base import Conversion, Part, Span

OUTLINE_PARTS = 60
PREVIEW_CHARS = 2_000
PAGE_CHARS = 8_000
_SPAN = re.compile(
    r"(?:(?:sheet\s+)?(?P<sheet>\S.*?)\s+)?(?P<unit>page|row|line)s?\s+(?P<first>\d{1,9})"
    r"(?:\s*(?:-|to)\s*(?P<last>\d{1,9}))?",
    re.IGNORECASE,
)


def observation(path: str, locator: str, text: str) -> Observation:
    """Text of a document, with the place that evidence will name."""
    source = Source(kind="path", ref=path)
    return Observation(text=text, source=source, locator=locator, page=path)


def worded(text: str, notes: tuple[str, ...]) -> str:
    """Text and what has to be known about it."""
    return "\n".join((text, *(f"note: {note}" for note in notes)))


def outline(path: str, document: Conversion, *, whole: bool = False) -> str:
    """What a document is and holds: a line per part, the columns of sheets, and its beginning."""
    lines = [f"{path}: {document.kind}, {len(document.parts)} parts. {document.title}".strip()]
    lines += [f"note: {note}" for note in document.notes]
    for number, part in enumerate(document.parts[:OUTLINE_PARTS], start=1):
        lines.append(f"{number}. {part.anchor} ({len(part.text)} characters): {_first_line(part)}")
    if len(document.parts) > OUTLINE_PARTS:
        lines.append(f"... and {len(document.parts) - OUTLINE_PARTS} more parts")
    shown = document.parts if whole else document.parts[:1]
    for part in shown:
        lines.append(f"\nBeginning of {part.anchor}:\n{_beginning(part)}")
    return "\n".join(lines)


def span_of(where: str) -> Span | None:
    """A range in a model's words, or None when it names a part."""
    found = _SPAN.fullmatch(where.strip()[:200])
    if found is None:
        return None
    unit = found["unit"].lower()
    first = int(found["first"])
    last = int(found["last"] or first)
    sheet = (found["sheet"] or "").strip("\"' ")
    return Span(unit, first, last, sheet)  # type: ignore[arg-type]  # the pattern knows three units


def part_of(document: Conversion, wanted: str) -> Part:
    """The part with this number or anchor; raises ToolFailed with what there is."""
    parts = document.parts
    if wanted.isdigit() and 1 <= int(wanted) <= len(parts):
        return parts[int(wanted) - 1]
    plain = wanted.strip().lower()
    for fits in (
        lambda part: part.anchor.lower() == plain,
        lambda part: plain in part.anchor.lower(),
    ):
        for part in parts:
            if fits(part):
                return part
    there = ", ".join(part.anchor for part in parts[:OUTLINE_PARTS])
    raise ToolFailed(f"there is no part {wanted!r}; the parts are 1 to {len(parts)}: {there}")


def one_page(part: Part, page: int) -> str:
    """A page of a part; raises ToolFailed for a page that is not there."""
    pages = _pieces(part.text, PAGE_CHARS)
    if not 1 <= page <= len(pages):
        raise ToolFailed(f"{part.anchor} has pages 1 to {len(pages)}")
    text = pages[page - 1]
    return text if len(pages) == 1 else f"{text}\n[page {page} of {len(pages)} of {part.anchor}]"


def _beginning(part: Part) -> str:
    first = _pieces(part.text, PREVIEW_CHARS)[0]
    left = len(part.text) - len(first)
    return f"{first}\n[{left} more characters: read shows them]" if left else first


def _pieces(text: str, size: int) -> list[str]:
    """A text in pieces that end at line ends where they can: half a number is a wrong number."""
    pieces, start = [], 0
    while start < len(text):
        end = start + size
        if end < len(text):
            end = text.rfind("\n", start, end) + 1 or end
        pieces.append(text[start:end])
        start = end
    return pieces or [""]


def _first_line(part: Part) -> str:
    lines = (line.strip() for line in part.text.splitlines())
    return next((line for line in lines if line), "")[:120]
