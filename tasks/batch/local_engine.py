"""Runs units on this machine: one guarded process each, all born in one nursery.

A scheduler that dies in whatever way closes its ends of the sockets; the guards see that and
leave nothing behind.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import NotReady
from tasks.batch import leftovers
from tasks.batch.port import Job, Order
from tasks.batch.rules import Died, Killed

MOST_ANSWER = 1 << 20
END_S = 30.0


@dataclass(slots=True)
class LocalEngine:
    """Engine over processes of this machine. Made by `open_local`."""

    nursery: Nursery
    ended: asyncio.Queue[Died] = field(default_factory=asyncio.Queue)
    lines: dict[str, socket.socket] = field(default_factory=dict)
    killed: dict[str, Killed] = field(default_factory=dict)
    hearing: set[asyncio.Task[None]] = field(default_factory=set)

    async def submit(self, order: Order) -> None:
        """Have a guard born, and hand it the order."""
        line, theirs = socket.socketpair()
        with theirs:
            await asyncio.to_thread(self.nursery.bear, theirs)
        line.setblocking(False)
        self.lines[order.unit] = line
        hearing = asyncio.ensure_future(self._hear(order, line))
        self.hearing.add(hearing)
        hearing.add_done_callback(self.hearing.discard)

    async def cancel(self, unit: str, why: Killed) -> None:
        """Tell the guard to end it."""
        line = self.lines.get(unit)
        if line is not None and unit not in self.killed:
            self.killed[unit] = why
            with suppress(OSError):
                await asyncio.get_running_loop().sock_sendall(line, b"kill\n")

    def list(self) -> Sequence[str]:
        return list(self.lines)

    async def wait(self, seconds: float) -> Sequence[Died]:
        found: list[Died] = []
        with suppress(TimeoutError):
            found.append(await asyncio.wait_for(self.ended.get(), seconds))
        while not self.ended.empty():
            found.append(self.ended.get_nowait())
        return found

    async def close(self) -> None:
        """End every unit, and wait until its guard has cleaned up."""
        for unit in self.list():
            await self.cancel(unit, "stop")
        if self.hearing:
            await asyncio.wait(self.hearing, timeout=END_S)
        for hearing in self.hearing:
            hearing.cancel()
        self.nursery.close()

    async def _hear(self, order: Order, line: socket.socket) -> None:
        """Send the order, then wait for the one answer: how it ended."""
        loop, answer = asyncio.get_running_loop(), bytearray()
        try:
            with suppress(OSError):
                await loop.sock_sendall(line, order.model_dump_json().encode() + b"\n")
                while len(answer) < MOST_ANSWER and (piece := await loop.sock_recv(line, 65536)):
                    answer += piece
        finally:
            line.close()
            del self.lines[order.unit]
        killed = self.killed.pop(order.unit, "")
        self.ended.put_nowait(died_of(order.unit, killed, bytes(answer)))


@dataclass(slots=True)
class Nursery:
    """The process that forks guards, started when the first is wanted and again when it is gone.
    It has loaded what the processes of this job need."""

    job: Job = "task"
    door: socket.socket | None = None
    process: subprocess.Popen[bytes] | None = None

    def bear(self, line: socket.socket) -> None:
        """Have a guard forked that holds this line. Blocks."""
        for _ in range(2):
            door = self._open()
            try:
                socket.send_fds(door, [b"1"], [line.fileno()])
            except OSError:
                self.close()
            else:
                return
        raise NotReady(
            "the process that starts units ends at once", fix="try again; quaestor doctor"
        )

    def close(self) -> None:
        """Let it end."""
        if self.door is not None:
            self.door.close()
        if self.process is not None:
            self.process.wait(END_S)
        self.door = self.process = None

    def _open(self) -> socket.socket:
        if self.door is None:
            self.door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "tasks.batch.nursery", str(theirs.fileno()), self.job],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    cwd="/",
                    env=_same_program(),
                    start_new_session=True,
                )
        return self.door


def _same_program() -> dict[str, str]:
    """An environment in which Python finds what this process has found, and nothing of a folder
    that it happens to stand in."""
    found = [str(Path(entry).absolute()) for entry in sys.path if entry]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(found), "PYTHONSAFEPATH": "1"}


def died_of(unit: str, killed: Killed, answer: bytes) -> Died:
    """What a guard's answer says; an empty one means that the guard itself is gone."""
    if not answer:
        return Died(unit, None, killed, "its guard is gone")
    said = json.loads(answer)
    return Died(unit, said["code"], killed, str(said["words"]).strip())


@asynccontextmanager
async def open_local(job: Job = "task") -> AsyncIterator[LocalEngine]:
    """An engine that has cleaned up after earlier ones that could not."""
    await asyncio.to_thread(leftovers.sweep)
    engine = LocalEngine(Nursery(job))
    try:
        yield engine
    finally:
        await engine.close()
