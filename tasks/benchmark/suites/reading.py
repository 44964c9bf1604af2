"""Reads rows out of JSON lines, JSON, CSV and their gzipped forms, and collects what is wrong.

Nothing stops at the first fault: a suite is read whole, and every fault is named by file, line and
field before anything is started or paid for.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from orchestrator.canonical import storable
from orchestrator.errors import UsageError
from tasks.benchmark.cases import Attached, Case

M = TypeVar("M", bound=BaseModel)
SHOWN = 40
BOM = "\ufeff"
MEND = "mend these lines; quaestor bench check tells whether all is well"


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a file. `line` counts from 1; in a JSON list it is the place."""

    file: str
    line: int
    value: dict[str, Any]


@dataclass(slots=True)
class Faults:
    """What is wrong with a suite, in the order of its files."""

    found: list[str] = field(default_factory=list)

    def add(self, file: str, line: int, name: str, why: str) -> None:
        """Note one fault."""
        place = f"{file}:{line}" if line else file
        self.found.append(f"{place}: {f'{name}: ' if name else ''}{why}")

    def check(self, what: str, fix: str = MEND) -> None:
        """Raise a UsageError that lists every fault, if there is any."""
        if not self.found:
            return
        shown = "\n  ".join(self.found[:SHOWN])
        more = f"\n  and {len(self.found) - SHOWN} more" if len(self.found) > SHOWN else ""
        raise UsageError(
            f"{what} has {len(self.found)} faults, so nothing was started:\n  {shown}{more}",
            fix=fix,
        )


def read_rows(path: Path, faults: Faults) -> list[Row]:
    """Every object of a .jsonl, .json or .csv file, gzipped or not."""
    try:
        text = _text(path)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        faults.add(path.name, 0, "", f"cannot be read: {error}")
        return []
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind == "csv":
        return _csv_rows(path.name, text)
    if kind == "json":
        return _json_rows(path.name, text, faults)
    return list(_jsonl_rows(path.name, text, faults))


def parse(rows: Iterable[Row], model: type[M], faults: Faults) -> Iterator[tuple[Row, M]]:
    """The rows that fit the model; each field that does not is a fault."""
    for row in rows:
        try:
            yield row, model.model_validate(row.value)
        except ValidationError as error:
            for item in error.errors():
                name = ".".join(map(str, item["loc"]))
                faults.add(row.file, row.line, name, item["msg"])


def distinct(found: Iterable[tuple[Row, Case]], faults: Faults) -> tuple[Case, ...]:
    """The cases; an id that was there before is a fault."""
    seen: dict[str, int] = {}
    cases = []
    for row, case in found:
        if case.id in seen:
            faults.add(row.file, row.line, "id", f"{case.id!r} is also in line {seen[case.id]}")
        seen.setdefault(case.id, row.line)
        cases.append(case)
    return tuple(cases)


def attached(
    row: Row, name: str, names: Sequence[str], folder: Path, faults: Faults
) -> tuple[Attached, ...]:
    """The files of a row, each below the suite's folder, each under its bare name."""
    found: list[Attached] = []
    for text in names:
        inner = PurePosixPath(text)
        path = folder / inner
        if inner.is_absolute() or ".." in inner.parts:
            faults.add(row.file, row.line, name, f"{text!r} leads out of the suite's folder")
        elif not path.is_file():
            faults.add(row.file, row.line, name, f"there is no file {text!r} in {folder}")
        elif any(item.name == inner.name for item in found):
            faults.add(row.file, row.line, name, f"two files are called {inner.name!r}")
        else:
            found.append(Attached(name=inner.name, path=path.absolute()))
    return tuple(found)


def _text(path: Path) -> str:
    content = path.read_bytes()
    if path.name.endswith(".gz"):
        content = gzip.decompress(content)
    return content.decode("utf-8").removeprefix(BOM)


def _jsonl_rows(name: str, text: str, faults: Faults) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            faults.add(name, number, "", f"not JSON: {error}")
            continue
        yield from _objects(name, number, value, faults)


def _json_rows(name: str, text: str, faults: Faults) -> list[Row]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        faults.add(name, 0, "", f"not JSON: {error}")
        return []
    items = value if isinstance(value, list) else [value]
    return [
        row
        for number, item in enumerate(items, start=1)
        for row in _objects(name, number, item, faults)
    ]


def _objects(name: str, number: int, value: Any, faults: Faults) -> Iterator[Row]:
    if not isinstance(value, dict):
        faults.add(name, number, "", "not a JSON object")
        return
    try:
        yield Row(name, number, storable(value))
    except ValueError as error:
        faults.add(name, number, "", str(error))


def _csv_rows(name: str, text: str) -> list[Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    return [
        Row(name, number, {key: item for key, item in row.items() if key is not None})
        for number, row in enumerate(reader, start=1)
    ]
