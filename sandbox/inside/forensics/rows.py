"""Turns a file into tables: names of columns, and rows that know the line they came from.

Every reader is bounded and reads on past what it cannot parse, which it counts. Database files
and archives are opened for reading only, with nothing of theirs executed.
"""

from __future__ import annotations

import csv
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from sandbox.image.document import library
from sandbox.inside.forensics.content import Flaws, lines_of, opened
from sandbox.inside.forensics.shapes import COMBINED, PAIR, STAMPED, Shape

MAX_COLUMNS = 300
MAX_TABLES = 50
MAX_JSON = 256 << 20
MAX_FIELD = 16 << 20
FLAT = 3
SQLITE_S = 30.0
Row = tuple[int, Sequence["str | None"]]
"""The line it came from, and a cell per column; None is a cell that is not there."""


@dataclass
class Table:
    """Rows can be asked for several times. `name` tells tables of one file apart; `are_texts` is
    whether no cell is a figure or a time, whatever it looks like."""

    name: str
    columns: tuple[str, ...]
    rows: Callable[[], Iterator[Row]]
    unparsed: list[int] = field(default_factory=list)
    unit: str = "line"
    are_texts: bool = False


@dataclass(frozen=True)
class Text:
    """A file as text: where, in which encoding, and where its flaws are noted."""

    path: Path
    encoding: str
    flaws: Flaws


def tables_of(text: Text, shape: Shape) -> list[Table]:
    """The tables of a file of this shape; a text is one of its lines."""
    match shape.kind:
        case "delimited text":
            return [_delimited(text, shape)]
        case "jsonl":
            return [_objects("", lambda table: _json_lines(text, table))]
        case "json":
            return [_objects("", lambda _table: _json_members(text), unit="member")]
        case "access log":
            return [_log(text, shape, COMBINED, _request_cells)]
        case "log":
            return [_log(text, shape, STAMPED, lambda found: {})]
        case "sqlite":
            return _sqlite(text)
        case "parquet":
            return [_parquet(text)]
        case "sheets":
            return _sheets(text)
    return [_plain(text)]


def _delimited(text: Text, shape: Shape) -> Table:
    columns: tuple[str, ...] = ()
    for _, row in _records(text, shape, []):
        columns = unique(row) if shape.named else tuple(f"c{n + 1}" for n in range(len(row)))
        break
    table = Table("", columns, lambda: iter(()))

    def rows() -> Iterator[Row]:
        table.unparsed.clear()
        width = len(columns)
        for number, (line, row) in enumerate(_records(text, shape, table.unparsed)):
            if number == 0 and shape.named:
                continue
            if len(row) != width:
                table.unparsed.append(line)
            cells = [cell if cell != "" else None for cell in row[:width]]
            yield line, cells + [None] * (width - len(cells))

    table.rows = rows
    return table


def _records(text: Text, shape: Shape, unparsed: list[int]) -> Iterator[tuple[int, list[str]]]:
    """Records with the line that each begins on."""
    csv.field_size_limit(MAX_FIELD)
    with opened(text.path, text.encoding, text.flaws) as stream:
        reader = csv.reader(_without_zeros(stream), delimiter=shape.delimiter)
        begin = 1
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:
                unparsed.append(begin)
                row = []
            if row:
                yield begin, row
            begin = reader.line_num + 1


def _without_zeros(stream: Any) -> Iterator[str]:
    while line := stream.readline(MAX_FIELD):
        yield line.replace("\0", "\\x00")


def _plain(text: Text) -> Table:
    def rows() -> Iterator[Row]:
        for number, line in lines_of(text.path, text.encoding, text.flaws):
            yield number, (line,)

    return Table("", ("text",), rows)


