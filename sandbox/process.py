"""A supervisor as a child process of ours, for the launchers that need no engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from orchestrator.errors import SandboxFailed
from sandbox.wire import Wire

STREAM_LIMIT = 1 << 20
COMPLAINT_BYTES = 2048
EXIT_S = 2.0
T = TypeVar("T")


async def finished(work: Coroutine[Any, Any, T], undo: Callable[[T], Awaitable[None]]) -> T:
    """Do it to its end even when the caller is cancelled; then undo it and pass that on.

    asyncio may wait for ever for a child whose start was cancelled half-way.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled() and task.exception() is None:
            await undo(task.result())
        raise


async def spawn(
    command: Sequence[str],
    clean: Callable[[], Awaitable[None]],
    *,
    pass_fds: Sequence[int] = (),
) -> Wire:
    """Start it; `clean` runs after it is dead. Raises SandboxFailed when it cannot be executed."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=STREAM_LIMIT,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"},
            start_new_session=True,
            pass_fds=pass_fds,
        )
    except OSError as error:
        await clean()
        raise SandboxFailed(f"{command[0]} could not be started: {error}") from error
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise SandboxFailed("the box has no stream")
    complaint = bytearray()
    listening = asyncio.ensure_future(_listen(process.stderr, complaint))
    sink = process.stdin

    async def kill() -> None:
        # The end of stdin lets the supervisor kill what it started; then it is killed itself.
        sink.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), EXIT_S)
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await listening
        await clean()

    return Wire(
        source=process.stdout,
        sink=sink,
        kill=kill,
        complaint=lambda: complaint.decode("utf-8", errors="replace").strip(),
        name=str(process.pid),
    )


async def _listen(stderr: asyncio.StreamReader, complaint: bytearray) -> None:
    while piece := await stderr.read(4096):
        complaint += piece
        del complaint[:-COMPLAINT_BYTES]
