"""Tells by content what kind of rows a file holds; its name decides nothing.

Knows the first bytes of a file and nothing else of it.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from dataclasses import dataclass

from sandbox.inside.forensics.times import APACHE, ISO, SYSLOG

DELIMITERS = (",", ";", "\t", "|")
LOOKED_AT = 200
MOST = 0.8
COMBINED = re.compile(
    r"(?P<ip>\S+) (?P<ident>\S+) (?P<user>\S+) \[(?P<time>[^\]]{10,40})\] "
    r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}|-) (?P<bytes>\d+|-)'
    r'(?: "(?P<referer>(?:[^"\\]|\\.)*)" "(?P<user_agent>(?:[^"\\]|\\.)*)")?(?P<rest>.*)'
)
STAMPED = re.compile(
    rf"\[?(?P<time>{re.sub(r'[(](?![?])', '(?:', ISO.pattern)}"
    rf"|{re.sub(r'[(](?![?])', '(?:', SYSLOG.pattern)}"
    rf"|{re.sub(r'[(](?![?])', '(?:', APACHE.pattern)})\]? +(?P<text>\S.*)"
)
PAIR = re.compile(r'(?<![^\s;,?&])([A-Za-z_][\w.-]{0,40})=("(?:[^"\\]|\\.)*"|[^\s;,&]*)')
MAGIC = {
    b"SQLite format 3\0": "sqlite",
    b"PAR1": "parquet",
    b"%PDF-": "pdf",
    b"{\\rtf": "office",
    b"\x7fELF": "program",
    b"MZ": "program",
    b"\x80\x04": "pickle",
    b"\x80\x05": "pickle",
    b"\x89PNG": "picture",
    b"\xff\xd8\xff": "picture",
    b"GIF8": "picture",
    b"BZh": "unread archive",
    b"\xfd7zXZ\0": "unread archive",
    b"7z\xbc\xaf\x27\x1c": "unread archive",
    b"Rar!": "unread archive",
    b"\x28\xb5\x2f\xfd": "unread archive",
}


@dataclass(frozen=True)
class Shape:
    """A kind of file. For delimited text: its delimiter, and whether the first row names the
    columns; for logs: the names that `name=value` pairs have."""

    kind: str
    delimiter: str = ""
    named: bool = True
    pairs: tuple[str, ...] = ()


def binary_kind(head: bytes) -> str:
    """The kind of a file that is no text, or ""."""
    for start, kind in MAGIC.items():
        if head.startswith(start):
            return kind
    if head[8:12] == b"DUCK":
        return "duckdb database"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head[257:262] == b"ustar":
        return "tar"
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        return "office"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ""
    sample = head[:4096]
    zeros = sample.count(0)
    utf16 = (
        zeros and max(sample[::2].count(0), sample[1::2].count(0)) > 0.9 * zeros > len(sample) / 4
    )
    odd = sum(0 < byte < 9 or 13 < byte < 27 for byte in sample)
    return "binary" if (zeros and not utf16) or odd > len(sample) // 20 else ""


def text_shape(text: str) -> Shape:
    """The shape of a text from its beginning; the last line may be cut and is not judged."""
    lines = text.split("\n")
    lines = [line.rstrip("\r") for line in (lines[:-1] if len(lines) > 1 else lines)]
    shown = [line for line in lines if line.strip()][:LOOKED_AT]
    if not shown:
        return Shape("empty" if not text.strip() else "text")
    start = text.lstrip("\ufeff \t\r\n")[:1]
    if start == "{" and _share(shown, _is_object) >= MOST:
        return Shape("jsonl")
    if start in "{[" and start:
        return Shape("json")
    if _share(shown, lambda line: COMBINED.fullmatch(line[:8192]) is not None) >= MOST:
        return Shape("access log", pairs=_pair_names(shown, "rest", COMBINED))
    if _share(shown, lambda line: STAMPED.fullmatch(line[:8192]) is not None) >= MOST:
        return Shape("log", pairs=_pair_names(shown, "text", STAMPED))
    return _delimited(text) or Shape("text")


def _share(lines: list[str], holds: object) -> float:
    return sum(bool(holds(line)) for line in lines) / len(lines)  # type: ignore[operator]


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _pair_names(lines: list[str], part: str, form: re.Pattern[str]) -> tuple[str, ...]:
    """Names of `name=value` pairs that recur; also those in the address that was asked for."""
    names: Counter[str] = Counter()
    for line in lines:
        match = form.fullmatch(line[:8192])
        if match is not None:
            named = match.groupdict()
            said = f"{named[part]} {named.get('request') or ''}"
            names.update({pair[1] for pair in PAIR.finditer(said)})
    return tuple(sorted(name for name, count in names.items() if count >= 2)[:40])


def _delimited(text: str) -> Shape | None:
    """The delimiter that cuts nearly all rows into the same number of columns, at least two."""
    whole = text[: text.rfind("\n") + 1] or text
    found: list[tuple[int, str, list[list[str]]]] = []
    for delimiter in DELIMITERS:
        rows = _rows(whole, delimiter)
        widths = Counter(len(row) for row in rows)
        if not widths:
            continue
        width, count = widths.most_common(1)[0]
        if width > 1 and count >= 0.9 * len(rows) and (len(rows) > 1 or width > 2):
            found.append((width, delimiter, rows))
    if not found:
        return None
    _, delimiter, rows = max(found, key=lambda item: item[0])
    return Shape("delimited text", delimiter, named=_names_columns(rows))


def _rows(text: str, delimiter: str) -> list[list[str]]:
    rows = []
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
    try:
        for row in reader:
            if row:
                rows.append(row)
            if len(rows) >= LOOKED_AT:
                break
    except csv.Error:
        return []
    return rows


def _names_columns(rows: list[list[str]]) -> bool:
    """A header has a name of its own in each column, and no figures or times."""
    first = [cell.strip() for cell in rows[0]]
    if len(set(first)) < len(first) or not all(first):
        return False
    return not any(re.match(r"[+-]?\d", cell) for cell in first)
