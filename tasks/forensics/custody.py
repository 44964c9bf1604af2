"""Takes evidence into custody: a read-only copy of every regular file, with its hash and its state.

Bytes are copied and hashed, nothing is parsed. Links, pipes and devices are never opened; what is
left out is listed with the reason. A source that changes while it is copied fails the case.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.blobs import storage_refused
from orchestrator.errors import UsageError
from orchestrator.models.llm import Frozen
from orchestrator.settings import ForensicsSettings
from tasks.forensics.manifest import Case

PIECE = 1 << 20
OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
NAME_CHARS = 1_000


class Exhibit(Frozen):
    """A file in custody. `path` is how the source is named, with odd characters escaped; `zone` is
    what the case says of its clock."""

    id: str
    path: str
    size: int
    sha256: str
    modified_ns: int
    reference: bool = False
    zone: str = ""
    zone_by: str = ""
    hint: str = ""


class LeftOut(Frozen):
    """Something in the evidence that is no exhibit, and why."""

    path: str
    why: str
    size: int = 0


class Custody(Frozen):
    """What was taken in and what was not."""

    exhibits: tuple[Exhibit, ...]
    left_out: tuple[LeftOut, ...] = ()
    not_listed: int = 0


@dataclass(slots=True)
class _Taking:
    """The copies so far."""

    case: Case
    folder: Path
    bounds: ForensicsSettings
    exhibits: list[Exhibit] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    not_listed: int = 0
    taken: int = 0


def take(case: Case, root: Path, folder: Path, bounds: ForensicsSettings | None = None) -> Custody:
    """Copy the evidence of a case into `folder`, as E001 and so on in the order of the paths.
    Raises UsageError when nothing is there, a hash is not the expected one, or a source changes,
    JournalUnavailable when the disk does not take the copies; then none is left."""
    taking = _Taking(case, folder, bounds or ForensicsSettings())
    try:
        folder.mkdir(parents=True, mode=0o755)
        _take_all(root, taking)
        folder.chmod(0o755)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise storage_refused(folder, error) from error
    if not taking.exhibits:
        said = "; ".join(f"{item.path}: {item.why}" for item in taking.left_out[:3])
        raise UsageError(f"case {case.case_id} has no evidence that can be read. {said}".strip())
    _check_expected(case, taking.exhibits)
    return Custody(
        exhibits=tuple(taking.exhibits),
        left_out=tuple(taking.left_out),
        not_listed=taking.not_listed,
    )


def _take_all(root: Path, taking: _Taking) -> None:
    case = taking.case
    named = [(path, False) for path in case.evidence] + [(path, True) for path in case.references]
    for path, reference in named:
        for name in _walk(root, path, taking, 0):
            _take_one(root, name, taking, reference)


def changed_since(custody: Custody, root: Path) -> tuple[str, ...]:
    """Exhibits whose source is not what it was when it was copied; the copy was examined."""
    changed = []
    for exhibit in custody.exhibits:
        try:
            now = os.lstat(root / _unescaped(exhibit.path))
        except OSError:
            changed.append(f"{exhibit.id}: the source {exhibit.path} is gone")
            continue
        if (now.st_size, now.st_mtime_ns) != (exhibit.size, exhibit.modified_ns):
            changed.append(f"{exhibit.id}: the source {exhibit.path} has changed since")
    return tuple(changed)


def shown(name: str) -> str:
    """A hostile name as text that can be printed: control, bidi and broken characters escaped."""
    text = "".join(
        char if char.isprintable() and char != "\\" else char.encode("unicode_escape").decode()
        for char in name
    )
    return text[:NAME_CHARS]


def _unescaped(name: str) -> str:
    return name.encode("latin-1", "backslashreplace").decode("unicode_escape")


def _walk(root: Path, name: str, taking: _Taking, depth: int) -> Iterator[str]:
    """Paths of regular files in order, links never followed."""
    try:
        found = os.lstat(root / name)
    except (OSError, ValueError) as error:
        _leave(taking, name, f"it cannot be read ({getattr(error, 'strerror', None) or error})")
        return
    if stat.S_ISREG(found.st_mode):
        yield name
    elif stat.S_ISDIR(found.st_mode) and depth < taking.bounds.depth:
        for inner in _names(root / name, taking, name):
            yield from _walk(root, f"{name.rstrip('/')}/{inner}", taking, depth + 1)
    else:
        _leave(taking, name, _kind(found.st_mode))


def _names(folder: Path, taking: _Taking, name: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names only, a Path each is slow
    except OSError as error:
        _leave(taking, name, f"the folder cannot be read ({error.strerror})")
        return []


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "folders are too deep here"
    kinds = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return f"it is {kinds.get(stat.S_IFMT(mode), 'a device')}, not a file"


def _leave(taking: _Taking, name: str, why: str, size: int = 0) -> None:
    if len(taking.left_out) < taking.bounds.listed:
        taking.left_out.append(LeftOut(path=shown(name), why=why, size=size))
    else:
        taking.not_listed += 1


def _take_one(root: Path, name: str, taking: _Taking, reference: bool) -> None:
    try:
        size = os.lstat(root / name).st_size
    except OSError as error:
        _leave(taking, name, f"it cannot be read ({error.strerror})")
        return
    bounds = taking.bounds
    if len(taking.exhibits) >= bounds.files:
        _leave(taking, name, f"more than {bounds.files} files", size)
    elif size > bounds.file_bytes:
        _leave(taking, name, f"{size} bytes, more than {bounds.file_bytes} in one file", size)
    elif taking.taken + size > bounds.case_bytes:
        _leave(taking, name, f"more than {bounds.case_bytes} bytes in all", size)
    else:
        _copy(root, name, taking, reference)


def _copy(root: Path, name: str, taking: _Taking, reference: bool) -> None:
    exhibit_id = f"E{len(taking.exhibits) + 1:03}"
    try:
        fd = os.open(root / name, OPEN)
    except OSError as error:
        _leave(taking, name, f"it cannot be opened ({error.strerror})")
        return
    with os.fdopen(fd, "rb", buffering=0) as source:
        before = os.fstat(source.fileno())
        if not stat.S_ISREG(before.st_mode):
            _leave(taking, name, _kind(before.st_mode))
            return
        sha256 = _copied(source.fileno(), taking.folder / exhibit_id, before.st_size)
        after = os.fstat(source.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise UsageError(
            f"{shown(name)} changed while it was copied", fix="copy it when it is still"
        )
    zone, zone_by = _zone(taking.case, name)
    taking.taken += before.st_size
    taking.exhibits.append(
        Exhibit(
            id=exhibit_id,
            path=shown(name),
            size=before.st_size,
            sha256=sha256,
            modified_ns=before.st_mtime_ns,
            reference=reference,
            zone=zone,
            zone_by=zone_by,
            hint=_matching(taking.case.schema_hints, name) or "",
        )
    )


def _copied(source: int, target: Path, size: int) -> str:
    """Copy what is in the file, holes as holes; the sha256 of all its bytes."""
    digest = hashlib.sha256()
    out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        written = 0
        while written < size and (piece := os.read(source, min(PIECE, size - written))):
            digest.update(piece)
            if piece.count(0) == len(piece):
                os.lseek(out, len(piece), os.SEEK_CUR)
            else:
                _write_all(out, piece)
            written += len(piece)
        os.ftruncate(out, written)
        os.fchmod(out, 0o444)
    finally:
        os.close(out)
    return digest.hexdigest()


def _write_all(out: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(out, rest) :]


def _zone(case: Case, name: str) -> tuple[str, str]:
    if isinstance(case.time_zone, str):
        return case.time_zone, "the case says so of all its files"
    found = _matching(case.time_zone or {}, name)
    return (found, "the case says so of this file") if found else ("", "")


def _matching(patterns: dict[str, str], name: str) -> str | None:
    """The value of the first pattern that fits the path or the file's name."""
    last = name.rpartition("/")[2]
    for pattern, value in patterns.items():
        if fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(last, pattern):
            return value
    return None


def _check_expected(case: Case, exhibits: list[Exhibit]) -> None:
    found = {exhibit.path: exhibit.sha256 for exhibit in exhibits}
    wrong = [
        f"{path} {'is missing' if path not in found else 'hashes to ' + found[path]}"
        for path, expected in case.expected_hashes.items()
        if found.get(shown(path)) != expected
    ]
    if wrong:
        raise UsageError(f"case {case.case_id} is not what was expected: {'; '.join(wrong)}")
