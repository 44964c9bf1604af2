"""Frames arrive whole, in order and bounded, however the stream is cut."""

from __future__ import annotations

import os
import struct

import pytest

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
