"""The browser's box: bubblewrap around Chromium, without a network, with one socket leading out.

Chromium's driver is given a small program that makes the box and starts Chromium in it; the
debugging pipe passes through. Knows namespaces and folders; refuses to know Playwright and pages.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import secrets
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import NotReady
from sandbox import cgroups, owner, payload
from sandbox.bubblewrap import FIRST_UID, UIDS
from sandbox.inside.chromium import Start
from sandbox.inside.confine import RELAY_PORT
from sandbox.short_folder import PLACES, short_folder

USER = 10001
PREFIX = "quaestor-browser-"
OUTLET = "/run/outlet.sock"
HOME = "/tmp/home"  # noqa: S108 - a file system of the box
PROFILE = "/tmp/profile"  # noqa: S108
SCRATCH_BYTES, SHARED_BYTES = 2 << 30, 1 << 30
MEMORY_BYTES = 4 << 30
PROCESSES = 4_000
"""Threads count too: a busy Chromium has some hundreds of them."""
TRIAL_S = 30.0
# What Chromium and our Python need of a system; what is not there is left out.
SYSTEM = (
    *("/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/share"),
    *("/usr/local/share/fonts", "/var/cache/fontconfig", "/nix/store"),
    *("/etc/fonts", "/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/chromium", "/etc/chromium.d"),
    *("/etc/opt/chrome", "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf"),
    *("/etc/ld.so.conf.d", "/etc/localtime"),
)
LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
TRY_NAMESPACES = """\
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print("nested" if libc.unshare(0x70000000) == 0 else "flat")
"""
"""Chromium's own sandbox needs a user, a process and a network namespace of its own."""


@dataclass(frozen=True, slots=True)
class BrowserBox:
    """A box that was seen to work.

    `nested`: Chromium's own sandbox works inside of it too; where it does not, our system call
    filter takes its place. `uid` is the real user of the box, None where it is only another name
    for the caller. `group` bounds what all its processes take together; None where this user may
    not set such limits.
    """

    folder: Path
    uid: int | None
    nested: bool
    group: cgroups.Group | None = None

    @classmethod
    async def prepare(cls, folder: Path, memory_bytes: int = MEMORY_BYTES) -> BrowserBox:
        """A box over a private folder. Raises NotReady where none can be made."""
        nested = await asyncio.to_thread(check)
        box = await asyncio.to_thread(_filled, folder, nested=nested)
        group = await asyncio.to_thread(_group, memory_bytes)
        return replace(box, group=group)

    def close(self) -> None:
        """Take the limits away, once nothing runs in the box any more. Blocks."""
        if self.group is not None:
            self.group.remove()

    @property
    def downloads(self) -> Path:
        """Where the browser leaves files; the same path inside and outside."""
        return self.folder / "downloads"

    @property
    def socket(self) -> Path:
        """Where the proxy has to listen."""
        return outlet(self.folder)

    def program(self, chromium: Path, port: int) -> Path:
        """An executable that takes Chromium's arguments and runs it in the box. The proxy is
        found at 127.0.0.1:`port` inside."""
        wrapper = self.folder / "chromium"
        places = self.group.folders if self.group is not None else ()
        entering = [f"echo $$ > {shlex.quote(str(place / 'cgroup.procs'))}" for place in places]
        line = shlex.join(self.command([str(chromium)], chromium, port))
        script = ["#!/bin/sh", "set -e", *entering, f'exec {line} "$@"', ""]
        wrapper.write_text("\n".join(script), encoding="utf-8")
        wrapper.chmod(0o700)
        return wrapper

    def command(self, inside: Sequence[str], chromium: Path | None, port: int) -> list[str]:
        """What to execute so that `inside` runs in the box in which `chromium` would run."""
        start = Start(
            port=port, outlet=OUTLET, profile=PROFILE, uid=self.uid, filtered=not self.nested
        )
        return [
            *_namespaces(root=self.uid is not None),
            *_system(chromium),
            *self._ours(),
            *("--chdir", "/", "--"),
            *payload.chromium(start, _python()),
            *inside,
        ]

    def _ours(self) -> list[str]:
        """The socket that leads out, the folder for downloads, and who the box's user is."""
        command = [*_reachable(self.downloads), "--bind", *[str(self.downloads)] * 2]
        if self.socket.exists():
            command += ["--perms", "0755", "--dir", "/run", "--ro-bind", str(self.socket), OUTLET]
        for name in ("passwd", "group", "hosts", "nsswitch.conf"):
            command += ["--ro-bind", str(self.folder / "etc" / name), f"/etc/{name}"]
        return command


