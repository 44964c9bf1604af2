"""Makes text of evidence safe to read: for a page, Markdown, and a spreadsheet.

Everything that a file of evidence can hold may stand in a report: control and bidi characters are
shown as escapes, addresses cannot be clicked, and no cell is taken for a formula.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")  # noqa: RUF001 - full-width forms are formulas too
SCHEMES = re.compile(r"(?i)\b(h)tt(ps?)(?=:)|\b(javascript|data|file|ftp|vbscript)(?=:)")
HOST = re.compile(r"(?<=[\w])\.(?=[A-Za-z]{2,24}\b)")
MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~&-])")
STAMP = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z")
CELL_CHARS = 2_000


def plain(value: Any) -> str:
    """A value as one line of text without anything that acts: control, bidi and broken characters
    are escaped. Long ones are cut, and say so."""
    text = "" if value is None else str(value)
    safe = "".join(map(_seen, text[:CELL_CHARS]))
    return safe if len(text) <= CELL_CHARS else f"{safe}… ({len(text)} characters)"


def several_lines(value: Any) -> str:
    """The same with its line breaks, for a query."""
    return "\n".join(plain(line) for line in str(value).split("\n"))


def printable(value: Any) -> Any:
    """What a template prints, whatever it forgot to escape: no control or bidi character."""
    if not isinstance(value, str) or value.isprintable() or hasattr(value, "__html__"):
        return value
    return "".join(char if char == "\n" else _seen(char) for char in value)


def defanged(value: Any) -> str:
    """The same, with addresses that no reader can follow by accident."""
    text = SCHEMES.sub(_defanged, plain(value))
    return HOST.sub("[.]", text) if "hxxp" in text.lower() else text


def markdown(value: Any) -> str:
    """The same inside Markdown: no markup, no link, no picture."""
    return MARKUP.sub(r"\\\1", defanged(value))


def moment(text: str) -> str:
    """A time in UTC as a person writes it."""
    try:
        found = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return text
    return f"{found:%Y-%m-%d %H:%M:%S} UTC" if found.second else f"{found:%Y-%m-%d %H:%M} UTC"


def times(text: str) -> str:
    """A text with its times in UTC as a person writes them, to the second."""
    return STAMP.sub(r"\1 \2", text)


def cell(value: Any) -> Any:
    """A value as a spreadsheet's cell: a text that begins like a formula gets an apostrophe."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = plain(value)
    begins = str(value).lstrip(" \u00a0")[:1]
    return f"'{text}" if begins in FORMULA and begins else text


def csv_bytes(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """CSV in UTF-8 that no spreadsheet takes for formulas."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([cell(name) for name in head])
    writer.writerows([cell(value) for value in row] for row in rows)
    return out.getvalue().encode("utf-8")


def _seen(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")


def _defanged(found: re.Match[str]) -> str:
    return f"{found[1]}xx{found[2]}" if found[1] else f"{found[3]}[:]"
