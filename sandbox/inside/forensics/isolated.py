"""Does a piece of work in a child with limits, so that one hostile file ends alone.

The child hands back JSON; when it dies, runs out of memory or of time, the reason comes back.
Standard library only.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sandbox.image.document import Unreadable

MEMORY = 900 << 20
MAX_ANSWER = 64 << 20


def isolated(work: Callable[[], Any], seconds: float, memory: int = MEMORY) -> Any:
    """The JSON value that `work` returns. Raises Unreadable with a reason in plain words."""
    pipe, end = os.pipe()
    child = os.fork()
    if not child:
        os.close(pipe)
        _work_and_exit(work, end, memory, seconds)
    os.close(end)
    try:
        answer = _collected(pipe, seconds)
    finally:
        for kill in (os.kill, os.killpg):
            with suppress(ProcessLookupError, PermissionError):
                kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(pipe)
    if answer is None:
        raise Unreadable(f"it took longer than {seconds:g} seconds")
    try:
        found = json.loads(answer)
    except ValueError:
        killed = os.WIFSIGNALED(status)
        reason = "it needed too much memory or time" if killed else "its reader broke off"
        raise Unreadable(reason) from None
    if "refused" in found:
        raise Unreadable(found["refused"])
    return found["value"]


def _work_and_exit(work: Callable[[], Any], end: int, memory: int, seconds: float) -> None:
    os.setsid()
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))
    try:
        try:
            found: dict[str, Any] = {"value": work()}
        except MemoryError:
            found = {"refused": "it needed too much memory"}
        except Unreadable as error:
            found = {"refused": str(error)}
        except Exception as error:  # noqa: BLE001 - a parser fed with garbage raises anything
            text = str(error).splitlines()[0][:400] if str(error) else ""
            found = {"refused": f"{type(error).__name__}: {text}"}
        with os.fdopen(end, "wb") as stream:
            stream.write(json.dumps(found, default=str).encode("ascii"))
    finally:
        os._exit(0)


def _collected(pipe: int, seconds: float) -> bytes | None:
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
