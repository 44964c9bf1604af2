"""Reads documents as numbered lines of text that know their place: a page, a section, a header.

Nothing in a document is run or followed: no macro, script, form or link. What a reader of it would
not see is kept too, and marked. The converters are those of the image; what one leaves out, nobody
here knows.
"""

from __future__ import annotations

import textwrap
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sandbox.image.document import Document, Unreadable, capped, library
from sandbox.image.kinds import MAX_HTML, MAX_INPUT, detect
from sandbox.image.readers import PAGES, READERS, pdf_fields, pdf_pages
from sandbox.inside.forensics import mails, unseen
from sandbox.inside.forensics.content import encoding_of
from sandbox.inside.forensics.places import PROSE
from sandbox.inside.forensics.rows import Row, Table

"""The unit of a document's table: a line of the text that was made of it, not one of the file."""
COLUMNS = ("place", "text", "hidden")
WIDTH = 300
MAX_LINES = 100_000
ZIPPED = {
    "word/document.xml": "docx",
    "ppt/presentation.xml": "pptx",
    "META-INF/container.xml": "epub",
    "META-INF/manifest.xml": "odt",
}
OLD = "an office file of before 2007 is not opened: save it as .docx or .pdf beside it"


@dataclass
class Read:
    """A document as it was read. A line is (place, text, why a reader would not see it or "");
    `members` are files that it carries. `broken` says what of it could not be read."""

    lines: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    members: list[tuple[str, bytes]] = field(default_factory=list)
    _known: dict[str, list[int]] = field(default_factory=dict)

    def add(self, place: str, text: str, hidden: str = "") -> None:
        """The lines of a text; long ones are folded, empty ones left out."""
        for line in text.splitlines():
            for part in _folded(line.rstrip()):
                if part.strip() and len(self.lines) < MAX_LINES:
                    self._known.setdefault(_bare(part), []).append(len(self.lines))
                    self.lines.append((place, part.rstrip(), hidden))

    def hide(self, place: str, text: str, why: str) -> None:
        """Mark the line that a reader would not see, or add it where the converter left it out."""
        for number in self._known.get(_bare(text), ()):
            where, said, hidden = self.lines[number]
            if not hidden and place in ("", where):
                self.lines[number] = (where, said, why)
                return
        self.add(place or "beside the text", text, why)

    def take(self, document: Document) -> None:
        """What a converter of the image has read."""
        document = capped(document)
        for part in document.parts:
            self.add(part["anchor"], part["text"])
        said = self.notes if document.whole else self.broken
        said += document.notes


def _bare(text: str) -> str:
    return " ".join(text.split())


def _folded(line: str) -> list[str]:
    return textwrap.wrap(line, WIDTH, drop_whitespace=False) if len(line) > WIDTH else [line]


def document_kind(path: Path, head: bytes, *, packed: bool) -> str:
    """The kind of a document that can be read, or "" for a file that is none."""
    if packed:
        return ""
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith(b"PK"):
        return _zipped_kind(path)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        return "outlook mail" if mails.is_outlook(path) else ""
    if mails.is_mail(head):
        return "mail"
    short = path.stat().st_size <= MAX_HTML
    return "html" if short and unseen.is_page(head) else ""


def read_document(path: Path, kind: str) -> Read:
    """The document. Raises Unreadable, or what a damaged file makes a parser raise."""
    if path.stat().st_size > MAX_INPUT:
        raise Unreadable(f"it holds more than the {MAX_INPUT} bytes that are converted")
    read = Read()
    _READ[kind](path, read)
    if len(read.lines) >= MAX_LINES:
        read.broken.append(f"only its first {MAX_LINES} lines of text were read")
    if not read.lines:
        read.broken.append("no text was found in it")
    return read


def table_of(read: Read) -> Table:
    """The lines as a table."""

    def rows() -> Iterator[Row]:
        for number, (place, text, hidden) in enumerate(read.lines, start=1):
            yield number, (place, text, hidden or None)

    return Table("", COLUMNS, rows, unit=PROSE, are_texts=True)


def why_unread(path: Path) -> str:
    """Why an office file in an old form is not read."""
    with path.open("rb") as file:
        if file.read(1) == b"{":
            return "a rich text file is not opened: save it as .docx or .pdf beside it"
    ole = library("olefile").OleFileIO(str(path))
    with ole:
        return "it is encrypted" if ole.exists("EncryptedPackage") else OLD


def _zipped_kind(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            kind = next((kind for name, kind in ZIPPED.items() if name in names), "")
            if kind == "odt":
                return "odt" if unseen.is_open_document(archive) else ""
            return kind
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return ""


def _pdf(path: Path, read: Read) -> None:
    """Pages in order; those without text are recognized from their picture, however long it takes:
    whoever reads it again has to come to the same."""
    try:
        fields = pdf_fields(path)
        read.take(pdf_pages(path, 1, PAGES, is_late=lambda: False))
    except Unreadable as reason:
        locked = "password" in str(reason).lower()
        raise Unreadable(f"it is encrypted ({reason})" if locked else str(reason)) from reason
    count = int(fields.get("Pages", "").strip() or 0)
    if count > PAGES:
        read.broken.append(f"only its first {PAGES} of {count} pages were read")
    unseen.of_pdf(path, fields, read)


def _office(kind: str, path: Path, read: Read) -> None:
    detect(path)  # refuses what would blow up when it is unpacked
    read.take(READERS[kind](path))
    if kind == "docx":
        unseen.of_word(path, read)
    unseen.of_archive(path, read)


def _open_document(path: Path, read: Read) -> None:
    unseen.check_size(path)
    unseen.of_open_document(path, read)
    unseen.of_archive(path, read)


def _page(path: Path, read: Read) -> None:
    content = path.read_bytes()
    text = content.decode(encoding_of(content)[0], "backslashreplace")
    unseen.of_page(text, read)


_READ: dict[str, Callable[[Path, Read], None]] = {
    "pdf": _pdf,
    "html": _page,
    "mail": mails.read_mail,
    "outlook mail": mails.read_outlook,
    "odt": _open_document,
    **{kind: partial(_office, kind) for kind in ("docx", "pptx", "epub")},
}
KINDS = tuple(_READ)
