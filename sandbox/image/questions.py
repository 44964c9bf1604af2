"""What can be asked about documents besides converting one: ranges, hits, tables, pictures.

Everything here runs in the reader's child, with limits on memory and time.
"""

from __future__ import annotations

import base64
import io
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from sandbox.image.archives import read_archive, read_mail, unpacked
from sandbox.image.document import Document, Unreadable, library
from sandbox.image.kinds import detect
from sandbox.image.plain import plain_view
from sandbox.image.readers import READERS
from sandbox.image.search import Line, find, grep, lines_of, raw_lines
from sandbox.image.spans import read_span
from sandbox.image.tables import read_table

PIXELS = 1568
"""The longest side that models with eyes make use of."""


def document_of(path: Path, members: list[str]) -> Document:
    """A file, or a member of an archive, as a document."""
    path = unpacked(path, members)
    kind = detect(path)
    if kind in ("zip", "tar", "gzip"):
        return read_archive(path)
    return read_mail(path) if kind == "eml" else READERS[kind](path)


def answer_to(request: dict[str, Any]) -> Document:
    """Do what the request names; its first path and members are the file."""
    match request["op"]:
        case "grep":
            return grep(_searched(request), request["pattern"], request["most"])
        case "find":
            return find(_searched_parts(request), request["words"], request["most"])
    path = unpacked(Path(request["paths"][0]), request["members"])
    match request["op"]:
        case "span":
            first, last = request["first"], request["last"]
            return read_span(path, request["unit"], first, last, request["sheet"])
        case "table":
            return read_table(path, request["sql"])
        case "image":
            return _picture(path, request["page"])
    raise Unreadable(f"{request['op']} is not known")


def _searched(request: dict[str, Any]) -> Iterator[Line]:
    """Every line, file by file: of known texts, else of the file itself."""
    for name, lines in _lines(request):
        yield from ((f"{name} {anchor}", line) for anchor, line in lines)


def _lines(request: dict[str, Any]) -> Iterator[tuple[str, Iterator[Line]]]:
    for name, parts in request["texts"].items():
        yield name, lines_of(Document("text", parts=parts))
    for name in request["paths"]:
        yield name, _lines_in(Path(name))


def _lines_in(path: Path) -> Iterator[Line]:
    with suppress(Unreadable):
        raw = raw_lines(path)
        if raw is not None:
            return raw
    return lines_of(_readable(path))


def _readable(path: Path) -> Document:
    """The document, or its plain view: one broken file must not end a search over many."""
    try:
        return document_of(path, [])
    except Exception as error:  # noqa: BLE001 - a parser fed with garbage raises anything
        return plain_view(path, "binary", type(error).__name__)


def _searched_parts(request: dict[str, Any]) -> Iterator[Line]:
    for name, parts in request["texts"].items():
        yield from ((f"{name} {part['anchor']}", part["text"]) for part in parts)
    for name in request["paths"]:
        for part in _readable(Path(name)).parts:
            yield f"{name} {part['anchor']}", part["text"]


def _picture(path: Path, page: int) -> Document:
    """A picture, or a page of a PDF as one, small enough for a model; base64 of PNG."""
    content = path.read_bytes()
    kind = detect(path)
    if kind == "pdf":
        command = ["pdftoppm", "-png", "-f", str(page), "-l", str(page), "-scale-to", str(PIXELS)]
        content = subprocess.run([*command, str(path)], capture_output=True, check=False).stdout
        if not content:
            raise Unreadable(f"there is no page {page}")
    elif kind != "image":
        raise Unreadable(f"a {kind} is no picture; image shows pictures and pages of a pdf")
    with library("PIL.Image").open(io.BytesIO(content)) as image:
        shown = image.convert("RGB")
        shown.thumbnail((PIXELS, PIXELS))
    out = io.BytesIO()
    shown.save(out, "PNG", optimize=True)
    document = Document("image")
    document.add(f"{shown.width} x {shown.height}", base64.b64encode(out.getvalue()).decode())
    return document
