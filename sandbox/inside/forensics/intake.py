"""Takes a case in: what each exhibit is, what its tables hold, how they hang together.

No model, no guess that is not said to be one. Each exhibit is read in a child of its own, so a
hostile one ends alone and is listed as what it is.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.image.document import Unreadable, library
from sandbox.inside.forensics import archives, database, documents, profile
from sandbox.inside.forensics.content import Flaws, encoding_of, head_of, is_packed
from sandbox.inside.forensics.isolated import isolated
from sandbox.inside.forensics.places import INPUTS, INTAKE, PROSE, WORK, tables_in
from sandbox.inside.forensics.rows import Table, Text, tables_of
from sandbox.inside.forensics.shapes import Shape, binary_kind, text_shape
from sandbox.inside.forensics.tables import Written, Zone, write

EXHIBIT_S = 300.0
FIRST_LINES = 20
LIBRARIES = ("duckdb", "pyarrow", "pyarrow.parquet")
"""Loaded once, before the children are made."""
OPENED = ("sqlite", "parquet")
SHEETS = "xl/workbook.xml"
NAMES = {
    "csv": ("delimited text", "text"),
    "tsv": ("delimited text", "text"),
    "json": ("json", "jsonl"),
    "jsonl": ("jsonl",),
    "ndjson": ("jsonl",),
    "log": ("access log", "log", "text", "jsonl", "delimited text"),
    "txt": ("text", "log", "delimited text", "access log"),
    "md": ("text",),
    "db": ("sqlite",),
    "sqlite": ("sqlite",),
    "parquet": ("parquet",),
    "xlsx": ("sheets",),
    "zip": ("zip",),
    "tar": ("tar",),
    "pdf": ("pdf",),
    "docx": ("docx",),
    "pptx": ("pptx",),
    "epub": ("epub",),
    "odt": ("odt",),
    "eml": ("mail",),
    "msg": ("outlook mail",),
    "html": ("html", "text"),
    "htm": ("html", "text"),
}


@dataclass(frozen=True)
class Given:
    """An exhibit as the host names it: where it lies here, and what the case says of it."""

    id: str
    path: str
    at: Path
    zone: Zone


def prepare(request: dict[str, Any]) -> dict[str, Any]:
    """Examine every exhibit and write `work/intake.json`; the answer says how many there are."""
    for name in LIBRARIES:
        library(name)
    WORK.mkdir(exist_ok=True)
    until = time.monotonic() + float(request["seconds"])
    exhibits: list[dict[str, Any]] = []
    for entry in request["exhibits"]:
        zone = Zone(entry.get("zone", ""), entry.get("zone_by", ""))
        given = Given(entry["id"], entry["path"], INPUTS / entry["id"], zone)
        exhibits += _examined(given, until, inside_archive=False)
    found = {"exhibits": exhibits, **_together(exhibits, request, until)}
    INTAKE.write_text(json.dumps(found, ensure_ascii=True), encoding="ascii")
    return {"exhibits": len(exhibits)}


def _examined(given: Given, until: float, *, inside_archive: bool) -> list[dict[str, Any]]:
    """The exhibit, followed by the members that were taken out of it."""
    left = min(EXHIBIT_S, until - time.monotonic())
    try:
        if left <= 1:
            raise Unreadable("the time for the intake was used up before it")
        found: dict[str, Any] = isolated(lambda: _one(given, inside_archive=inside_archive), left)
    except Unreadable as reason:
        found = _entry(given, "unreadable") | {"whole": False, "flaws": [str(reason)]}
    members = found.pop("members", [])
    made = [found]
    for number, (name, at) in enumerate(members, start=1):
        member = Given(f"{given.id}.{number}", f"{given.path}!{name}", Path(at), given.zone)
        made += _examined(member, until, inside_archive=True)
    return made


def _entry(given: Given, kind: str) -> dict[str, Any]:
    return {
        "id": given.id,
        "path": given.path,
        "kind": kind,
        "size": given.at.stat().st_size,
        "sha256": _hash(given.at),
        "whole": True,
        "flaws": [],
        "notes": [],
        "tables": [],
    }


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _one(given: Given, *, inside_archive: bool) -> dict[str, Any]:
    head = head_of(given.at)
    if not head:
        return _entry(given, "empty")
    packed = is_packed(given.at)
    document = documents.document_kind(given.at, head, packed=packed)
    if document:
        return _document(given, document, nested=inside_archive)
    kind = binary_kind(head)
    if kind == "zip" and _holds(given.at, SHEETS):
        kind = "sheets"
    if kind in ("zip", "tar") and not (packed and kind == "zip"):
        return _archive(given, kind, nested=inside_archive)
    if kind and kind not in (*OPENED, "sheets"):
        return _listed(given, kind, packed)
    return _tabular(given, kind, head)


def _listed(given: Given, kind: str, packed: bool) -> dict[str, Any]:
    """What is not opened."""
    notes = [f"not opened ({kind}): it is listed with its hash"]
    if kind == "office" and not packed:
        notes = [documents.why_unread(given.at)]
    if packed:
        notes = [f"a {kind} inside gzip is not opened: unpack it"]
    misnamed = _misnamed(given, kind, notes)
    return _entry(given, kind) | {"kind": kind, "whole": False} | misnamed


def _document(given: Given, kind: str, *, nested: bool) -> dict[str, Any]:
    """A document as lines of text; what it carries with it becomes members."""
    found = _entry(given, kind)
    try:
        read = documents.read_document(given.at, kind)
    except Unreadable as reason:
        return found | {"whole": False, "flaws": [str(reason)]} | _misnamed(given, kind)
    found["tables"] = [_written(documents.table_of(read), given, alone=True)]
    members: list[list[str]] = []
    flaws = list(read.broken)
    if nested and read.members:
        flaws.append(f"{len(read.members)} files inside it are not opened: it is a member itself")
    else:
        members = _kept(given, read.members, flaws)
    misnamed = _misnamed(given, kind, read.notes)
    return found | {"members": members, "whole": not flaws, "flaws": flaws} | misnamed


def _kept(given: Given, carried: list[tuple[str, bytes]], flaws: list[str]) -> list[list[str]]:
    """The files that a mail carries, written down under their numbers."""
    folder = WORK / "members" / given.id
    folder.mkdir(parents=True, exist_ok=True)
    if len(carried) > archives.MAX_MEMBERS:
        flaws.append(f"only the first {archives.MAX_MEMBERS} of {len(carried)} files were opened")
    kept = []
    for number, (name, content) in enumerate(carried[: archives.MAX_MEMBERS], start=1):
        target = folder / f"{number}"
        target.write_bytes(content)
        kept.append([name[:400], str(target)])
    return kept


def _holds(path: Path, member: str) -> bool:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return member in archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError):
        return False


def _archive(given: Given, kind: str, *, nested: bool) -> dict[str, Any]:
    found = _entry(given, kind) | _misnamed(given, kind)
    if nested:
        return found | {"whole": False, "flaws": ["an archive inside an archive is not opened"]}
    members: list[list[str]] = []
    flaws: list[str] = []
    try:
        for member in archives.taken_out(given.at, kind, WORK / "members" / given.id):
            if member.at is None:
                flaws.append(f"member {member.name!r} was left out: {member.why}")
            else:
                members.append([member.name, str(member.at)])
    except Exception as error:  # noqa: BLE001 - a damaged archive raises anything; what came out is kept
        flaws.append(f"the archive is damaged ({type(error).__name__}: {str(error)[:200]})")
    return found | {"members": members, "whole": not flaws, "flaws": flaws}


def _tabular(given: Given, kind: str, head: bytes) -> dict[str, Any]:
    sys.meta_path.insert(0, _WithoutPandas())
    found = _entry(given, kind)
    encoding, by = ("", "") if kind else encoding_of(head)
    flaws = Flaws()
    shape = Shape(kind) if kind else text_shape(head.decode(encoding, "replace"))
    text = Text(given.at, encoding or "utf-8", flaws)
    tables = tables_of(text, shape)
    written = [_written(table, given, len(tables) == 1) for table in tables]
    found["tables"] = [entry for entry in written if entry is not None]
    found |= {"kind": shape.kind, "encoding": encoding, "encoding_by": by}
    if shape.delimiter:
        found |= {"delimiter": shape.delimiter, "names_columns": shape.named}
    return found | _flaws(found, flaws) | _misnamed(given, shape.kind, flaws.notes)


class _WithoutPandas:
    """pyarrow loads pandas at its first array if it is there; that takes longer than most tables.
    For the children that write tables, which need nothing of it."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("no table of ours needs it", name=name)


