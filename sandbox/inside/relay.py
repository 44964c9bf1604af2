"""Carries a loopback port inside the box to the one socket that leads out: the filtering proxy's.

Runs as a child with the rights of a block. Whoever kills it only cuts the box's own way out; the
next block has a new one.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress

from sandbox.inside.confine import OPEN_FILES, RELAY_PORT, Confinement

PIECE = 1 << 16


def start(confinement: Confinement) -> None:
    """Fork the relay if there is a way out. It listens before this returns."""
    if confinement.relay is not None:
        carry(RELAY_PORT, confinement.relay, confinement.enter)


def carry(port: int, outlet: str, enter: Callable[[], None]) -> None:
    """Fork a relay from a loopback port to a socket; `enter` gives up the child's rights."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    if os.fork():
        listener.close()
        return
    try:
        os.setsid()
        os.dup2(listener.detach(), 3)
        os.closerange(4, OPEN_FILES)  # above all the stream to the host
        enter()
        _serve(socket.socket(fileno=3), outlet)
    finally:
        os._exit(0)


def _serve(listener: socket.socket, outlet: str) -> None:
    import asyncio  # here, since whoever forked us is in a hurry and does not need it

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(PIECE):
                writer.write(piece)
                await writer.drain()
            writer.write_eof()

    async def carry_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_unix_connection(outlet)
            await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(carry_one, sock=listener)
        await server.serve_forever()

    asyncio.run(serve())
