"""Opens evidence as text, line by line: unpacked, decoded, bounded, and honest about what broke.

Reads on where it can. What is cut, escaped or missing is counted, for whoever relies on it.
Standard library only, but for the guess at an encoding that is neither Unicode nor marked.
"""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from sandbox.image.document import library

GZIP = b"\x1f\x8b"
PIECE = 1 << 16
MAX_LINE = 16 << 20
MAX_UNPACKED = 8 << 30
MAX_RATIO = 200
SMALL = 64 << 20
SAMPLE = 1 << 20
ESCAPING = "quaestor-escape"


@dataclass
class Flaws:
    """What kept a file from being read as a whole. Numbers count lines unless they say bytes."""

    broken: str = ""
    cut_lines: int = 0
    bad_bytes: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether every byte was read."""
        return not self.broken and not self.cut_lines


class Unpacked(io.RawIOBase):
    """A gzip stream that ends where it breaks, and says where that was."""

    def __init__(self, path: Path, flaws: Flaws) -> None:
        self._file = path.open("rb")
        self._flaws = flaws
        self._engine = zlib.decompressobj(wbits=31)
        self._ready = b""
        self._given = 0

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready:
            if not self._fill():
                return 0
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        self._given += size
        return size

    def _fill(self) -> bool:
        if self._flaws.broken:
            return False
        packed = self._engine.unconsumed_tail or self._file.read(PIECE)
        if self._engine.eof:
            packed = self._engine.unused_data + packed
            self._engine = zlib.decompressobj(wbits=31)
            if not packed.strip(b"\0"):
                return bool(self._file.peek(1))
        if not packed:
            self._break("the packed stream ends in the middle")
            return False
        try:
            self._ready = self._engine.decompress(packed, PIECE)
        except zlib.error as error:
            self._break(f"the packed stream is damaged ({error})")
            return False
        if self._given > max(SMALL, MAX_RATIO * self._file.tell()) or self._given > MAX_UNPACKED:
            self._break("it unpacks to far more than it holds: it looks like a bomb")
        return True

    def _break(self, why: str) -> None:
        self._flaws.broken = f"{why}, after {self._given} unpacked bytes"


def head_of(path: Path, most: int = SAMPLE) -> bytes:
    """The first bytes, unpacked when they are packed."""
    with _bytes(path, Flaws()) as stream:
        return stream.read(most)


def is_packed(path: Path) -> bool:
    """Whether a file is a gzip stream."""
    with path.open("rb") as file:
        return file.read(2) == GZIP


@contextmanager
def opened(path: Path, encoding: str, flaws: Flaws) -> Iterator[io.TextIOWrapper]:
    """The text of a file; bytes that are none are shown as escapes and counted."""

    def escape(error: UnicodeError) -> tuple[str | bytes, int]:
        flaws.bad_bytes += 1
        return codecs.lookup_error("backslashreplace")(error)

    codecs.register_error(ESCAPING, escape)
    with _bytes(path, flaws) as stream:
        yield io.TextIOWrapper(stream, encoding=encoding, errors=ESCAPING, newline="")


def lines_of(path: Path, encoding: str, flaws: Flaws) -> Iterator[tuple[int, str]]:
    """Numbered lines without their ends. What is longer than MAX_LINE is cut, and counted."""
    with opened(path, encoding, flaws) as text:
        number = 0
        while line := text.readline(MAX_LINE):
            number += 1
            if not line.endswith("\n") and len(line) >= MAX_LINE:
                flaws.cut_lines += 1
                _skip_rest(text)
            yield number, line.rstrip("\r\n")


def encoding_of(head: bytes) -> tuple[str, str]:
    """The encoding of a text, and how it was found."""
    for bom, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(bom):
            return encoding, "byte order mark"
    unmarked = _unmarked_utf16(head)
    if unmarked:
        return unmarked, "every other byte is zero"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return _guessed(head, error.start)
    return "utf-8", "every byte fits"


def _guessed(head: bytes, at: int) -> tuple[str, str]:
    """UTF-8 with bytes of something else among it stays UTF-8; else what the letters speak for."""
    kept = head.decode("utf-8", "ignore").encode()
    letters = sum(byte > 127 for byte in kept)
    if len(kept) > 0.999 * len(head) or letters > len(head) - len(kept):
        return "utf-8", f"most of it fits; the first byte that does not is byte {at}"
    try:
        head.decode("cp1252")
    except UnicodeDecodeError:
        best = library("charset_normalizer").from_bytes(head[: 100 << 10]).best()
        return (best.encoding if best else "latin-1"), "guessed from the letters"
    return "cp1252", f"byte {at} is not UTF-8, and every byte fits"


def _unmarked_utf16(head: bytes) -> str:
    sample = head[:4096]
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = sample[start::2]
        if len(zeros) > 8 and zeros.count(0) > 0.6 * len(zeros):
            return encoding
    return ""


@contextmanager
def _bytes(path: Path, flaws: Flaws) -> Iterator[BinaryIO]:
    raw = Unpacked(path, flaws) if is_packed(path) else path.open("rb", buffering=0)
    with io.BufferedReader(raw, PIECE) as stream:
        yield cast("BinaryIO", stream)


def _skip_rest(text: io.TextIOWrapper) -> None:
    while (piece := text.readline(PIECE)) and not piece.endswith("\n"):
        pass
