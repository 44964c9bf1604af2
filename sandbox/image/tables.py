"""Answers SQL over spreadsheets, CSV, JSON and Parquet files, whatever their size.

The SQL is the model's: it runs in the reader's child, against tables in memory, after the engine
has been closed to every file and address.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandbox.image.document import Document, Unreadable, late, library, one_line
from sandbox.image.kinds import detect

SHOWN = 200
CELL = 400
COLUMNS = 300
FIRST = "t"


def read_table(path: Path, sql: str) -> Document:
    """The rows of a query, or without one the tables with their columns."""
    kind = detect(path)
    base = library("duckdb").connect()
    base.execute("SET threads=1; SET memory_limit='500MB'; SET autoinstall_known_extensions=false")
    tables = _load(base, path, kind)
    base.execute("SET enable_external_access=false; SET lock_configuration=true")
    document = Document(kind)
    if not sql.strip():
        document.add("tables", _schema(base, tables))
        return document
    try:
        asked = base.execute(sql)
        columns = [one_line(str(column[0])) for column in asked.description or ()]
        rows = asked.fetchmany(SHOWN + 1)
    except Exception as error:
        reason = one_line(str(error))[:600]
        raise Unreadable(f"SQL: {reason}. The tables: {_schema(base, tables)}") from error
    shown = [_row(columns), *(_row(list(row)) for row in rows[:SHOWN])]
    document.add(f"rows of {one_line(sql)[:200]}", "\n".join(shown))
    if len(rows) > SHOWN:
        document.notes.append(f"only the first {SHOWN} rows; narrow the query or use LIMIT, OFFSET")
        document.whole = False
    return document


def _load(base: Any, path: Path, kind: str) -> list[str]:
    """Fill the tables; their names. The first is also there as `t`."""
    if kind == "xlsx":
        names = _load_sheets(base, path)
        base.execute(f"CREATE VIEW {FIRST} AS SELECT * FROM {_quoted(names[0])}")  # noqa: S608 - quoted
        return names
    readers = {"json": "read_json_auto", "parquet": "read_parquet"}
    reader = readers.get(kind, "read_csv")
    if kind not in ("csv", "tsv", "text", "log", *readers):
        raise Unreadable(f"a {kind} has no tables; table reads xlsx, csv, tsv, json and parquet")
    try:
        base.execute(f"CREATE TABLE {FIRST} AS SELECT * FROM {reader}(?)", [str(path)])  # noqa: S608 - names of ours
    except Exception as error:
        raise Unreadable(f"it is no table: {one_line(str(error))[:300]}") from error
    return [FIRST]


def _load_sheets(base: Any, path: Path) -> list[str]:
    """By way of CSV, so that types and header are found the same way for both."""
    book = library("openpyxl").load_workbook(path, read_only=True, data_only=True)
    names = []
    for sheet in book.worksheets:
        with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            for row in sheet.iter_rows(values_only=True, max_col=COLUMNS):
                if any(value is not None for value in row):
                    writer.writerow(row)
            file.flush()
            if not file.tell():
                continue
            name = one_line(sheet.title)
            base.execute(
                f"CREATE TABLE {_quoted(name)} AS SELECT * FROM read_csv(?, null_padding=true)",  # noqa: S608 - quoted
                [file.name],
            )
            names.append(name)
        if late():
            break
    if not names:
        raise Unreadable("every sheet is empty")
    return names


def _schema(base: Any, tables: list[str]) -> str:
    lines = []
    for name in tables:
        columns = base.execute(f"DESCRIBE {_quoted(name)}").fetchall()
        (count,) = base.execute(f"SELECT count(*) FROM {_quoted(name)}").fetchone()  # noqa: S608 - quoted
        listed = ", ".join(f"{_quoted(one_line(column[0]))} {column[1]}" for column in columns)
        lines.append(f"{_quoted(name)} ({count} rows): {listed}")
    return "\n".join(lines)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _row(values: Sequence[object]) -> str:
    cells = ("" if value is None else one_line(str(value))[:CELL] for value in values)
    return f"| {' | '.join(cells)} |"
