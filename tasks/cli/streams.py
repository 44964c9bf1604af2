"""Where the command line writes: answers to the real stdout, all else to stderr.

The real stdout is set aside before anything else runs and file descriptor 1 then points at
stderr, so neither a stray print nor a child process can get between the answer's lines. A
reader that has gone away is never an error.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import sys
from dataclasses import dataclass, field
from typing import Any, TextIO

from orchestrator.errors import JournalUnavailable

SCHEMA = 1
UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def clean(text: str) -> str:
    """Text of a model or a page with control and direction characters made visible."""
    return UNSAFE.sub(lambda found: f"\\x{ord(found[0]):02x}", text.replace("\r\n", "\n"))


def one_line(text: str, width: int = 160) -> str:
    """The same on one line, cut to a width."""
    line = clean(" ".join(text.split()))
    return line if len(line) <= width else f"{line[: width - 3]}..."


@dataclass(slots=True)
class Writer:
    """A text stream that goes silent when nobody reads it any more. What `must_arrive` is an
    error when it cannot be written, as on a full disk."""

    file: TextIO
    must_arrive: bool = False
    is_deaf: bool = False

    @property
    def is_terminal(self) -> bool:
        return not self.is_deaf and self.file.isatty()

    def line(self, text: str = "") -> None:
        """Write one line, at once. Raises JournalUnavailable for what must arrive."""
        if self.is_deaf:
            return
        try:
            self.file.write(f"{text}\n")
            self.file.flush()
        except (BrokenPipeError, ValueError):
            self._hang_up()
        except OSError as error:
            self._hang_up()
            if not self.must_arrive or error.errno == errno.EIO:  # EIO: the terminal was closed
                return
            raise JournalUnavailable(
                f"the output cannot be written: {error.strerror}",
                fix="nothing is lost: free some space, then quaestor show last",
            ) from error

    def _hang_up(self) -> None:
        self.is_deaf = True
        # What is still buffered would be complained about when the interpreter ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())


@dataclass(slots=True)
class Records:
    """The JSON lines of `--json`: one `started`, events, exactly one `outcome`."""

    out: Writer
    run: str | None = None
    is_ended: bool = False

    def write(self, record: dict[str, Any]) -> None:
        """One record on one line, whatever is in it."""
        self.out.line(json.dumps(record, allow_nan=False, separators=(",", ":")))

    def start(self, run: str) -> None:
        """The first record."""
        self.run = run
        resume = f"quaestor resume {run}"
        self.write({"event": "started", "schema": SCHEMA, "run": run, "resume": resume})

    def end(self, record: dict[str, Any]) -> None:
        """The last record; a second one is never written."""
        if not self.is_ended:
            self.is_ended = True
            self.write({"event": "outcome", "schema": SCHEMA, **record})


@dataclass(slots=True)
class Streams:
    """Both streams, and the records that `--json` writes on the first."""

    out: Writer
    err: Writer
    records: Records = field(init=False)

    def __post_init__(self) -> None:
        self.records = Records(self.out)

    def error(self, message: str, fix: str | None = None) -> None:
        """`error:` and the way out, as two lines that can be found by grep."""
        self.err.line(f"error: {clean(message)}")
        if fix:
            self.err.line(f"  fix: {clean(fix)}")


def take_streams() -> Streams:
    """Set the real stdout aside. What prints to `sys.stdout` until a command begins (help,
    completion) still reaches it."""
    out = _text(_set_aside())
    err = _text(os.dup(2) if _is_open(2) else os.open(os.devnull, os.O_WRONLY))
    sys.stdout = out
    return Streams(Writer(out, must_arrive=True), Writer(err))


def _set_aside() -> int:
    if not _is_open(1):
        return os.open(os.devnull, os.O_WRONLY)
    kept = os.dup(1)
    if _is_open(2):
        os.dup2(2, 1)
    return kept


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _text(descriptor: int) -> TextIO:
    raw = os.fdopen(descriptor, "wb", buffering=8192)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=False)