@functools.cache
def check() -> bool:
    """Try once whether a box can be made here; whether Chromium's own sandbox works inside comes
    back. Blocks. Raises NotReady with the reason and the fix."""
    if shutil.which("bwrap") is None:
        raise NotReady("the program bwrap was not found", fix="sudo apt-get install bubblewrap")
    trial = [_python(), "-I", "-S", "-c", TRY_NAMESPACES]
    with private_folder() as folder:
        box = _filled(folder, nested=True)
        try:
            done = subprocess.run(
                box.command(trial, None, RELAY_PORT),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env={},
                timeout=TRIAL_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise NotReady("bwrap did not make a box in time", fix="try again") from error
    if done.returncode:
        complaint = " ".join(done.stderr.decode(errors="replace").split())[-300:]
        raise NotReady(
            f"bwrap cannot make a box here: {complaint}",
            fix="allow user namespaces (on Ubuntu `sudo sysctl "
            "kernel.apparmor_restrict_unprivileged_userns=0`; in a container a seccomp profile "
            "that permits them)",
        )
    return done.stdout.strip() == b"nested"


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that is removed at the end, or, after a kill, by whoever comes next."""
    for root in {tempfile.gettempdir(), *PLACES}:
        for left in Path(root).glob(f"{PREFIX}*"):
            if _is_abandoned(left):
                shutil.rmtree(left, ignore_errors=True)
    with short_folder(PREFIX) as folder:
        (folder / "owner").write_text(f"{owner.place()}\n{owner.process()}\n", encoding="utf-8")
        yield folder.resolve()


def outlet(folder: Path) -> Path:
    """Where the proxy of a box over this folder has to listen."""
    return folder / "outlet.sock"


def taken(file: Path, most: int) -> bytes:
    """A file that the box left in its folder: only a plain one, never what a link leads to.
    Raises OSError."""
    # Non-blocking, or a pipe under this name would be waited for.
    opened = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(opened, "rb") as stream:
        about = os.fstat(opened)
        if not stat.S_ISREG(about.st_mode):
            raise OSError("it is not a plain file")
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(f"it is larger than {most} bytes")
    return content


def _namespaces(*, root: bool) -> list[str]:
    return [
        *(shutil.which("bwrap") or "bwrap", "--unshare-ipc", "--unshare-pid", "--unshare-net"),
        *("--unshare-uts", "--unshare-cgroup-try", "--hostname", "browser", "--die-with-parent"),
        *("--new-session", "--clearenv", "--cap-drop", "ALL"),
        *(_ROOT if root else _ORDINARY),
    ]


_ROOT = ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
_ORDINARY = ("--unshare-user", "--uid", str(USER), "--gid", str(USER))


def _system(chromium: Path | None) -> list[str]:
    """Read-only folders of the system, the browser, Python, and empty file systems in memory."""
    command = ["--proc", "/proc", "--dev", "/dev", *_tmpfs("/dev/shm", SHARED_BYTES)]  # noqa: S108
    command += ["--remount-ro", "/dev", *_tmpfs("/tmp", SCRATCH_BYTES)]  # noqa: S108
    for place in map(Path, LINKS):
        if place.is_symlink():
            command += ["--symlink", str(place.readlink()), str(place)]
        elif place.is_dir():
            command += ["--ro-bind", *[str(place)] * 2]
    folders = [place for name in SYSTEM if (place := Path(name)).exists()]
    folders += [place for place in _extra(chromium) if not _is_within(place, folders)]
    for place in folders:
        command += [*_reachable(place), "--ro-bind", *[str(place)] * 2]
    settings = {"PATH": "/usr/bin:/bin", "HOME": HOME, "LANG": "C.UTF-8", "TMPDIR": "/tmp"}  # noqa: S108
    for name, value in settings.items():
        command += ["--setenv", name, value]
    return command


def _extra(chromium: Path | None) -> list[Path]:
    """Where this Python and the browser are, if they do not belong to the system."""
    found = [Path(sys.base_prefix).resolve()] if sys.base_prefix != "/usr" else []
    if chromium is not None:
        found += [chromium.absolute().parent, chromium.resolve().parent]
    return list(dict.fromkeys(found))


def _python() -> str:
    """The interpreter itself, not a link of an environment that is not in the box."""
    return str(Path(sys.executable).resolve())


def _is_within(place: Path, folders: Sequence[Path]) -> bool:
    return any(place.is_relative_to(folder) for folder in folders)


def _reachable(place: Path) -> list[str]:
    """Folders on the way that the box's user may pass; made on demand they would be root's own."""
    command = []
    for parent in reversed(place.parents[:-1]):
        command += ["--perms", "0755", "--dir", str(parent)]
    return command


def _tmpfs(place: str, size: int) -> list[str]:
    return ["--size", str(size), "--perms", "1777", "--tmpfs", place]


def _filled(folder: Path, *, nested: bool) -> BrowserBox:
    """A box with what it shows of us: a folder to write to, and files that name only its user."""
    uid = FIRST_UID + secrets.randbelow(UIDS) if os.geteuid() == 0 else None
    downloads, etc = folder / "downloads", folder / "etc"
    downloads.mkdir(mode=0o700)
    if uid is not None:
        os.chown(downloads, uid, uid)
    etc.mkdir(mode=0o755)
    number = USER if uid is None else uid
    for name, text in (
        ("passwd", f"browser:x:{number}:{number}::{HOME}:/bin/false\n"),
        ("group", f"browser:x:{number}:\n"),
        ("hosts", "127.0.0.1 localhost\n"),
        ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
    ):
        (etc / name).write_text(text, encoding="ascii")
        (etc / name).chmod(0o644)
    return BrowserBox(folder, uid, nested)


def _group(memory_bytes: int) -> cgroups.Group | None:
    cgroups.sweep()
    return cgroups.make(memory=memory_bytes, pids=PROCESSES, cpus=os.cpu_count() or 1)


def _is_abandoned(folder: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        about = folder.lstat()
        if stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid():
            place, process = (folder / "owner").read_text(encoding="utf-8").split("\n")[:2]
            return place == owner.place() and not owner.alive(process)
    return False
