"""Who started a box: enough to find, later, the boxes of processes that are dead by now."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path


def place() -> str:
    """This machine, boot and process namespace; elsewhere our process ids mean nothing."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    return platform.node()


def process() -> str:
    """This process, safe against reuse of its id."""
    return _mark(os.getpid())


def alive(mark: str) -> bool:
    """Whether the process that `process` named still runs."""
    pid = mark.partition("@")[0]
    return pid.isdigit() and _mark(int(pid)) == mark


def _mark(pid: int) -> str:
    with suppress(OSError, IndexError):
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        # The name in parentheses may hold anything; the start time is the 20th field after it.
        return f"{pid}@{status.rpartition(')')[2].split()[19]}"
    if Path("/proc/self/stat").exists():
        return f"{pid}@gone"
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return f"{pid}@"
    return f"{pid}@gone"
