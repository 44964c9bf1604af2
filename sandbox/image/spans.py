"""Reads a range out of a document of any size: pages of a PDF, rows of a sheet, lines of a text."""

from __future__ import annotations

import csv
from itertools import islice
from pathlib import Path

from sandbox.image.document import Document, Unreadable, library, one_line
from sandbox.image.kinds import LONG_HTML, TEXTS, detect, opened
from sandbox.image.readers import pdf_pages, table_cell

MOST = {"page": 30, "row": 1000, "line": 1000}
COLUMNS = 200


def read_span(path: Path, unit: str, first: int, last: int, sheet: str) -> Document:
    """The range as one part per page, or one part in all."""
    first = max(1, first)
    last = min(max(first, last), first + MOST[unit] - 1)
    kind = detect(path)
    if unit == "page" and kind == "pdf":
        return pdf_pages(path, first, last)
    if unit == "row" and kind == "xlsx":
        return _rows_of_sheet(path, first, last, sheet)
    if unit == "row" and kind in ("csv", "tsv"):
        with opened(path) as file:
            rows = csv.reader(file, delimiter="\t" if kind == "tsv" else ",")
            shown = [
                _numbered(n, row) for n, row in enumerate(islice(rows, first - 1, last), first)
            ]
        return _one(kind, f"rows {first}-{first + len(shown) - 1}", shown)
    if kind in (*TEXTS, LONG_HTML):
        with opened(path) as file:
            lines = [line.rstrip("\r\n") for line in islice(file, first - 1, last)]
        return _one(kind, f"lines {first}-{first + len(lines) - 1}", lines)
    raise Unreadable(f"a {kind} has no {unit}s")


def _rows_of_sheet(path: Path, first: int, last: int, name: str) -> Document:
    book = library("openpyxl").load_workbook(path, read_only=True, data_only=True)
    sheets = {sheet.title.lower(): sheet for sheet in book.worksheets}
    sheet = sheets.get(name.lower()) if name else book.worksheets[0]
    if sheet is None:
        raise Unreadable(f"there is no sheet {name!r}; there is {', '.join(book.sheetnames)}")
    rows = sheet.iter_rows(min_row=first, max_row=last, max_col=COLUMNS, values_only=True)
    shown = [
        _numbered(number, [table_cell(value, None) for value in row])
        for number, row in enumerate(rows, first)
        if any(value is not None for value in row)
    ]
    return _one("xlsx", f"sheet {one_line(sheet.title)} rows {first}-{last}", shown)


def _numbered(number: int, row: list[str]) -> str:
    while row and not row[-1]:
        row.pop()
    return f"| {number} | {' | '.join(map(one_line, row))} |"


def _one(kind: str, anchor: str, lines: list[str]) -> Document:
    document = Document(kind)
    document.add(anchor, "\n".join(lines))
    if not document.parts:
        raise Unreadable(f"there is nothing at {anchor}")
    return document
