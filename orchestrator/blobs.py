"""Bytes stored once under their sha256, beside the journal.

A blob is on the disk, flushed, before any event may name it. Knows nothing of runs.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from orchestrator.canonical import sha256_bytes
from orchestrator.errors import JournalDamaged, JournalUnavailable


class Blobs:
    """A folder of content-addressed files: `ab/abcdef...`, mode 0600 under folders 0700."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> str:
        """Store bytes and return their sha256. Raises JournalUnavailable when the disk refuses."""
        name = sha256_bytes(content)
        path = self._path(name)
        if path.exists():
            return name
        try:
            self._write(path, content)
        except OSError as error:
            raise storage_refused(path, error) from error
        return name

    def get(self, name: str) -> bytes:
        """The bytes under a sha256. Raises JournalDamaged when missing or altered."""
        try:
            content = self._path(name).read_bytes()
        except FileNotFoundError as error:
            raise JournalDamaged(
                f"the stored bytes {name[:12]} are missing",
                fix="restore the blobs folder from a backup, or accept that the run was purged",
            ) from error
        if sha256_bytes(content) != name:
            raise JournalDamaged(f"the stored bytes {name[:12]} were altered on disk")
        return content

    def has(self, name: str) -> bool:
        """Whether bytes are stored under this sha256."""
        return self._path(name).exists()

    def names(self) -> Iterator[str]:
        """Every stored sha256."""
        for path in self._folder.glob("??/*"):
            if len(path.name) == 64:
                yield path.name

    def delete(self, name: str) -> int:
        """Remove a blob; returns the bytes freed."""
        path = self._path(name)
        size = path.stat().st_size
        path.unlink()
        return size

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name

    def _write(self, path: Path, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        draft = path.with_name(f".{path.name[:8]}-{secrets.token_hex(4)}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def storage_refused(path: Path, error: OSError) -> JournalUnavailable:
    """The one wording for a disk that does not take our bytes."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return JournalUnavailable(
            f"the disk is full: cannot write {path}. Everything acknowledged so far is safe.",
            fix="free some space (`quaestor gc` removes what no run needs), then resume the run",
        )
    return JournalUnavailable(
        f"cannot write {path}: {error.strerror or error}",
        fix="check the folder's owner and mode, or point QUAESTOR_HOME at a writable folder",
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
