"""Frames arrive whole, in order and bounded, however the stream is cut."""

from __future__ import annotations

import asyncio
import os
import struct

import pytest

from sandbox.container import AttachedStream
from sandbox.inside.frames import MAX_HEADER, BrokenFrame, FrameReader, Header, pack, write

FRAMES: list[tuple[Header, bytes]] = [
    ({"op": "a"}, b""),
    ({"op": "b", "n": 1}, b"\0" * 5000),
    ({"op": "c"}, b"x"),
]


@pytest.mark.parametrize("cut", [1, 2, 7, 8, 9, 100, 100_000])
def test_frames_survive_any_cut_of_the_stream(cut: int) -> None:
    stream = b"".join(pack(header, payload) for header, payload in FRAMES)
    reading, writing = os.pipe()
    reader = FrameReader(reading)
    found = []
    for start in range(0, len(stream), cut):
        os.write(writing, stream[start : start + cut])
        reader.fill()
        while (frame := reader.take()) is not None:
            found.append(frame)
    os.close(writing)
    assert found == FRAMES
    assert reader.wait() is None
    os.close(reading)


@pytest.mark.parametrize(
    "stream",
    [
        struct.pack(">II", MAX_HEADER + 1, 0),
        struct.pack(">II", 2, 0xFFFFFFFF),
        struct.pack(">II", 3, 0) + b"not",
        struct.pack(">II", 2, 0) + b"[]",
        struct.pack(">II", 2, 0) + b"\xff\xff",
    ],
)
def test_a_peer_that_does_not_speak_the_protocol_is_found_out(stream: bytes) -> None:
    reading, writing = os.pipe()
    os.write(writing, stream)
    with pytest.raises(BrokenFrame):
        FrameReader(reading).wait()
    os.close(reading)
    os.close(writing)


def test_a_frame_can_be_written_to_a_descriptor() -> None:
    reading, writing = os.pipe()
    write(writing, {"op": "x"}, memoryview(b"payload"))
    assert FrameReader(reading).wait() == ({"op": "x"}, b"payload")
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("cut", [1, 7, 8, 9, 1000])
async def test_the_engines_stream_is_sorted_wherever_it_is_cut(cut: int) -> None:
    said, complained = b"x" * 50 + b"yes", b"c" * 3000 + b"why"
    pieces = ((1, said[:20]), (2, complained[:1500]), (1, b""), (2, complained[1500:]))
    mixed = b"".join(
        bytes((number, 0, 0, 0)) + len(piece).to_bytes(4, "big") + piece
        for number, piece in (*pieces, (1, said[20:]))
    )
    reader = asyncio.StreamReader()
    stream = AttachedStream(reader)
    for start in range(0, len(mixed), cut):
        reader.feed_data(mixed[start : start + cut])
    reader.feed_eof()
    assert await stream.readexactly(50) + await stream.readexactly(3) == said
    assert stream.complaint() == complained[-2048:].decode()
    with pytest.raises(asyncio.IncompleteReadError):
        await stream.readexactly(1)
