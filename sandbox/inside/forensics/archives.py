"""Takes the members out of an archive, one level deep, within limits; a member's name is only text.

Refuses what leads outside or is no regular file, and says so of each. Standard library only.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sandbox.image.document import one_line

MAX_MEMBERS = 500
MAX_TOTAL = 192 << 20
MAX_RATIO = 200
SMALL = 16 << 20
PIECE = 1 << 16


@dataclass(frozen=True)
class Member:
    """A member that was taken out, or why it was not. `at` is where it lies now."""

    name: str
    at: Path | None
    why: str = ""


def taken_out(path: Path, kind: str, folder: Path) -> Iterator[Member]:
    """Every member in the order of the archive; raises what a damaged archive raises."""
    folder.mkdir(parents=True, exist_ok=True)
    left = MAX_TOTAL
    packed = max(path.stat().st_size, 1)
    for number, (name, stream, objection) in enumerate(_members(path, kind), start=1):
        if number > MAX_MEMBERS:
            yield Member(one_line(name), None, f"more than {MAX_MEMBERS} members")
            return
        objection = objection or _bad_name(name)
        if objection or stream is None:
            yield Member(one_line(name)[:400], None, objection or "it is no regular file")
            continue
        target = folder / f"{number}"
        most = min(left, max(SMALL, MAX_RATIO * packed))
        size = _copied(stream, target, most)
        if size > most:
            target.unlink()
            yield Member(one_line(name)[:400], None, "it unpacks to more than may be unpacked")
            return
        left -= size
        yield Member(one_line(name)[:400], target)


def _members(path: Path, kind: str) -> Iterator[tuple[str, IO[bytes] | None, str]]:
    if kind == "zip":
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                locked = info.flag_bits & 1
                link = (info.external_attr >> 16) & 0o170000 == 0o120000
                if locked or link:
                    yield info.filename, None, "it is encrypted" if locked else "it is a link"
                    continue
                with archive.open(info) as stream:
                    yield info.filename, stream, ""
    else:
        with tarfile.open(path) as tar:
            for entry in tar:
                if entry.isdir():
                    continue
                inside = tar.extractfile(entry) if entry.isreg() else None
                yield entry.name, inside, "" if entry.isreg() else "it is no regular file"


def _bad_name(name: str) -> str:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or (len(name) > 1 and name[1] == ":"):
        return "its name leads out of the archive"
    return "its name holds a zero byte" if "\0" in name else ""


def _copied(stream: IO[bytes], target: Path, most: int) -> int:
    size = 0
    with target.open("wb") as out:
        while piece := stream.read(PIECE):
            size += len(piece)
            if size > most:
                return size
            out.write(piece)
    return size
