"""Runs one block of code as a child and makes sure that nothing of it is left afterwards."""

from __future__ import annotations

import os
import select
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sandbox.inside.confine import BIN, SITE, Confinement
from sandbox.inside.counters import SAMPLE_S, Counters
from sandbox.inside.frames import PIPE_BYTES, FrameReader, enlarge

# A reader is isolated from the workspace: a document named json.py must not become code.
READER = "reader"
PROGRAMS = {"python": ("python3",), "bash": ("bash",), READER: ("python3", "-I", "-B")}
SUFFIXES = {"python": "py", "bash": "sh", READER: "py"}
# Modules of the workspace can be imported, but come last: an unpacked json.py must not take the
# place of the library.
SITE_CODE = """\
import sys
sys.path[:] = [place for place in sys.path if place != {site!r}] + [{workspace!r}]
"""
DRAIN_S = 1.0
"""How long to read on after the last process is dead; only an escaped one can hold the pipe."""


class HostGone(Exception):
    """The host closed the stream: end at once."""


@dataclass(frozen=True)
class Block:
    """One program to run."""

    code: bytes
    language: str
    arguments: tuple[str, ...]
    timeout: float
    output: int


@dataclass(frozen=True)
class Ended:
    """How it ended. `head` and `tail` are the two ends of `total` bytes of output."""

    exit_code: int | None
    cause: str
    seconds: float
    head: bytes
    tail: bytes
    total: int


