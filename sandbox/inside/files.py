"""The workspace as the supervisor sees it: every name and every file in it is hostile.

Paths are walked one component at a time relative to an open directory, never following a link, and
only regular files are opened. All of it happens as the user that the blocks run as.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

from sandbox.inside.frames import CHUNK

MAX_FILES = 20_000
MAX_DEPTH = 64
MAX_HASHED = 1 << 30
"""Bytes hashed anew per listing: a block can leave thousands of sparse files of 1 GiB each."""
SETTLED_NS = 50_000_000
"""A file changed less than this before it was hashed may change again within the clock's tick."""

Stamp = tuple[int, int, int]
AsUser = Callable[[], AbstractContextManager[None]]


class Refused(Exception):
    """The path or file is not one that may be touched; the text says why."""


@dataclass(frozen=True)
class Entry:
    """A regular file: its hash ("" when the budget for hashing was spent), size and mode."""

    sha256: str
    size: int
    mode: int


class Workspace:
    """Lists, reads and writes files below one directory."""

    def __init__(self, root: str, as_user: AsUser) -> None:
        self._root = root
        self._as_user = as_user
        self._hashes: dict[Stamp, str] = {}
        self._known: dict[str, Entry] = {}
        self._budget = 0
        self.left_out = 0

    def files(self) -> dict[str, Entry]:
        """Every regular file by relative path. What is left out (odd names, too many) is counted"""
        self._budget, self.left_out = MAX_HASHED, 0
        found: dict[str, Entry] = {}
        fresh: dict[Stamp, str] = {}
        with self._as_user(), self._directory([], create=False) as root:
            self._collect(root, "", found, fresh)
        self._hashes = fresh
        self._known = found
        return found

    def changes(self) -> tuple[dict[str, Entry], list[str]]:
        """What is new or different since the last listing or write, and what is gone."""
        before = self._known
        now = self.files()
        changed = {path: entry for path, entry in now.items() if before.get(path) != entry}
        return changed, sorted(before.keys() - now.keys())

    @contextmanager
    def reading(self, path: str) -> Iterator[tuple[int, int]]:
        """Open a regular file: descriptor and size."""
        *parents, name = _split(path)
        with self._as_user(), self._directory(parents, create=False) as folder:
            fd = _open_regular(name, folder)
            try:
                yield fd, os.fstat(fd).st_size
            finally:
                os.close(fd)

    @contextmanager
    def writing(self, path: str, mode: int) -> Iterator[Callable[[bytes], None]]:
        """Replace a file; what stood under its name, if not a folder, is unlinked first."""
        *parents, name = _split(path)
        with self._as_user(), self._directory(parents, create=True) as folder:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            fd = os.open(name, flags, 0o600, dir_fd=folder)
            digest, size = hashlib.sha256(), 0

            def add(piece: bytes) -> None:
                nonlocal size
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(fd, rest) :]
                digest.update(piece)
                size += len(piece)

            try:
                yield add
                os.fchmod(fd, mode & 0o777)
                self._known["/".join((*parents, name))] = Entry(
                    digest.hexdigest(), size, mode & 0o777
                )
            finally:
                os.close(fd)

    @contextmanager
    def _directory(self, parts: list[str], *, create: bool) -> Iterator[int]:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        fd = os.open(self._root, flags)
        try:
            for part in parts:
                if create:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=fd)
                inner = os.open(part, flags, dir_fd=fd)
                os.close(fd)
                fd = inner
            yield fd
        except NotADirectoryError as error:
            raise Refused("a folder on the way is a link or a file") from error
        finally:
            os.close(fd)

    def _collect(
        self, folder: int, prefix: str, found: dict[str, Entry], fresh: dict[Stamp, str]
    ) -> None:
        device = os.fstat(folder).st_dev
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            try:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if status.st_dev != device:
                    continue  # a mount of ours (the read-only inputs)
                if stat.S_ISDIR(status.st_mode):
                    self._descend(folder, prefix, name, found, fresh)
                elif stat.S_ISREG(status.st_mode):
                    self._list_one(folder, prefix, name, found, fresh)
            except OSError:
                self.left_out += 1  # unreadable on purpose; nothing to be done about it

    def _descend(
        self, folder: int, prefix: str, name: str, found: dict[str, Entry], fresh: dict[Stamp, str]
    ) -> None:
        if _odd(name) or prefix.count("/") >= MAX_DEPTH:
            self.left_out += 1
            return
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
        try:
            self._collect(inner, f"{prefix}{name}/", found, fresh)
        finally:
            os.close(inner)

    def _list_one(
        self, folder: int, prefix: str, name: str, found: dict[str, Entry], fresh: dict[Stamp, str]
    ) -> None:
        if _odd(name) or len(found) >= MAX_FILES:
            self.left_out += 1
            return
        fd = _open_regular(name, folder)
        try:
            status = os.fstat(fd)
            digest = self._hash(fd, status, fresh)
        finally:
            os.close(fd)
        found[prefix + name] = Entry(digest, status.st_size, stat.S_IMODE(status.st_mode) & 0o777)

    def _hash(self, fd: int, status: os.stat_result, fresh: dict[Stamp, str]) -> str:
        stamp = (status.st_ino, status.st_size, status.st_ctime_ns)
        digest = self._hashes.get(stamp)
        if digest is None:
            self._budget -= status.st_size
            if self._budget < 0:
                self.left_out += 1
                return ""
            content = hashlib.sha256()
            while piece := os.read(fd, CHUNK):
                content.update(piece)
            digest = content.hexdigest()
        if time.time_ns() - status.st_ctime_ns > SETTLED_NS:
            fresh[stamp] = digest
        return digest


def _open_regular(name: str, folder: int) -> int:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        raise Refused("there is no such file") from None
    if not stat.S_ISREG(status.st_mode):
        raise Refused("it is not a regular file")
    fd = os.open(name, flags, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Refused("it is not a regular file")
    return fd


def _split(path: str) -> list[str]:
    parts = path.split("/")
    if len(parts) > MAX_DEPTH or any(part in ("", ".", "..") or _odd(part) for part in parts):
        raise Refused("the path must lie inside the workspace")
    return parts


def _odd(name: str) -> bool:
    """Control characters and bytes that are not UTF-8 have no place in a journal or a prompt."""
    return any(
        char < " " or "\x7f" <= char < "\xa0" or "\ud800" <= char <= "\udfff" for char in name
    )
