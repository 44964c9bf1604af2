"""What the proxy itself answers: that it wants a credential, and why something does not pass."""

from __future__ import annotations

import asyncio
import contextlib

from sandbox.egress_wire import Stop, rendered

VERDICT_HEADER = "X-Quaestor-Egress"
CHUNK = 64 * 1024
_STATUS: dict[str, str] = {
    "refused": "403 Forbidden",
    "unreachable": "502 Bad Gateway",
    "malformed": "400 Bad Request",
}


async def ask_for_credential(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Nobody passes without the credential of a branch."""
    fields = [("Proxy-Authenticate", 'Basic realm="egress"'), ("Content-Length", "0")]
    head = rendered(
        "HTTP/1.1 407 Proxy Authentication Required", [*fields, ("Connection", "close")]
    )
    await _finish(reader, writer, head)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stop: Stop) -> None:
    """A short page that says why, with a header that tells it from a page of the web."""
    body = f"{stop.verdict} by the network policy: {stop.reason}\n".encode()
    if stop.verdict != "refused":
        body = f"{stop.reason}\n".encode()
    fields = [
        (VERDICT_HEADER, stop.verdict),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    await _finish(reader, writer, rendered(f"HTTP/1.1 {_STATUS[stop.verdict]}", fields) + body)


async def _finish(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, response: bytes
) -> None:
    """Write, then read what is still coming: closing on unread bytes would reset the answer."""
    with contextlib.suppress(OSError, TimeoutError):
        writer.write(response)
        writer.write_eof()
        async with asyncio.timeout(1.0):
            while await reader.read(CHUNK):
                pass