def _log(
    text: Text, shape: Shape, form: Any, more: Callable[[Mapping[str, str]], dict[str, str]]
) -> Table:
    """A log: the parts of its form, then its recurring pairs, then lines that do not fit."""
    parts = [name for name in form.groupindex if name not in ("rest", "request")]
    if form is COMBINED:
        parts += ["method", "path"]
    pairs = [name for name in shape.pairs if name not in parts]
    columns = (*parts, *unique([*parts, *pairs])[len(parts) :], "unparsed")
    table = Table("", columns, lambda: iter(()))

    def rows() -> Iterator[Row]:
        table.unparsed.clear()
        for number, line in lines_of(text.path, text.encoding, text.flaws):
            if not line.strip():
                continue
            match = form.fullmatch(line[:65536])
            if match is None:
                table.unparsed.append(number)
                yield number, [None] * (len(columns) - 1) + [line]
                continue
            found = {name: value for name, value in match.groupdict().items() if value}
            said = " ".join(found.get(name, "") for name in ("rest", "request", "text"))
            cells: dict[str, str] = {pair[1]: pair[2].strip('"') for pair in PAIR.finditer(said)}
            cells = {name: cells[name] for name in pairs if cells.get(name)} | found | more(found)
            ordered: list[str | None] = [_dash(cells.get(name)) for name in (*parts, *pairs)]
            yield number, [*ordered, None]

    table.rows = rows
    return table


def _request_cells(found: Mapping[str, str]) -> dict[str, str]:
    method, _, rest = found.get("request", "").partition(" ")
    return {"method": method, "path": rest.rpartition(" ")[0] or rest}


def _dash(value: str | None) -> str | None:
    return None if value in ("-", "") else value


def _objects(
    name: str, read: Callable[[Table], Iterator[tuple[int, Any]]], unit: str = "line"
) -> Table:
    table = Table(name, (), lambda: iter(()), unit=unit)
    seen: dict[str, None] = {}
    for _, value in read(table):
        for key in flat(value):
            if len(seen) < MAX_COLUMNS:
                seen[key] = None
    keys = list(seen)
    table.columns = unique(keys)

    def rows() -> Iterator[Row]:
        table.unparsed.clear()
        for line, value in read(table):
            cells = flat(value)
            yield line, [cells.get(key) for key in keys]

    table.rows = rows
    return table


def _json_lines(text: Text, table: Table) -> Iterator[tuple[int, Any]]:
    for number, line in lines_of(text.path, text.encoding, text.flaws):
        if not line.strip():
            continue
        try:
            value = json.loads(line, parse_float=Decimal)
        except (ValueError, RecursionError):
            table.unparsed.append(number)
            continue
        yield number, value