class Output:
    """Keeps the first and the last bytes of a stream of any length."""

    def __init__(self, most: int) -> None:
        self._half = max(1, most // 2)
        self.head = bytearray()
        self.tail = bytearray()
        self.total = 0

    def add(self, piece: bytes) -> None:
        """Take the next bytes."""
        self.total += len(piece)
        room = self._half - len(self.head)
        self.head += piece[:room]
        self.tail += piece[max(0, room) :]
        if len(self.tail) > 2 * self._half:
            del self.tail[: -self._half]

    def ends(self) -> tuple[bytes, bytes]:
        """Both ends, each at most half of what was asked for."""
        return bytes(self.head), bytes(self.tail[-self._half :])


class Runner:
    """Runs blocks one after the other, watching the host's frames while one runs."""

    def __init__(self, confinement: Confinement, frames: FrameReader, host: int) -> None:
        self._confinement = confinement
        self._frames = frames
        self._host = host
        self._wake, wake_end = os.pipe()
        for fd in (self._wake, wake_end):
            os.set_blocking(fd, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        site = Path(confinement.code, SITE)
        site.mkdir(mode=0o755, exist_ok=True)
        code = SITE_CODE.format(site=str(site), workspace=confinement.workspace)
        (site / "sitecustomize.py").write_text(code, encoding="utf-8")

    def run(self, block: Block) -> Ended:
        """Run it to its end, its timeout or a `cancel` frame; raises HostGone."""
        source = self._write(block)
        started = time.monotonic()
        counters = Counters(self._confinement)
        output = Output(block.output)
        command = (*PROGRAMS[block.language], str(source), *block.arguments)
        child, pipe = self._spawn(command, sockets=block.language != READER)
        try:
            status, stopped = self._watch(child, pipe, output, counters, started + block.timeout)
        finally:
            self.kill_all(child)
        try:
            self._drain(pipe, output)
        finally:
            os.close(pipe)
            source.unlink(missing_ok=True)
        exit_code = None if status is None else _exit_code(status)
        cause = stopped or _cause(status, counters)
        head, tail = output.ends()
        return Ended(exit_code, cause, time.monotonic() - started, head, tail, output.total)

    def kill_all(self, child: int) -> None:
        """Kill whatever a block may have left and wait until nobody is there."""
        while True:
            if self._confinement.alone:
                with suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
            else:
                _kill_descendants(child)
            try:
                # One at a time: the children of the dead become ours and have to be killed too.
                os.waitpid(-1, 0)
            except ChildProcessError:
                return

    def _write(self, block: Block) -> Path:
        # Always the same name, so that a traceback reads the same when a run is resumed. Without
        # a user of its own a block could have planted something under it.
        place = Path(self._confinement.code, f"block.{SUFFIXES[block.language]}")
        place.unlink(missing_ok=True)
        self._name_python()
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
            file.write(block.code)
        return place

    def _name_python(self) -> None:
        """Scripts say `python`, which Debian has no program for; one that is there comes first."""
        named = Path(self._confinement.code, BIN, "python")
        named.parent.mkdir(mode=0o755, exist_ok=True)
        named.unlink(missing_ok=True)
        named.symlink_to(shutil.which("python3") or "/usr/bin/python3")

    def _spawn(self, command: tuple[str, ...], *, sockets: bool) -> tuple[int, int]:
        pipe, end = os.pipe()
        enlarge(pipe)
        os.set_blocking(pipe, False)
        child = os.fork()
        if child:
            os.close(end)
            return child, pipe
        try:
            os.setsid()
            nothing = os.open(os.devnull, os.O_RDONLY)
            for fd, target in ((nothing, 0), (end, 1), (end, 2)):
                os.dup2(fd, target)
            self._confinement.enter(sockets=sockets)
            os.execvpe(command[0], command, self._confinement.environment())  # noqa: S606 - no shell on purpose
        except BaseException as error:  # noqa: BLE001 - a forked child must never return
            os.write(2, f"the block could not be started: {error}\n".encode())
        os._exit(126)

    def _watch(
        self, child: int, pipe: int, output: Output, counters: Counters, deadline: float
    ) -> tuple[int | None, str]:
        """The child's wait status and, if we ended it, the cause."""
        reading = [pipe, self._wake, self._host]
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return None, "timeout"
            pause = min(left, SAMPLE_S) if counters.sampling else left
            ready, _, _ = select.select(reading, [], [], pause)
            if pipe in ready and not _read(pipe, output):
                reading.remove(pipe)
            if self._host in ready and self._cancelled():
                return None, "cancelled"
            if self._wake in ready:
                os.read(self._wake, 4096)
            status = _reap(child)
            within = counters.sample(at_once=status is not None)
            if status is not None:
                return status, ""
            if not within:
                return None, "out_of_memory"

    def _cancelled(self) -> bool:
        if not self._frames.fill():
            raise HostGone
        frame = self._frames.take()
        return frame is not None and frame[0].get("op") == "cancel"

    def _drain(self, pipe: int, output: Output) -> None:
        """Read what is still in the pipe: the first read takes all of it, however late it is."""
        until = time.monotonic() + DRAIN_S
        while select.select([pipe], [], [], DRAIN_S)[0] and _read(pipe, output):
            if time.monotonic() > until:
                return


def _read(pipe: int, output: Output) -> bool:
    try:
        piece = os.read(pipe, PIPE_BYTES)
    except BlockingIOError:
        return True
    output.add(piece)
    return bool(piece)


def _reap(child: int) -> int | None:
    """Collect the dead; the wait status of `child` if it is among them."""
    found = None
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == child:
                found = status
    return found


def _kill_descendants(child: int) -> None:
    """Without a process namespace: kill the child's group and everything that became ours."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    with suppress(OSError):
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
        for pid in listed.split():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(int(pid), signal.SIGKILL)


def _exit_code(status: int) -> int:
    """As a shell says it: 128 + signal for a process that was killed."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _cause(status: int | None, counters: Counters) -> str:
    code = 1 if status is None else os.waitstatus_to_exitcode(status)
    if code == 0:
        return "ok"
    if counters.out_of_memory():
        return "out_of_memory"
    if counters.too_many_processes():
        return "too_many_processes"
    if code in (-signal.SIGXFSZ, -signal.SIGXCPU):
        return "limit"
    return "killed" if code == -signal.SIGKILL else "error"
