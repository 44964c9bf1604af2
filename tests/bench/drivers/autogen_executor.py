"""Measures AutoGen's Docker executor; run by the Python of AutoGen's own environment.

Usage: autogen_executor.py IMAGE BLOCKS AT_ONCE MEGABYTES. Prints one JSON object: seconds by name.
Files go in and out through the folder that it shares with its container.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any


def opened(image: str, folder: str) -> Any:
    """An executor as its documentation makes one, on the given image."""
    from autogen_ext.code_executors.docker import DockerCommandLineCodeExecutor

    return DockerCommandLineCodeExecutor(image=image, work_dir=Path(folder), timeout=60)


async def run(executor: Any, code: str, language: str) -> str:
    """One block; its output."""
    from autogen_core import CancellationToken
    from autogen_core.code_executor import CodeBlock

    block = CodeBlock(code=code, language=language)
    done = await executor.execute_code_blocks([block], CancellationToken())
    if done.exit_code:
        raise RuntimeError(done.output)
    return str(done.output)


async def seconds(act: Callable[[], Awaitable[object]], times: int = 1) -> float:
    """How long one act takes, as the mean of some."""
    started = time.perf_counter()
    for _ in range(times):
        await act()
    return (time.perf_counter() - started) / times


async def whole(image: str) -> None:
    """Start, one block, stop."""
    with tempfile.TemporaryDirectory() as folder:
        executor = opened(image, folder)
        await executor.start()
        await run(executor, "print(1)", "python")
        await executor.stop()


async def measured(image: str, blocks: int, at_once: int, megabytes: int) -> dict[str, float]:
    """Every figure."""
    content = os.urandom(megabytes << 20)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        executor = opened(image, folder)
        figures["cold start"] = await seconds(executor.start)
        figures["python block"] = await seconds(lambda: run(executor, "print(1)", "python"), 10)
        figures["bash block"] = await seconds(lambda: run(executor, "echo 1", "sh"), 10)
        shared = Path(folder, "big")
        figures["48 MB in"] = await seconds(lambda: asyncio.to_thread(shared.write_bytes, content))
        figures["48 MB out"] = await seconds(lambda: asyncio.to_thread(shared.read_bytes))
        each = await seconds(lambda: run(executor, "echo 1", "sh"), blocks)
        figures["200 blocks"] = 200 * each
        figures["stop"] = await seconds(executor.stop)
    figures["8 at once"] = await seconds(
        lambda: asyncio.gather(*(whole(image) for _ in range(at_once)))
    )
    return figures


if __name__ == "__main__":
    name, *numbers = sys.argv[1:]
    print(json.dumps(asyncio.run(measured(name, *map(int, numbers)))))
