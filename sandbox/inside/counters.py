"""What the box has used: the kernel's own counters where a cgroup limits it, samples elsewhere.

137 may be a timeout, a kill or the memory limit; only these counters tell them apart.
"""

from __future__ import annotations

import os
import resource
import time
from contextlib import suppress
from pathlib import Path

from sandbox.inside.confine import Confinement

SAMPLE_S = 0.05
_CGROUP = Path("/sys/fs/cgroup")
_KILLED = (_CGROUP / "memory/memory.oom_control", _CGROUP / "memory.events")
_REFUSED = (_CGROUP / "pids/pids.events", _CGROUP / "pids.events")


class Counters:
    """Tells, for one block, whether a limit of the box was hit. Make one when the block starts."""

    def __init__(self, confinement: Confinement) -> None:
        self._confinement = confinement
        self._killed = _counter(_KILLED, "oom_kill")
        self._refused = _counter(_REFUSED, "max")
        self._next = 0.0
        self._sampled_memory = False
        self._sampled_processes = False

    @property
    def sampling(self) -> bool:
        """True when nobody but `sample` enforces the memory limit."""
        return self._confinement.memory is not None

    def sample(self, *, at_once: bool = False) -> bool:
        """Look at every process, if it is time; False when the memory limit is passed."""
        limit, now = self._confinement.memory, time.monotonic()
        if limit is None or not (at_once or now >= self._next):
            return True
        self._next = now + SAMPLE_S
        processes = _others()
        allowed = self._confinement.processes
        # A bomb dies in less than a sample's time: most of the limit is taken for all of it.
        if allowed is not None and sum(map(_threads, processes)) >= allowed * 3 // 4:
            self._sampled_processes = True
        if sum(map(_resident_bytes, processes)) <= limit:
            return True
        # Shared pages were counted once per process; now count exactly.
        with self._confinement.as_user():
            self._sampled_memory = sum(map(_proportional_bytes, processes)) > limit
        return not self._sampled_memory

    def out_of_memory(self) -> bool:
        """The memory limit killed something since the block started."""
        return self._sampled_memory or _counter(_KILLED, "oom_kill") > self._killed

    def too_many_processes(self) -> bool:
        """A process could not be made since the block started."""
        return self._sampled_processes or _counter(_REFUSED, "max") > self._refused


def _counter(places: tuple[Path, ...], name: str) -> int:
    for place in places:
        with suppress(OSError, ValueError):
            for line in place.read_text(encoding="ascii").splitlines():
                key, _, value = line.partition(" ")
                if key == name:
                    return int(value)
    return 0


def _others() -> list[Path]:
    me = str(os.getpid())
    found = Path("/proc").iterdir()
    return [process for process in found if process.name.isdigit() and process.name != me]


def _threads(process: Path) -> int:
    with suppress(OSError):
        return sum(1 for _ in (process / "task").iterdir())
    return 0


def _resident_bytes(process: Path) -> int:
    """Shared pages too: a mapping that is shared with nobody is memory like any other."""
    with suppress(OSError, ValueError, IndexError):
        pages = (process / "statm").read_text(encoding="ascii").split()
        return int(pages[1]) * resource.getpagesize()
    return 0


def _proportional_bytes(process: Path) -> int:
    with suppress(OSError, ValueError, IndexError):
        for line in (process / "smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return _resident_bytes(process)
