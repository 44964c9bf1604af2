"""What a column holds: its type, its clock, and what kind of value it looks like.

Found from the values of the whole column, never from its name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sandbox.inside.forensics.times import Clock, clock_of, doubtful, reader_of

WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,17})")
EXACT = re.compile(r"-?(?:0|[1-9]\d{0,11})(?:\.\d{1,6})?")
COMMA = re.compile(r"-?(?:0|[1-9]\d{0,11})(?:,\d{1,6})?")
FLOAT = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
SAMPLED = 300
LOOKS = {
    "ip": re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}"),
    "network": re.compile(r"\d{1,3}(?:\.\d{1,3}){3}/\d{1,2}|[0-9a-fA-F:]{2,39}/\d{1,3}"),
    "mail": re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}\.[A-Za-z]{2,24}"),
    "url": re.compile(r"[a-z][a-z0-9+.-]{1,15}://\S+"),
    "domain": re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}"),
    "user agent": re.compile(r"[\w.-]+/\d[\w.]*.*(?:\(.*\).*)?", re.DOTALL),
    "country": re.compile(r"[A-Z]{2}"),
    "currency": re.compile(r"[A-Z]{3}"),
    "id": re.compile(r"(?=.*\d)[\w:.-]{4,80}"),
}
"""First fit wins; all sampled values of a column have to fit, but for one in twenty."""


@dataclass
class Column:
    """The sum of what one pass over a column has seen."""

    name: str
    values: int = 0
    missing: int = 0
    sample: list[str] = field(default_factory=list)
    is_whole: bool = True
    is_exact: bool = True
    is_comma: bool = True
    is_float: bool = True
    scale: int = 0
    longest: int = 0

    def add(self, cell: str | None) -> None:
        """Take the next cell."""
        if cell is None:
            self.missing += 1
            return
        self.values += 1
        self.longest = max(self.longest, len(cell))
        if len(self.sample) < SAMPLED:
            self.sample.append(cell[:2048])
        if self.is_float or self.is_comma:
            self._judge(cell[:64] if len(cell) <= 64 else "text")

    def _judge(self, cell: str) -> None:
        self.is_whole = self.is_whole and WHOLE.fullmatch(cell) is not None
        self.is_exact = self.is_exact and EXACT.fullmatch(cell) is not None
        self.is_comma = self.is_comma and COMMA.fullmatch(cell) is not None
        self.is_float = self.is_float and FLOAT.fullmatch(cell) is not None
        self.scale = max(self.scale, len(cell.replace(",", ".").partition(".")[2]))


@dataclass
class Typed:
    """A column with its decided type. `looks` says what its values look like; `clock` is set for
    times; `undated`, `ambiguous` and `skipped` count its values without a sure time."""

    name: str
    type: str
    looks: str
    clock: Clock | None = None
    utc: str = ""
    undated: int = 0
    ambiguous: int = 0
    skipped: int = 0
    scale: int = 0

    def value(self, cell: str | None) -> Any:
        """The cell as it is stored."""
        if cell is None or self.type == "VARCHAR":
            return cell
        if self.type == "BIGINT":
            return int(cell)
        if self.type.startswith("DECIMAL"):
            return Decimal(cell.replace(",", ".")).quantize(Decimal(1).scaleb(-self.scale))
        return float(cell)

    def reader(self) -> Any:
        """A function from a cell to its time in UTC, which counts what has none; None for columns
        without a clock."""
        clock = self.clock
        if clock is None:
            return None
        parse = reader_of(clock)

        def read(cell: str | None) -> datetime | None:
            found = parse(cell) if cell is not None else None
            if found is None or found.year == 1900:
                self.undated += 1
                return None
            if clock.found != "written in every value" and cell is not None:
                doubt = doubtful(clock, cell)
                self.ambiguous += doubt == "ambiguous"
                self.skipped += doubt == "skipped"
            return found.replace(tzinfo=None)

        return read


def typed(column: Column, zone: str, zone_by: str) -> Typed:
    """Decide what a column is."""
    clock = clock_of(column.sample, zone, zone_by) if column.sample else None
    kind, scale = _type_of(column)
    looks = _looks(column.sample) if kind == "VARCHAR" else "number"
    if clock is not None:
        looks = "day" if clock.form == "day" else "time"
    return Typed(column.name, kind, looks if column.values else "empty", clock, scale=scale)


def _type_of(column: Column) -> tuple[str, int]:
    if not column.values:
        return "VARCHAR", 0
    if column.is_whole:
        return "BIGINT", 0
    if column.is_exact or column.is_comma:
        return f"DECIMAL(18,{column.scale})", column.scale
    return ("DOUBLE", 0) if column.is_float else ("VARCHAR", 0)


def _looks(sample: Sequence[str]) -> str:
    if not sample:
        return "empty"
    for name, form in LOOKS.items():
        fits = sum(form.fullmatch(value) is not None for value in sample)
        if fits >= 0.95 * len(sample):
            return name
    few = len(set(sample)) <= max(1, min(20, len(sample) // 2))
    return "category" if few and max(map(len, sample)) <= 40 else "text"
