"""The HTTP/1.1 under the scripted server: small enough to break a connection on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

HEAD = "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{extra}Content-Length: {length}\r\n\r\n"
MAX_BODY = 256 * 2**20
RESET = struct.pack("ii", 1, 0)  # closing with this linger option sends RST instead of FIN


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. `cut` sends half of the body and hangs up, `reset` sends nothing. `kind` is
    the content type, `pause_s` how long the second half of the body waits."""

    status: int
    body: dict[str, Any] | str = ""
    headers: tuple[tuple[str, str], ...] = ()
    ending: Literal["whole", "cut", "reset"] = "whole"
    kind: str = ""
    pause_s: float = 0.0


Handle = Callable[[str, dict[str, str], bytes], Awaitable[Answer]]


async def listen(
    handle: Handle, port: int, stop: asyncio.Event, announce: Callable[[int], None]
) -> None:
    """Serve on loopback until `stop`; open connections are dropped then."""
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_connection(handle, reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    listening = await asyncio.start_server(connected, "127.0.0.1", port)
    announce(listening.sockets[0].getsockname()[1])
    await stop.wait()
    listening.close()
    for task in list(connections):
        task.cancel()
    await asyncio.gather(*connections, return_exceptions=True)


async def _connection(
    handle: Handle, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        try:
            while await _exchange(handle, reader, writer):
                pass
        finally:
            writer.close()


async def _exchange(
    handle: Handle, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """One request and its answer; False when the connection is given up."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    length = min(int(headers.get("content-length", 0)), MAX_BODY)
    answer = await handle(f"{method} {path}", headers, await reader.readexactly(length))
    if answer.ending == "reset":
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()
        return False
    is_text = isinstance(answer.body, str)
    content = str(answer.body).encode() if is_text else json.dumps(answer.body).encode()
    extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
    kind = answer.kind or ("text/html" if is_text else "application/json")
    head_text = HEAD.format(status=answer.status, kind=kind, extra=extra, length=len(content))
    cut = answer.ending == "cut"
    half = len(content) // 2
    writer.write(head_text.encode() + content[:half])
    await writer.drain()
    if cut:
        return False
    await asyncio.sleep(answer.pause_s)
    writer.write(content[half:])
    await writer.drain()
    return True