def _flaws(found: dict[str, Any], flaws: Flaws) -> dict[str, Any]:
    said = [flaws.broken] if flaws.broken else []
    if flaws.cut_lines:
        said.append(f"{flaws.cut_lines} lines were too long and are cut")
    for table in found["tables"]:
        if table["unparsed"]:
            lines = ", ".join(map(str, table["unparsed_first"][:5]))
            said.append(f"{table['unparsed']} lines do not fit (the first: {lines})")
        if table["cut"]:
            said.append("it has more rows than are read")
    if flaws.bad_bytes:
        flaws.notes.append(f"{flaws.bad_bytes} bytes fit no character and are shown as escapes")
    return {"flaws": said, "whole": not said}


def _misnamed(given: Given, kind: str, notes: list[str] | None = None) -> dict[str, Any]:
    ending = given.path.lower().removesuffix(".gz").rpartition(".")[2][:12]
    expected = NAMES.get(ending)
    said = list(notes or [])
    if expected is not None and kind not in (*expected, "empty"):
        said.append(f"it is named .{ending}, and is {kind} by its content")
    return {"notes": said}


def _written(table: Table, given: Given, alone: bool) -> dict[str, Any] | None:
    name = _table_name(given.id, "" if alone else table.name)
    target = WORK / f"{name}.parquet"
    written: Written = write(table, given.id, given.zone, target)
    return {
        "name": name,
        "of": table.name,
        "unit": table.unit,
        "rows": written.rows,
        "cut": written.cut,
        "unparsed": len(table.unparsed),
        "unparsed_first": table.unparsed[:FIRST_LINES],
        "columns": [_column(column) for column in written.columns],
    }


