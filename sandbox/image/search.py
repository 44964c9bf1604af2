"""Finds lines by a regular expression, or parts by words. The expression is the model's: it runs
only here, in a child that is killed when it takes too long."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from sandbox.image.document import Document
from sandbox.image.kinds import LONG_HTML, TEXTS, detect, opened

LONGEST_LINE = 10_000
SHOWN_LINE = 400
COUNTED = 100_000

Line = tuple[str, str]
"""An anchor and a line of text."""


def grep(lines: Iterable[Line], pattern: str, most: int) -> Document:
    """The first lines that match, with how many more there are."""
    try:
        wanted = re.compile(pattern, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError):
        wanted = re.compile(re.escape(pattern), re.IGNORECASE)
    document, count = Document("hits"), 0
    for anchor, line in lines:
        if wanted.search(line[:LONGEST_LINE]):
            count += 1
            if count <= most:
                document.add(anchor, _around(line, wanted))
            if count >= COUNTED:
                break
    document.title = str(count)
    return document


def find(parts: Iterable[Line], words: str, most: int) -> Document:
    """The parts that hold the most of the words, with the lines that do."""
    wanted = list(dict.fromkeys(re.findall(r"\w+", words.lower())))
    scored = []
    for place, (anchor, text) in enumerate(parts):
        low = f"{anchor}\n{text}".lower()
        score = sum(word in low for word in wanted)
        if score:
            scored.append((-score, place, anchor, text))
    document = Document("hits", title=str(len(scored)))
    for score, _, anchor, text in sorted(scored)[:most]:
        held = f"{-score} of {len(wanted)} words"
        document.add(anchor, f"({held}) {_best_lines(text, wanted)}")
    return document


def raw_lines(path: Path) -> Iterator[Line] | None:
    """The lines of a text file of any size, or None for a file that needs converting."""
    return _numbered(path) if detect(path) in (*TEXTS, LONG_HTML) else None


def lines_of(document: Document) -> Iterator[Line]:
    """The lines of a converted document, with where they stand."""
    for part in document.parts:
        anchor = part["anchor"]
        first = int(anchor[6:].partition("-")[0]) if re.match(r"lines \d+-\d+$", anchor) else 0
        for number, line in enumerate(part["text"].splitlines(), 1):
            yield (f"line {first + number - 1}" if first else f"{anchor} line {number}"), line


def _numbered(path: Path) -> Iterator[Line]:
    with opened(path) as file:
        for number, line in enumerate(file, 1):
            yield f"line {number}", line.rstrip("\r\n")


def _around(line: str, wanted: re.Pattern[str]) -> str:
    """A hit in a very long line is shown with what stands around it."""
    hit = wanted.search(line[:LONGEST_LINE])
    start = max(0, hit.start() - SHOWN_LINE // 2) if hit and len(line) > SHOWN_LINE else 0
    return line.strip()[:SHOWN_LINE] if not start else f"...{line[start : start + SHOWN_LINE]}"


def _best_lines(text: str, wanted: list[str]) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    scored = sorted(
        ((-sum(word in line.lower() for word in wanted), n) for n, line in enumerate(lines))
    )
    best = sorted(n for score, n in scored[:3] if score)
    return " / ".join(lines[n][:SHOWN_LINE] for n in best)
