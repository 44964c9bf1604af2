"""The host's end of the stream to a supervisor, whoever launched it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from sandbox.inside import frames
from sandbox.inside.frames import Header

BROKEN = (EOFError, OSError, frames.BrokenFrame)
"""What reading or writing raises once the box is gone (a short read is an EOFError)."""


class ByteSource(Protocol):
    """Something to read exact amounts from, such as an asyncio.StreamReader."""

    async def readexactly(self, n: int) -> bytes:
        """Raise asyncio.IncompleteReadError (an EOFError) when it ends early."""
        ...


@dataclass(frozen=True, slots=True)
class Wire:
    """A launched supervisor. `kill` is idempotent; `complaint` is what it wrote on stderr."""

    source: ByteSource
    sink: asyncio.StreamWriter
    kill: Callable[[], Awaitable[None]]
    complaint: Callable[[], str]
    name: str

    async def send(self, header: Header, payload: bytes | memoryview = b"") -> None:
        """Write one frame."""
        self.sink.write(frames.pack(header, payload))
        await self.sink.drain()

    async def receive(self) -> tuple[Header, bytes]:
        """Read one frame; raises one of BROKEN."""
        header, payload = frames.lengths(await self.source.readexactly(frames.PREFIX.size))
        text = await self.source.readexactly(header)
        return frames.parse(text), await self.source.readexactly(payload)

    async def ask(self, header: Header, payload: bytes = b"") -> tuple[Header, bytes]:
        """Send one frame, receive one."""
        await self.send(header, payload)
        return await self.receive()

    async def send_content(self, content: bytes) -> None:
        """Bytes of any length, in pieces."""
        view = memoryview(content)
        for start in range(0, len(view), frames.CHUNK):
            await self.send({"op": "piece"}, view[start : start + frames.CHUNK])

    async def pieces(self) -> AsyncIterator[bytes]:
        """The pieces of a file, up to its `done`."""
        while True:
            header, payload = await self.receive()
            if header.get("op") != "piece":
                return
            yield payload


class Launch(Protocol):
    """A way to start supervisors, already found to be usable."""

    async def launch(self) -> Wire:
        """Start one; raises SandboxFailed or OSError."""
        ...

    @property
    def image(self) -> str:
        """What the box is made of, by content."""
        ...

    def describe(self) -> str:
        """One line for people."""
        ...