def _column(column: Any) -> dict[str, Any]:
    clock = column.clock
    told = clock and {"form": clock.form, "zone": clock.zone, "found": clock.found}
    counts = ("undated", "ambiguous", "skipped")
    return {
        "name": column.name,
        "type": column.type,
        "looks": column.looks,
        "clock": told,
        "utc": column.utc,
        **{name: getattr(column, name) for name in counts if clock},
    }


def _table_name(exhibit: str, inner: str) -> str:
    name = exhibit.lower().replace(".", "_")
    return name + ("_" + re.sub(r"\W+", "_", inner.lower(), flags=re.ASCII)[:40] if inner else "")


def _together(
    exhibits: list[dict[str, Any]], request: dict[str, Any], until: float
) -> dict[str, Any]:
    tables = tables_in(exhibits)
    left = min(EXHIBIT_S, until - time.monotonic())
    empty: dict[str, Any] = {"links": [], "skews": [], "subject": [], "orders": []}
    if left <= 1:
        return empty | {"gaps": ["the time for the intake was used up: tables are not compared"]}
    try:
        found: dict[str, Any] = isolated(lambda: _compared(tables, request), left)
    except Unreadable as reason:
        return empty | {"gaps": [f"the tables could not be compared: {reason}"]}
    for table, told in zip(tables, found.pop("columns"), strict=True):
        table["columns"] = told
    return found | {"gaps": []}


def _compared(tables: list[dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    rows = [table for table in tables if table["unit"] != PROSE]
    prose = [table for table in tables if table["unit"] == PROSE]
    base = database.opened({table["name"]: WORK / f"{table['name']}.parquet" for table in tables})
    for table in tables:
        profile.hold(base, table)
        profile.describe(base, table)
    linked = profile.links(base, rows)
    subject = str(request.get("subject") or "")
    return {
        "columns": [table["columns"] for table in tables],
        "links": linked,
        "skews": list(profile.skews(base, rows, linked)),
        "subject": profile.subject_places(base, rows, subject) if subject else [],
        "named": profile.named_in(base, prose, subject) if subject else [],
        "orders": profile.orders(base, rows) + profile.orders_in(base, prose),
    }
