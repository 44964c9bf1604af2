"""Whether the process that owns a run or carries a batch still lives. Knows processes only."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def is_alive(owner: str) -> bool:
    """Whether the process that owns a run still lives; on another host that is assumed."""
    host, _, pid = owner.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return bool(owner)
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(int(pid))


def _is_zombie(pid: int) -> bool:
    """A killed process whose parent does not look: its id is taken, but it writes no more."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[:1] == ["Z"]
