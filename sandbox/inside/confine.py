"""How a process in the box gives up its rights, and the settings that the host sends for it."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sandbox.inside import seccomp

FILE_BYTES = 1 << 30
OPEN_FILES = 1024
PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36
CAPABILITY_VERSION = 0x20080522
RELAY_PORT = 3128
SITE, BIN = "site", "bin"
PROGRAMS = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Confinement:
    """Where blocks run and with what rights.

    `uid` is None where there is no other user to change to. `alone` says that the supervisor is
    PID 1, so that every other process is a block's. `processes`, `memory` and `address_space` are
    enforced from inside where no cgroup does it. `filtered` asks for the system call filter.
    """

    workspace: str
    scratch: str
    code: str
    uid: int | None
    alone: bool
    filtered: bool = True
    threads: int = 1
    processes: int | None = None
    memory: int | None = None
    address_space: int | None = None
    relay: str | None = None
    login: str = ""

    def environment(self) -> dict[str, str]:
        """All that a block sees of an environment."""
        login = f"{self.login}@" if self.login else ""
        proxy = f"http://{login}127.0.0.1:{RELAY_PORT}"
        names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
        return {
            "PATH": f"{PROGRAMS}:{self.code}/{BIN}",
            "HOME": self.workspace,
            "USER": "sandbox",
            "LANG": "C.UTF-8",
            "TMPDIR": self.scratch,
            "XDG_CACHE_HOME": f"{self.scratch}/.cache",
            "XDG_CONFIG_HOME": f"{self.scratch}/.config",
            "MPLBACKEND": "Agg",
            "PYTHONPATH": f"{self.code}/{SITE}",
            "PYTHONNOUSERSITE": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": str(self.threads),
            "OPENBLAS_NUM_THREADS": str(self.threads),
            **(dict.fromkeys(names, proxy) if self.relay else {}),
        }

    @contextmanager
    def as_user(self) -> Iterator[None]:
        """Act as the blocks' user for a while; only between blocks, when nobody else runs."""
        if self.uid is None:
            yield
            return
        os.setegid(self.uid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)

    def enter(self, *, sockets: bool = True) -> None:
        """In a forked child: become the blocks' user, for good. A reader gets no sockets."""
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
        self._limit()
        if self.uid is not None:
            become(self.uid)
        program = seccomp.program(sockets=sockets, hoards=False) if self.filtered else None
        if program is not None:
            seccomp.install(program)
        for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGINT, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.umask(0o022)
        os.chdir(self.workspace)

    def _limit(self) -> None:
        limits = {
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_NOFILE: OPEN_FILES,
            resource.RLIMIT_FSIZE: FILE_BYTES,
        }
        if self.processes is not None:
            limits[resource.RLIMIT_NPROC] = self.processes
        if self.address_space is not None:
            limits[resource.RLIMIT_AS] = self.address_space
        for kind, amount in limits.items():
            _, most = resource.getrlimit(kind)
            amount = amount if most == resource.RLIM_INFINITY else min(amount, most)
            resource.setrlimit(kind, (amount, amount))


def become(uid: int) -> None:
    """Change the user for good, and give up every capability."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    _drop_capabilities()


def _drop_capabilities() -> None:
    """The change of user leaves the inheritable ones, with which bubblewrap starts us."""
    header = ctypes.create_string_buffer(struct.pack("Ii", CAPABILITY_VERSION, 0))
    if ctypes.CDLL(None, use_errno=True).capset(header, ctypes.create_string_buffer(24)):
        raise OSError(ctypes.get_errno(), "the capabilities could not be dropped")


def protect_supervisor() -> None:
    """Close our own memory and descriptors to a block of the same user, and adopt its orphans."""
    with suppress(AttributeError, OSError):  # not Linux: there is no prctl
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
