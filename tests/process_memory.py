"""How much a process and all below it hold at most."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Memory:
    """The most that a process and all below it have held, in bytes; shared pages count once."""

    root: int
    every_s: float
    peak: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        while not self.ended.wait(self.every_s):
            self.peak = max(self.peak, sum(map(held_by, descendants(self.root))))


@contextmanager
def measured(process: subprocess.Popen[str], every_s: float = 5.0) -> Iterator[Memory]:
    """Look every so often; looking costs processor time."""
    memory = Memory(process.pid, every_s)
    thread = threading.Thread(target=memory.watch)
    thread.start()
    try:
        yield memory
    finally:
        memory.ended.set()
        thread.join()


def descendants(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            parents[int(entry.name)] = int(fields[1])
    found = [root]
    for known in found:
        found += [child for child, parent in parents.items() if parent == known]
    return found


def held_by(process: int) -> int:
    with suppress(OSError):
        lines = Path(f"/proc/{process}/smaps_rollup").read_text("utf-8").splitlines()
        return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return 0