def _json_members(text: Text) -> Iterator[tuple[int, Any]]:
    """The members of the array, or of the first array inside the object."""
    with opened(text.path, text.encoding, text.flaws) as stream:
        content = stream.read(MAX_JSON + 1)
    if len(content) > MAX_JSON:
        text.flaws.broken = f"one JSON value of more than {MAX_JSON} characters"
        return
    try:
        value = json.loads(content, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        text.flaws.broken = f"it is no valid JSON ({str(error)[:200]})"
        return
    if isinstance(value, dict):
        arrays = [inner for inner in value.values() if isinstance(inner, list)]
        value = arrays[0] if len(arrays) == 1 else [value]
    yield from enumerate(value if isinstance(value, list) else [value], start=1)


def flat(value: Any, prefix: str = "", depth: int = 0) -> dict[str, str | None]:
    """A JSON value as cells; members of objects by dotted names, arrays as their JSON."""
    if not isinstance(value, dict) or depth >= FLAT:
        return {prefix or "value": _cell(value)}
    cells: dict[str, str | None] = {}
    for key, inner in value.items():
        cells |= flat(inner, f"{prefix}.{key}" if prefix else str(key), depth + 1)
    return cells


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _sqlite(text: Text) -> list[Table]:
    """Ordinary tables only: a view or a virtual table would run what the file's author wrote."""
    base = _database(text.path)
    with closing(base):
        try:
            found = base.execute(
                "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite\\_%' "
                "ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
            ).fetchmany(MAX_TABLES + 1)
            skipped = base.execute(
                "SELECT count(*) FROM sqlite_master WHERE type IN ('view', 'trigger') "
                "OR sql LIKE 'CREATE VIRTUAL%'"
            ).fetchone()[0]
            names = [str(name) for (name,) in found[:MAX_TABLES]]
            columns = {name: _columns_in(base, name) for name in names}
        except sqlite3.Error as error:
            text.flaws.broken = f"the database is damaged ({error})"
            return []
    if skipped:
        text.flaws.notes.append(f"{skipped} views, triggers or virtual tables were not opened")
    if len(found) > MAX_TABLES:
        text.flaws.broken = f"only the first {MAX_TABLES} tables were read"
    return [_sqlite_table(text, name, columns[name]) for name in names]


def _sqlite_table(text: Text, name: str, columns: tuple[str, ...]) -> Table:
    def rows() -> Iterator[Row]:
        base = _database(text.path)
        with closing(base):
            try:
                asked = base.execute(f"SELECT * FROM {_quoted(name)}")  # noqa: S608 - quoted
                for number, row in enumerate(asked, start=1):
                    yield number, [_stored(value) for value in row[:MAX_COLUMNS]]
            except sqlite3.Error as error:
                text.flaws.broken = f"table {name[:80]} could not be read to its end ({error})"

    return Table(name, unique(columns), rows, unit="row")


def _database(path: Path) -> sqlite3.Connection:
    base = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    for setting in ("trusted_schema=OFF", "query_only=ON", "cell_size_check=ON"):
        base.execute(f"PRAGMA {setting}")
    base.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
    until = time.monotonic() + SQLITE_S
    base.set_progress_handler(lambda: time.monotonic() > until, 10_000)
    return base


def _columns_in(base: sqlite3.Connection, name: str) -> tuple[str, ...]:
    asked = base.execute(f"SELECT * FROM {_quoted(name)} LIMIT 0")  # noqa: S608 - quoted
    return tuple(str(column[0]) for column in asked.description)[:MAX_COLUMNS]


def _stored(value: Any) -> str | None:
    if isinstance(value, bytes):
        return f"x'{value[:2048].hex()}'"
    return None if value is None or value == "" else str(value)


def _parquet(text: Text) -> Table:
    file = library("pyarrow.parquet").ParquetFile(str(text.path))
    names = [str(name) for name in file.schema_arrow.names][:MAX_COLUMNS]

    def rows() -> Iterator[Row]:
        number = 0
        for batch in file.iter_batches(batch_size=5_000):
            for row in batch.to_pylist():
                number += 1
                yield number, [_written(row.get(name)) for name in names]

    return Table("", unique(names), rows, unit="row")


def _written(value: Any) -> str | None:
    moment = getattr(value, "isoformat", None)
    if moment is not None:
        return str(moment())
    return _cell(value) if not isinstance(value, bytes) else f"x'{value[:2048].hex()}'"


def _sheets(text: Text) -> list[Table]:
    # By its name it would be refused: copies in custody have none. Sheets are read lazily.
    file = text.path.open("rb")
    book = library("openpyxl").load_workbook(file, read_only=True, data_only=True)
    return [table for sheet in book.worksheets[:MAX_TABLES] if (table := _sheet(sheet)) is not None]


def _sheet(sheet: Any) -> Table | None:
    def records() -> Iterator[tuple[int, list[str | None]]]:
        for number, row in enumerate(
            sheet.iter_rows(values_only=True, max_col=MAX_COLUMNS), start=1
        ):
            cells = [_written(value) for value in row]
            if any(cell is not None for cell in cells):
                yield number, cells

    first = next(records(), None)
    if first is None:
        return None
    width = len(first[1])

    def rows() -> Iterator[Row]:
        for number, cells in records():
            if number != first[0]:
                yield number, (cells + [None] * width)[:width]

    return Table(str(sheet.title), unique([cell or "" for cell in first[1]]), rows, unit="row")


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """Names for columns: printable, not empty, each one once, none that begins with `_`."""
    taken: dict[str, None] = {}
    for number, name in enumerate(names[:MAX_COLUMNS], start=1):
        shown = "".join(c if c.isprintable() else " " for c in name).strip()[:80].lstrip("_")
        wanted = shown or f"c{number}"
        count = 2
        while wanted.lower() in taken:
            wanted, count = f"{shown or 'c'}_{count}", count + 1
        taken[wanted.lower()] = None
        names = [*names[: number - 1], wanted, *names[number:]]
    return tuple(names[:MAX_COLUMNS])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
