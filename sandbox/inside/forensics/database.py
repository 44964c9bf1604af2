"""The tables of a case for questions in SQL: views over our own Parquet, in an engine that is
closed to every file and address, and whose settings are locked.

The box is the wall; this is the belt.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sandbox.image.document import Unreadable, library
from sandbox.inside.forensics.gate import Question, examined

MAX_ROWS = 200
MAX_CELL = 2_000
DIGITS = 12
SETTINGS = (
    "SET threads=1; SET memory_limit='600MB'; SET TimeZone='UTC'; SET temp_directory='';"
    "SET autoinstall_known_extensions=false; SET autoload_known_extensions=false;"
)


def opened(tables: Mapping[str, Path]) -> Any:
    """A connection in which each table is a view."""
    base = library("duckdb").connect()
    base.execute(SETTINGS)
    folders = sorted({str(path.parent) for path in tables.values()})
    base.execute(f"SET allowed_directories={folders!r}")
    base.execute("SET enable_external_access=false")
    for name, path in tables.items():
        base.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{path}')")  # noqa: S608 - our names
    base.execute("SET lock_configuration=true")
    return base


def asked(base: Any, sql: str, known: set[str], *, whole: bool = False) -> dict[str, Any]:
    """The result of a query in its canonical form: columns, rows in order of their values unless
    the query orders them, and a hash over both. With `whole` it may not take values apart."""
    question = examined(base, sql, known, whole=whole)
    try:
        result = base.execute(sql)
        columns = [str(column[0])[:120] for column in result.description]
        rows = [[canonical(cell) for cell in row] for row in result.fetchmany(MAX_ROWS + 1)]
    except Exception as error:
        text = " ".join(str(error).split())[:600]
        raise Unreadable(f"SQL: {text}") from error
    more = len(rows) > MAX_ROWS
    rows = rows[:MAX_ROWS]
    if more:
        question.objections.append(f"it has more than {MAX_ROWS} rows: aggregate, or narrow it")
    return answer(columns, rows, question)


def answer(columns: list[str], rows: list[list[Any]], question: Question) -> dict[str, Any]:
    """A result with what the gate has to say of it."""
    ordered = sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))
    content = json.dumps([columns, ordered], sort_keys=True, ensure_ascii=True)
    return {
        "columns": columns,
        "rows": rows,
        "sha256": hashlib.sha256(content.encode("ascii")).hexdigest(),
        "tables": question.tables,
        "read": sorted(set(question.columns)),
        "asked": question.asked,
        "narrowed": question.narrowed,
        "units": sorted(set(question.units)),
        "labels": question.labels,
        "objections": question.objections,
        "partial": question.partial,
    }


def canonical(value: Any) -> Any:
    """One spelling per value: exact numbers as they are, others to 12 digits, times in UTC."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, Decimal):
        text = format(value.normalize(), "f")
        return int(text) if "." not in text and len(text) < 16 else float(text)
    if isinstance(value, float):
        return _rounded(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds" if value.microsecond else "seconds") + "Z"
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _rounded(value.total_seconds())
    if isinstance(value, (list, tuple)):
        return [canonical(inner) for inner in value[:MAX_ROWS]]
    if isinstance(value, dict):
        return {str(key): canonical(inner) for key, inner in list(value.items())[:MAX_ROWS]}
    return str(value)[:MAX_CELL]


def _rounded(value: float) -> Any:
    if value != value or value in (float("inf"), float("-inf")):
        return None
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short == int(short) and abs(short) < 1e15 else short
