"""Finds and ends what a unit's process has left: its descendants, and folders of dead guards.

Linux tells descendants by /proc; a guard adopts orphans (`PR_SET_CHILD_SUBREAPER`, see prctl(2)),
so that whatever a unit has started, in a session of its own or not, is below its guard. Elsewhere
only the process group is ended.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sandbox import owner

PREFIX = "quaestor-unit-"
MARK = "owner"
VARIABLE = "QUAESTOR_UNIT"
PATIENCE_S = 10.0
_ADOPT, _DIE_WITH_PARENT = 36, 1


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _prctl(_ADOPT, 1)


def die_with(parent: int) -> None:
    """Be killed when the parent process dies; at once if it is dead already."""
    _prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def make_folder() -> Path:
    """A private folder of this process, which a later sweep recognises when we are gone."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    (folder / MARK).write_text(f"{owner.place()}\n{owner.process()}", encoding="utf-8")
    return folder


def remove_folder(folder: Path) -> None:
    """Remove a folder, also where somebody took away the right to."""

    def unlock(_function: object, path: str, _error: object) -> None:
        with suppress(OSError):
            Path(path).parent.chmod(0o700)
            Path(path).chmod(0o700)
        with suppress(OSError):
            Path(path).unlink() if not Path(path).is_dir() else shutil.rmtree(path)

    shutil.rmtree(folder, onerror=unlock)


def end_descendants() -> int:
    """Kill and reap everything below this process; how many there were. Only for a process that
    adopts orphans and has no other children."""
    killed: set[int] = set()
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        below = list(_below(os.getpid()))
        for pid in below:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed.update(below)
        if not _reap() and not below:
            break
        time.sleep(0.002)
    return len(killed)


def sweep() -> list[Path]:
    """End processes and remove folders of units whose guard is dead, as after a power cut or a
    kill of everything; the folders that were there."""
    found = [folder for folder in _folders() if not _is_guarded(folder)]
    for folder in found:
        _end_marked(folder)
        remove_folder(folder)
    return found


def _reap() -> bool:
    """Reap every child that is dead; whether any child is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _below(root: int) -> Iterator[int]:
    """All descendants of a process."""
    for pid in _children(root):
        yield pid
        yield from _below(pid)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(word) for word in task.read_text(encoding="ascii").split()]
    return found


def _folders() -> list[Path]:
    places = Path(tempfile.gettempdir()).glob(f"{PREFIX}*")
    return [folder for folder in places if folder.is_dir() and folder.stat().st_uid == os.getuid()]


def _is_guarded(folder: Path) -> bool:
    """Whether its guard lives; one of another machine or namespace is left alone."""
    try:
        place, _, process = (folder / MARK).read_text(encoding="utf-8").partition("\n")
    except OSError:
        return time.time() - folder.stat().st_mtime < PATIENCE_S  # being made, or half removed
    return place != owner.place() or owner.alive(process)


def _end_marked(folder: Path) -> None:
    marked = f"{VARIABLE}={folder}".encode()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if marked in entry.read_bytes().split(b"\0"):
                os.kill(int(entry.parent.name), signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
