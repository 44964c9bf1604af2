"""Boxes as Docker containers: locked down, without network, reached over the attached stdin/stdout.

The engine's blocking calls run in threads; the stream is a raw socket on the event loop. A
container ends by itself when its stdin does, so none outlives its host.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from orchestrator.errors import SandboxFailed
from sandbox import engine, payload
from sandbox.base import SandboxSettings
from sandbox.engine import Engine
from sandbox.inside.confine import Confinement
from sandbox.wire import Wire

USER = 10001
OUTLET = "/run/sbx/outlet.sock"
ATTACH_S = 30.0
STREAM_LIMIT = 1 << 20
COMPLAINT_BYTES = 2048
PREFIX, STDOUT = 8, 1
"""The engine's multiplexing: a stream's number, three zeros, a length of four bytes."""
# tmpfs is `noexec` unless told otherwise, and its pages count against the memory limit.
TMPFS = {
    "/workspace": f"rw,exec,nosuid,nodev,size=512m,nr_inodes=65536,uid={USER},gid={USER},mode=0700",
    "/tmp": "rw,exec,nosuid,nodev,size=128m,nr_inodes=16384,mode=1777",  # noqa: S108 - in the box
    "/run/sbx": "rw,noexec,nosuid,nodev,size=16m,mode=0755",
}


@dataclass(frozen=True, slots=True)
class ContainerLaunch:
    """Starts containers on an engine that has answered, from an image that is there."""

    settings: SandboxSettings
    engine: Engine
    image: str

    @classmethod
    async def prepare(cls, settings: SandboxSettings) -> ContainerLaunch:
        """Find engine and image, remove boxes of dead processes; raises NotReady."""

        def look() -> tuple[Engine, str]:
            found = Engine.find()
            found.sweep()
            return found, found.image(settings.image)

        return cls(settings, *await asyncio.to_thread(look))

    def describe(self) -> str:
        size = f"{self.settings.memory_bytes >> 20} MiB, {self.settings.cpus:g} CPU"
        return f"Docker container from {self.settings.image} ({self.image[7:19]}), {size}"

    async def launch(self) -> Wire:
        """Create, attach, start: in this order, so that nothing it says is lost."""
        name = f"quaestor-{secrets.token_hex(8)}"
        creating = asyncio.ensure_future(asyncio.to_thread(self._create, name))
        try:
            await asyncio.shield(creating)
            stream, sink = await _attach(self.engine.address, name)
            await asyncio.to_thread(self.engine.start, name)
        except BaseException:
            # A thread cannot be cancelled: what it is about to create is removed afterwards.
            await asyncio.wait([creating])
            await asyncio.shield(asyncio.to_thread(self.engine.remove, name))
            raise

        async def kill() -> None:
            sink.close()
            await asyncio.to_thread(self.engine.remove, name)

        return Wire(stream, sink, kill, stream.complaint, name)

    def _create(self, name: str) -> None:
        confinement = Confinement(
            workspace="/workspace",
            scratch="/tmp",  # noqa: S108 - a file system of the box
            code="/run/sbx",
            uid=USER,
            alone=True,
            threads=math.ceil(self.settings.cpus),
            relay=OUTLET if self.settings.proxy_socket else None,
            login=self.settings.proxy_login,
        )
        command = payload.supervisor(confinement)
        limits = _limits(self.settings)
        self.engine.create(name, self.image, command, self.settings.run_id, limits)


class AttachedStream:
    """The container's stdout out of the engine's multiplexed stream; stderr is kept aside."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._mixed = bytearray()
        self._buffer = bytearray()
        self._stderr = bytearray()

    async def readexactly(self, n: int) -> bytes:
        """The next n bytes of stdout."""
        while len(self._buffer) < n:
            piece = await self._reader.read(STREAM_LIMIT)
            if not piece:
                raise asyncio.IncompleteReadError(bytes(self._buffer), n)
            self._mixed += piece
            self._sort()
        taken = bytes(memoryview(self._buffer)[:n])
        del self._buffer[:n]
        return taken

    def _sort(self) -> None:
        """Take the whole pieces out of what was read. The engine cuts the stream every few
        kilobytes; waiting for each header and piece alone would cost most of the time."""
        start = 0
        while len(self._mixed) - start >= PREFIX:
            body = start + PREFIX
            end = body + int.from_bytes(self._mixed[body - 4 : body], "big")
            if end > len(self._mixed):
                break
            if self._mixed[start] == STDOUT:
                self._buffer += memoryview(self._mixed)[body:end]
            else:
                self._stderr = (self._stderr + self._mixed[body:end])[-COMPLAINT_BYTES:]
            start = end
        del self._mixed[:start]

    def complaint(self) -> str:
        """The end of what the supervisor wrote on stderr."""
        return self._stderr.decode("utf-8", errors="replace").strip()


async def _attach(address: str, name: str) -> tuple[AttachedStream, asyncio.StreamWriter]:
    """Take over one connection to the engine; the SDK's own stream would block a thread."""
    url = urlsplit(address)
    if url.scheme == "unix":
        reader, writer = await asyncio.open_unix_connection(url.path, limit=STREAM_LIMIT)
    else:
        reader, writer = await asyncio.open_connection(url.hostname, url.port, limit=STREAM_LIMIT)
    query = "stream=1&stdin=1&stdout=1&stderr=1"
    request = (
        f"POST /containers/{name}/attach?{query} HTTP/1.1\r\n"
        "Host: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    )
    writer.write(request.encode("ascii"))
    try:
        async with asyncio.timeout(ATTACH_S):
            answer = await reader.readuntil(b"\r\n\r\n")
    except BaseException:
        writer.close()
        raise
    status = answer.split(b"\r\n", 1)[0].split()
    if len(status) < 2 or status[1] not in (b"101", b"200"):
        writer.close()
        raise SandboxFailed(f"the engine refused to attach to {name}: {status!r}")
    return AttachedStream(reader), writer


def _limits(settings: SandboxSettings) -> dict[str, Any]:
    mounts = []
    if settings.inputs is not None:
        mounts.append(engine.bind(str(settings.inputs.resolve()), "/workspace/inputs"))
    if settings.proxy_socket is not None:
        mounts.append(engine.bind(str(settings.proxy_socket.resolve()), OUTLET))
    return {
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "cap_add": ["KILL", "SETUID", "SETGID"],
        "security_opt": ["no-new-privileges:true"],
        "pids_limit": settings.pids,
        "mem_limit": settings.memory_bytes,
        "memswap_limit": settings.memory_bytes,
        "nano_cpus": int(settings.cpus * 1e9),
        "ulimits": [engine.core_limit()],
        "shm_size": 64 << 20,
        "ipc_mode": "private",
        "cgroupns": "private",
        "log_config": engine.no_log(),
        "auto_remove": True,
        "tmpfs": TMPFS,
        "mounts": mounts,
        "runtime": settings.runtime,
    }
