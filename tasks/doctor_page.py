"""A web page of our own on loopback, for the browser's check."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Page:
    """A page that is being served, and how often it was asked for."""

    title: str
    port: int = 0
    visits: int = 0


@asynccontextmanager
async def served(page: Page) -> AsyncIterator[Page]:
    """Serve one page on a free port of loopback."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        page.visits += 1
        await reader.readuntil(b"\r\n\r\n")
        body = f"<!doctype html><title>{page.title}</title>".encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    page.port = server.sockets[0].getsockname()[1]
    try:
        yield page
    finally:
        server.close()
