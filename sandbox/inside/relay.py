"""Carries 127.0.0.1:3128 inside the box to the one socket that leads out: the filtering proxy's.

Runs as a child with the rights of a block. Whoever kills it only cuts the box's own way out; the
next block has a new one.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress

from sandbox.inside.confine import OPEN_FILES, RELAY_PORT, Confinement

PIECE = 1 << 16


def start(confinement: Confinement) -> None:
    """Fork the relay if there is a way out. It listens before this returns."""
    if confinement.relay is None:
        return
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", RELAY_PORT))
    listener.listen(64)
    if os.fork():
        listener.close()
        return
    try:
        os.setsid()
        os.dup2(listener.detach(), 3)
        os.closerange(4, OPEN_FILES)  # above all the stream to the host
        confinement.enter()
        asyncio.run(_serve(socket.socket(fileno=3), confinement.relay))
    finally:
        os._exit(0)


async def _serve(listener: socket.socket, outlet: str) -> None:
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_unix_connection(outlet)
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        writer.close()

    server = await asyncio.start_server(carry, sock=listener)
    await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
