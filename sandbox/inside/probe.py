"""Measures from inside which protections hold, by trying to break each in a confined child."""

from __future__ import annotations

import ctypes
import json
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sandbox.inside.confine import Confinement

CLONE_NEWUSER = 0x10000000
_ROOT_MARK = "/quaestor-was-here"


def protections(confinement: Confinement) -> dict[str, bool]:
    """Name of each protection -> whether it was seen to hold.

    Without a box around us nothing is tried: an attempt that succeeds would change the machine.
    """
    if not confinement.alone:
        return dict.fromkeys((*_ATTEMPTS, *_LIMITS), False)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            confinement.enter()
            os.write(writer, json.dumps(_measured()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read()
    with suppress(ChildProcessError):
        os.waitpid(child, 0)
    found: dict[str, bool] = json.loads(text or b"{}")
    return {
        **found,
        "leftovers_killed": True,
        "memory_limited": confinement.memory is not None or _cgroup_limit("memory"),
        "processes_limited": confinement.processes is not None or _cgroup_limit("pids"),
        "processor_limited": _processor_limit(),
    }


def _measured() -> dict[str, bool]:
    return {name: attempt() for name, attempt in _ATTEMPTS.items()}


def _refused(attempt: Callable[[], None]) -> bool:
    try:
        attempt()
    except OSError:
        return True
    return False


def _touch(place: str) -> None:
    os.close(os.open(place, os.O_CREAT | os.O_WRONLY))


def _only_loopback() -> bool:
    with suppress(OSError):
        return {card.name for card in Path("/sys/class/net").iterdir()} <= {"lo"}
    routes = Path("/proc/net/route")
    return routes.exists() and len(routes.read_text(encoding="ascii").splitlines()) <= 1


def _capabilities() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return -1


def _unshare_refused() -> bool:
    if platform.system() != "Linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.unshare(CLONE_NEWUSER) != 0)


def _command_of(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace")
    return ""


def _processor_limit() -> bool:
    for name in ("cpu.max", "cpu/cpu.cfs_quota_us"):
        with suppress(OSError, ValueError, IndexError):
            quota = Path("/sys/fs/cgroup", name).read_text(encoding="ascii").split()[0]
            return quota != "max" and int(quota) > 0
    return False


def _cgroup_limit(kind: str) -> bool:
    for name in (f"{kind}.max", f"{kind}/{kind}.limit_in_bytes", f"{kind}/{kind}.max"):
        with suppress(OSError, ValueError):
            limit = int(Path("/sys/fs/cgroup", name).read_text(encoding="ascii"))
            return limit < 1 << 60
    return False


_ATTEMPTS: dict[str, Callable[[], bool]] = {
    "no_network": _only_loopback,
    "root_read_only": lambda: _refused(lambda: _touch(_ROOT_MARK)),
    "not_root": lambda: os.getuid() != 0 and _refused(lambda: os.setuid(0)),
    "no_capabilities": lambda: _capabilities() == 0,
    "system_calls_filtered": _unshare_refused,
    "supervisor_closed": lambda: _refused(lambda: os.close(os.open("/proc/1/fd/1", os.O_WRONLY))),
    "processes_hidden": lambda: "kthreadd" not in _command_of(2),
}
_LIMITS = ("leftovers_killed", "memory_limited", "processes_limited", "processor_limited")
