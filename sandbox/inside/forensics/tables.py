"""Writes tables as Parquet in which every row keeps its exhibit and its line.

Two passes: one to see what each column is, one to write it. The bytes of the exhibit stay the
reference; numbers are stored as numbers, everything else as it is written, and each column of
times gets one beside it with the time in UTC.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.image.document import library
from sandbox.inside.forensics.columns import Column, Typed, typed
from sandbox.inside.forensics.rows import Table, unique

BATCH_ROWS = 20_000
BATCH_BYTES = 16 << 20
MAX_ROWS = 50_000_000


@dataclass(frozen=True)
class Zone:
    """The zone that the case names for a file, and where it does so."""

    name: str = ""
    by: str = ""


@dataclass
class Written:
    """A table as it was written."""

    columns: list[Typed]
    rows: int
    cut: bool


def write(table: Table, exhibit: str, zone: Zone, target: Path) -> Written:
    """Write a table; raises what its reader raises."""
    seen = [Column(name) for name in table.columns]
    rows = 0
    for _, cells in itertools.islice(table.rows(), MAX_ROWS):
        rows += 1
        for column, cell in zip(seen, cells, strict=True):
            column.add(cell)
    if table.are_texts:
        columns = [Typed(column.name, "VARCHAR", "text") for column in seen]
    else:
        columns = [typed(column, zone.name, zone.by) for column in seen]
    _name_clocks(columns)
    _store(table, exhibit, columns, target)
    return Written(columns, rows, rows >= MAX_ROWS)


def _name_clocks(columns: list[Typed]) -> None:
    clocks = [column for column in columns if column.clock is not None]
    names = [column.name for column in columns]
    wanted = unique([*names, *(f"{column.name}_utc" for column in clocks)])[len(names) :]
    for column, name in zip(clocks, wanted, strict=True):
        column.utc = name


def _store(table: Table, exhibit: str, columns: list[Typed], target: Path) -> None:
    arrow, parquet = library("pyarrow"), library("pyarrow.parquet")
    fields = [("_exhibit", arrow.string()), ("_line", arrow.int64())]
    fields += [(column.name, _arrow_type(arrow, column)) for column in columns]
    fields += [(column.utc, arrow.timestamp("us")) for column in columns if column.utc]
    schema = arrow.schema(fields)
    with parquet.ParquetWriter(str(target), schema, compression="zstd") as writer:
        for rows in _batches(table, exhibit, columns):
            arrays = [
                arrow.array([row[place] for row in rows], type=kind)
                for place, (_, kind) in enumerate(fields)
            ]
            writer.write_batch(arrow.record_batch(arrays, schema=schema))


def _arrow_type(arrow: Any, column: Typed) -> Any:
    if column.type.startswith("DECIMAL"):
        return arrow.decimal128(18, column.scale)
    plain = {"BIGINT": arrow.int64(), "DOUBLE": arrow.float64()}
    return plain.get(column.type, arrow.string())


def _batches(table: Table, exhibit: str, columns: list[Typed]) -> Iterator[list[list[Any]]]:
    clocks = [(place, read) for place, column in enumerate(columns) if (read := column.reader())]
    batch: list[list[Any]] = []
    size = 0
    for line, cells in itertools.islice(table.rows(), MAX_ROWS):
        batch.append(_stored(exhibit, line, cells, columns, clocks))
        size += sum(len(cell) for cell in cells if cell is not None)
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _stored(
    exhibit: str,
    line: int,
    cells: Sequence[str | None],
    columns: list[Typed],
    clocks: list[tuple[int, Any]],
) -> list[Any]:
    values = [column.value(cell) for column, cell in zip(columns, cells, strict=True)]
    return [exhibit, line, *values, *(read(cells[place]) for place, read in clocks)]
