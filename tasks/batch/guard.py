"""The guard of one unit: a small process that starts the unit's own and outlives it.

It gives the unit its folders (home, temp, work), environment and session, listens to its
scheduler on one socket, and ends everything the unit has started when the unit ends, when the
scheduler says so, or when the scheduler is gone. Knows processes, not tasks.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

from tasks.batch import leftovers
from tasks.batch.port import Order

WORDS = 2_000
PIECE = 65_536
MOST_ORDER = 64 << 20
Job = Callable[[Order], int]
"""What a unit's process does; its exit code."""


def guard(line: socket.socket, job: Job) -> None:
    """Carry one order, read from the line, to its end; say on the line how it ended."""
    order = read_order(line)
    if order is None:
        return
    leftovers.adopt_orphans()
    folder = leftovers.make_folder()
    try:
        pid, output = _start(order, folder, line, job)
        words = _watch(pid, output, line)
        code = _status(pid)
    finally:
        leftovers.end_descendants()
        leftovers.remove_folder(folder)
    if words is not None:
        answer = {"code": code, "words": words.decode("utf-8", "replace")}
        line.sendall(json.dumps(answer).encode())


def read_order(line: socket.socket) -> Order | None:
    """The order, up to the end of its line; None when the scheduler is gone before."""
    got = bytearray()
    while not got.endswith(b"\n"):
        piece = line.recv(PIECE)
        if not piece or len(got) > MOST_ORDER:
            return None
        got += piece
    return Order.model_validate_json(bytes(got))


def _start(order: Order, folder: Path, line: socket.socket, job: Job) -> tuple[int, int]:
    """Fork the unit's process; its id, and where what it writes can be read."""
    for name in ("home", "temp", "work"):
        (folder / name).mkdir()
    output, writing = os.pipe()
    guard_id = os.getpid()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, output
    code = 70
    try:
        leftovers.die_with(guard_id)
        os.setsid()
        line.close()
        _settle_in(order, folder, writing)
        code = job(order)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _settle_in(order: Order, folder: Path, writing: int) -> None:
    """Everything that a process has of its own."""
    nowhere = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nowhere, 0), (writing, 1), (writing, 2)):
        os.dup2(source, target)
    os.closerange(3, 4096)
    os.chdir(folder / "work")
    os.environ.clear()
    os.environ.update(order.environ)
    os.environ.update(
        HOME=str(folder / "home"),
        TMPDIR=str(folder / "temp"),
        XDG_CACHE_HOME=str(folder / "home" / ".cache"),
        XDG_CONFIG_HOME=str(folder / "home" / ".config"),
    )
    os.environ[leftovers.VARIABLE] = str(folder)
    import tempfile

    tempfile.tempdir = None
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _watch(pid: int, output: int, line: socket.socket) -> bytes | None:
    """Read what the process writes until it ends; the end of it. None when it had to be killed
    because the scheduler is gone; `kill` on the line kills it, too."""
    ended = os.pidfd_open(pid)
    kept: deque[int] = deque(maxlen=WORDS)
    watched: list[int | socket.socket] = [ended, output, line]
    while True:
        ready, _, _ = select.select(watched, [], [])
        if output in ready:
            piece = os.read(output, PIECE)
            kept.extend(piece[-WORDS:])
            if not piece:
                watched.remove(output)
            continue
        if line in ready:
            told = line.recv(16)
            os.kill(pid, signal.SIGKILL)
            return bytes(kept) if told else None
        if ended in ready:
            return bytes(kept)


def _status(pid: int) -> int | None:
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return None
