"""Control groups for boxes that no engine limits: memory, processes, processor, by the kernel.

They can be made by root, or where the system has delegated a group to this user; elsewhere
`make` yields None and the supervisor watches by itself. Knows version 1 and version 2.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sandbox import owner

ROOT = Path("/sys/fs/cgroup")
NEEDED = ("memory", "pids", "cpu")
PREFIX = "quaestor-"
PERIOD_US = 100_000
"""The kernel's default period; the quota is a share of it."""
EMPTY_S = 2.0
"""How long the kernel may take to bury the last process of a group."""


@dataclass(frozen=True, slots=True)
class Group:
    """A made group: its folders here, each with the place where the box sees it."""

    folders: Mapping[Path, str]

    def add(self, pid: int) -> None:
        """Put a process under the limits; its later children are born under them."""
        for folder in self.folders:
            with suppress(ProcessLookupError):
                (folder / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def remove(self) -> None:
        """Remove it once it is empty."""
        until = time.monotonic() + EMPTY_S
        for folder in self.folders:
            while not _removed(folder) and time.monotonic() < until:
                time.sleep(0.01)


def make(*, memory: int, pids: int, cpus: float, root: Path = ROOT) -> Group | None:
    """A fresh group with these limits, or None where this process may not make one."""
    name = f"{PREFIX}{owner.process()}-{secrets.token_hex(4)}"
    quota = int(cpus * PERIOD_US)
    if (root / "cgroup.controllers").exists():
        limits = {
            "memory.max": str(memory),
            "memory.swap.max": "0",
            "pids.max": str(pids),
            "cpu.max": f"{quota} {PERIOD_US}",
        }
        made = (_limited(base / name, limits) for base in _bases(root))
        return next((Group({f: str(ROOT)}) for f in made if f is not None), None)
    return _make_first(root, name, memory, pids, quota)


def sweep(root: Path = ROOT) -> None:
    """Remove the empty groups of processes that are dead by now."""
    bases = [*_bases(root), *(_own(root / kind, kind) for kind in NEEDED)]
    for base in bases:
        for folder in base.glob(f"{PREFIX}*"):
            mark = folder.name.removeprefix(PREFIX).rpartition("-")[0]
            if not owner.alive(mark):
                _removed(folder)


def _make_first(root: Path, name: str, memory: int, pids: int, quota: int) -> Group | None:
    """Version 1: a folder per kind of limit."""
    limits = {
        "memory": {
            "memory.limit_in_bytes": str(memory),
            "memory.memsw.limit_in_bytes": str(memory),
        },
        "pids": {"pids.max": str(pids)},
        "cpu": {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(quota)},
    }
    made: dict[Path, str] = {}
    for kind, values in limits.items():
        folder = _limited(_own(root / kind, kind) / name, values)
        if folder is None:
            for other in made:
                _removed(other)
            return None
        made[folder] = str(ROOT / kind)
    return Group(made)


def _limited(folder: Path, limits: Mapping[str, str]) -> Path | None:
    """A new folder with these limits. Limits on swap are left out where the kernel has none."""
    try:
        folder.mkdir()
    except OSError:
        return None
    try:
        for file, value in limits.items():
            if "sw" not in file or (folder / file).exists():
                (folder / file).write_text(value, encoding="ascii")
    except OSError:
        _removed(folder)
        return None
    return folder


def _bases(root: Path) -> Iterator[Path]:
    """Version 2: the groups above this process that hand the needed limits to their children."""
    own = _own(root, "")
    for base in (own, *own.parents):
        with suppress(OSError):
            handed = (base / "cgroup.subtree_control").read_text(encoding="ascii").split()
            if set(NEEDED) <= set(handed):
                yield base
        if base == root:
            return


def _own(mount: Path, kind: str) -> Path:
    """Where this process is below a mount; its top when that cannot be seen from here."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
            _, kinds, path = line.split(":", 2)
            if kind in kinds.split(",") and (mount / path.lstrip("/")).is_dir():
                return mount / path.lstrip("/")
    return mount


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
