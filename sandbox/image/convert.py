"""Answers one request about documents as JSON: kind, title, parts with anchors, notes.

Runs inside the box as a block of its own; the host sends this source (`sandbox.payload`). A child
with limits does the parsing, and whatever goes wrong ends in a plain view of the file together
with the reason.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sandbox.image.document import STARTED, WALL_S, Document, Unreadable, capped
from sandbox.image.kinds import detect
from sandbox.image.plain import plain_view
from sandbox.image.questions import answer_to, document_of

MAX_ANSWER = 16 << 20
MEMORY, ADDRESS_SPACE = 768 << 20, 2 << 30
SEARCH_S = 15.0
"""A pattern that backtracks for ever is the model's own doing, and no reason to wait."""


def main() -> None:
    """Answer the request in the only argument; libraries may write to 1 and 2 as they like."""
    out = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    for fd in (1, 2):
        os.dup2(nothing, fd)
    answer = json.dumps(_answered(json.loads(sys.argv[1])), ensure_ascii=False)
    with os.fdopen(out, "wb") as stream:
        stream.write(answer.encode("utf-8", errors="replace"))


def _answered(request: dict[str, Any]) -> dict[str, Any]:
    for path in map(Path, request["paths"]):
        if path.is_symlink() or not path.is_file():
            missing = not os.path.lexists(path)
            return {"refused": "there is no such file" if missing else "it is not a regular file"}
    if request["op"] == "convert":
        return asdict(convert(Path(request["paths"][0]), request["members"]))
    try:
        wall = SEARCH_S if request["op"] in ("grep", "find") else WALL_S
        return asdict(capped(_in_child(lambda: answer_to(request), wall)))
    except Unreadable as reason:
        return {"refused": str(reason)}


def convert(path: Path, members: list[str]) -> Document:
    """The document, or its plain view with the reason in the notes."""
    kind = "binary"
    try:
        kind = "archive" if members else detect(path)
        document = _in_child(lambda: document_of(path, members))
        if not document.parts:
            raise Unreadable("; ".join(("no text was found in it", *document.notes)))
    except Unreadable as reason:
        if members:
            return Document("binary", notes=[str(reason)], whole=False)
        document = plain_view(path, kind, str(reason))
    return capped(document)


def _in_child(read: Callable[[], Document], wall: float = WALL_S) -> Document:
    """Run a reader with limits on memory and time, and kill whatever it started."""
    pipe, end = os.pipe()
    child = os.fork()
    if not child:
        os.close(pipe)
        _read_and_exit(read, end)
    os.close(end)
    try:
        answer = _collect(pipe, wall - (time.monotonic() - STARTED))
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(pipe)
    if answer is None:
        raise Unreadable(f"it took longer than {wall:g} seconds")
    try:
        found = json.loads(answer)
    except ValueError:
        signalled = os.WIFSIGNALED(status)
        reason = "it needed too much memory or time" if signalled else "the reader broke off"
        raise Unreadable(reason) from None
    if "unreadable" in found:
        raise Unreadable(found["unreadable"])
    return Document(**found)


def _read_and_exit(read: Callable[[], Document], end: int) -> None:
    os.setsid()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CPU, (int(WALL_S), int(WALL_S)))
    try:
        try:
            found = asdict(capped(read()))
        except MemoryError:
            found = {"unreadable": "it needed too much memory"}
        except Unreadable as error:
            found = {"unreadable": str(error)}
        except Exception as error:  # noqa: BLE001 - a parser fed with garbage raises anything
            text = str(error).splitlines()[0][:300] if str(error) else ""
            found = {"unreadable": f"{type(error).__name__}: {text}"}
        with os.fdopen(end, "wb") as stream:
            stream.write(json.dumps(found).encode("ascii"))
    finally:
        os._exit(0)


def _collect(pipe: int, seconds: float) -> bytes | None:
    until = time.monotonic() + seconds
    answer = bytearray()
    while len(answer) < MAX_ANSWER:
        ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return None
        piece = os.read(pipe, 1 << 20)
        if not piece:
            break
        answer += piece
    return bytes(answer)
