"""Lists what is in a container file (zip, tar, gzip, mail) and takes single members out of it.

A member is addressed by its listed name or its number. Sizes are bounded while they are read, for
a stated size may lie. Standard library only.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import IO, cast

from sandbox.image.document import Document, Unreadable, one_line
from sandbox.image.kinds import MAX_INPUT, ZIP_ENTRIES, detect

DEPTH = 2
LISTED = 500
PIECE = 1 << 16


def unpacked(path: Path, members: list[str]) -> Path:
    """The file behind a chain of members, each taken out into a folder of its own."""
    if len(members) > DEPTH:
        raise Unreadable(f"archives in archives are opened {DEPTH} deep")
    for wanted in members:
        path = _taken_out(path, wanted)
    return path


def read_archive(path: Path) -> Document:
    """The entries with number and size."""
    kind = detect(path)
    entries = list(_entries(path, kind))
    document = Document(kind, notes=["open a member as ARCHIVE!NAME or ARCHIVE!NUMBER"])
    lines = [f"{n:>4} {size:>12} {name}" for n, (name, size) in enumerate(entries[:LISTED], 1)]
    document.add("entries", "\n".join(lines))
    if len(entries) > LISTED:
        document.notes.append(f"only the first {LISTED} of {len(entries)} entries")
    return document


def read_mail(path: Path) -> Document:
    """Headers, the text, and the attachments by name."""
    message = _message(path)
    document = Document("eml", title=one_line(str(message.get("subject", ""))))
    shown = ("From", "To", "Cc", "Date", "Subject", "Message-ID", "Reply-To")
    heads = [f"{name}: {one_line(str(message[name]))}" for name in shown if message[name]]
    document.add("headers", "\n".join(heads))
    body = message.get_body(("plain", "html"))
    if body is not None:
        document.add("body", str(body.get_content()))
    attached = [f"{n}. {name}" for n, (name, _) in enumerate(_attachments(message), 1)]
    document.add("attachments", "\n".join(attached))
    if attached:
        document.notes.append("open an attachment as MAIL!NUMBER")
    return document


def _taken_out(path: Path, wanted: str) -> Path:
    kind = detect(path)
    names = [name for name, _ in _entries(path, kind)]
    if wanted in names:
        place = names.index(wanted)
    elif wanted.isdigit() and 1 <= int(wanted) <= len(names):
        place = int(wanted) - 1
    else:
        raise Unreadable(f"there is no member {wanted!r}; there is {', '.join(names[:30])}")
    folder = Path(tempfile.mkdtemp())
    # Only the ending of a hostile name is used.
    ending = Path(names[place]).suffix[:12]
    target = folder / f"member{ending if ending.isascii() else ''}"
    with _member(path, kind, place) as source, target.open("wb") as out:
        left = MAX_INPUT
        while piece := source.read(PIECE):
            left -= len(piece)
            if left < 0:
                raise Unreadable(f"{wanted} unpacks to more than {MAX_INPUT} bytes")
            out.write(piece)
    return target


def _entries(path: Path, kind: str) -> Iterator[tuple[str, int]]:
    """Names as they are listed, with sizes."""
    if kind == "zip":
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist()[:ZIP_ENTRIES]:
                yield one_line(info.filename), info.file_size
    elif kind == "tar":
        yield from ((one_line(info.name), info.size) for info in _tar_files(path))
    elif kind == "gzip":
        yield path.name.removesuffix(".gz"), path.stat().st_size
    elif kind == "eml":
        for name, content in _attachments(_message(path)):
            yield name, len(content)
    else:
        raise Unreadable(f"a {kind} has no members")


@contextmanager
def _member(path: Path, kind: str, place: int) -> Iterator[IO[bytes]]:
    if kind == "zip":
        with zipfile.ZipFile(path) as archive, archive.open(archive.infolist()[place]) as stream:
            yield stream
    elif kind == "tar":
        info = _tar_files(path)[place]
        with tarfile.open(path) as tar, _bytes_of(tar, info) as inside:
            yield inside
    elif kind == "gzip":
        with gzip.open(path) as plain:
            yield cast("IO[bytes]", plain)
    else:
        _, content = _attachments(_message(path))[place]
        yield io.BytesIO(content)


def _bytes_of(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = tar.extractfile(info)
    if stream is None:
        raise Unreadable("it is not a regular file")
    return stream


def _tar_files(path: Path) -> list[tarfile.TarInfo]:
    """Regular files only: links and devices lead elsewhere."""
    found: list[tarfile.TarInfo] = []
    with tarfile.open(path) as archive:
        for info in archive:
            if info.isreg():
                found.append(info)
            if len(found) >= ZIP_ENTRIES:
                break
    return found


def _message(path: Path) -> EmailMessage:
    with path.open("rb") as file:
        return BytesParser(EmailMessage, policy=policy.default).parse(file)


def _attachments(message: EmailMessage) -> list[tuple[str, bytes]]:
    found = []
    for number, part in enumerate(message.iter_attachments(), 1):
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):  # a forwarded message
            content = b"".join(inner.as_bytes() for inner in part.iter_parts())
        found.append((one_line(part.get_filename() or f"part-{number}"), content))
    return found
