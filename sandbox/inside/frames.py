"""Length-prefixed frames: a JSON header and raw bytes. Both ends of the stream use this module.

A frame is two big-endian lengths, the header, the payload. Lengths are checked against caps before
anything is allocated, because either end may face a broken or hostile peer.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
from contextlib import suppress
from typing import Any

PREFIX = struct.Struct(">II")
MAX_HEADER = 16 << 20
MAX_PAYLOAD = 8 << 20
CHUNK = 1 << 20
"""Files are moved in pieces of this size."""

PIPE_BYTES = 1 << 20
F_SETPIPE_SZ = 1031

Header = dict[str, Any]
"""A JSON object; its `op` says what the frame is."""


class BrokenFrame(Exception):
    """The peer does not speak this protocol; the stream cannot be used any more."""


def enlarge(pipe: int) -> None:
    """Let a pipe hold a whole piece; one that is none, or may not be larger, stays as it is."""
    with suppress(OSError):
        fcntl.fcntl(pipe, F_SETPIPE_SZ, PIPE_BYTES)


def pack(header: Header, payload: bytes | memoryview = b"") -> bytes:
    """One frame as bytes."""
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    return b"".join((PREFIX.pack(len(text), len(payload)), text, payload))


def lengths(prefix: bytes | bytearray) -> tuple[int, int]:
    """Header and payload length of a frame; raises BrokenFrame when one is over its cap."""
    header, payload = PREFIX.unpack(prefix)
    if header > MAX_HEADER or payload > MAX_PAYLOAD:
        raise BrokenFrame(f"a frame of {header} + {payload} bytes is over the cap")
    return header, payload


def parse(text: bytes | bytearray) -> Header:
    """The header of a frame; raises BrokenFrame when it is not a JSON object."""
    try:
        header = json.loads(text)
    except ValueError as error:
        raise BrokenFrame("the header of a frame is not JSON") from error
    if not isinstance(header, dict):
        raise BrokenFrame("the header of a frame is not an object")
    return header


class FrameReader:
    """Frames from a file descriptor, readable piecemeal so that a select loop can own it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer = bytearray()

    def fill(self) -> bool:
        """Read what is there; False at the end of the stream."""
        piece = os.read(self._fd, CHUNK)
        self._buffer += piece
        return bool(piece)

    def take(self) -> tuple[Header, bytes] | None:
        """The next whole frame of what has been read so far."""
        if len(self._buffer) < PREFIX.size:
            return None
        header, payload = lengths(self._buffer[: PREFIX.size])
        body = PREFIX.size + header
        if len(self._buffer) < body + payload:
            return None
        found = parse(self._buffer[PREFIX.size : body])
        content = bytes(memoryview(self._buffer)[body : body + payload])
        del self._buffer[: body + payload]
        return found, content

    def wait(self) -> tuple[Header, bytes] | None:
        """Block until a frame is there; None at the end of the stream."""
        while (frame := self.take()) is None:
            if not self.fill():
                return None
        return frame


def write(fd: int, header: Header, payload: bytes | memoryview = b"") -> None:
    """Write one frame to a blocking file descriptor."""
    rest = memoryview(pack(header, payload))
    while rest:
        rest = rest[os.write(fd, rest) :]
