"""The sandbox beside bare `docker exec` on the same engine and image, in one run.

`docker exec` has none of the protections and leaves files and processes behind: it is the floor
that people know. Asserted are ratios, with room for a busy machine; the table is for reading.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from sandbox_bench import LAUNCHERS, settings

from sandbox.base import IMAGE, Launcher, Sandbox

BLOCKS = 200
AT_ONCE = 8
MEGABYTES = 48
Figures = dict[str, float]


class BareContainer:
    """A container that sleeps, used with the engine's own client."""

    def __init__(self) -> None:
        self.name = f"quaestor-bench-{os.getpid()}"
        command = ["docker", "run", "-d", "--rm", "--network=none", f"--name={self.name}", IMAGE]
        subprocess.run([*command, "sleep", "600"], check=True, capture_output=True)

    async def exec(self, *command: str) -> None:
        """Run a program and wait for it."""
        process = await asyncio.create_subprocess_exec(
            "docker", "exec", self.name, *command, stdout=subprocess.DEVNULL
        )
        assert await process.wait() == 0

    def copy(self, source: str, target: str) -> None:
        """Copy a file in or out; NAME: stands for the container."""
        names = [place.replace("NAME:", f"{self.name}:") for place in (source, target)]
        subprocess.run(["docker", "cp", *names], check=True, capture_output=True)

    def stop(self) -> None:
        """Stop it as people do, without a grace of 10 seconds."""
        subprocess.run(["docker", "rm", "-f", self.name], check=True, capture_output=True)


async def seconds(act: Callable[[], Awaitable[object]], times: int = 1) -> float:
    """How long one act takes, as the mean of some."""
    started = time.perf_counter()
    for _ in range(times):
        await act()
    return (time.perf_counter() - started) / times


async def of_sandbox(launcher: Launcher) -> Figures:
    """Every figure for one launcher."""
    content = os.urandom(MEGABYTES << 20)
    started = time.perf_counter()
    async with Sandbox.open(settings(launcher)) as box:
        figures = {"cold start": time.perf_counter() - started}
        figures["python block"] = await seconds(lambda: box.run("print(1)", "python"), 10)
        figures["bash block"] = await seconds(lambda: box.run("echo 1", "bash"), 10)
        figures["48 MB in"] = await seconds(lambda: box.put("big", content))
        figures["48 MB out"] = await seconds(lambda: box.get("big"))
        figures["200 blocks"] = BLOCKS * await seconds(lambda: box.run("echo 1", "bash"), BLOCKS)
        stopping = time.perf_counter()
    figures["stop"] = time.perf_counter() - stopping

    async def one() -> None:
        async with Sandbox.open(settings(launcher)) as box:
            assert (await box.run("print(1)", "python")).output == "1\n"

    figures["8 at once"] = await seconds(lambda: asyncio.gather(*(one() for _ in range(AT_ONCE))))
    return figures


async def of_exec(folder: Path) -> Figures:
    """The same with `docker exec` and `docker cp`."""
    big = folder / "big"
    big.write_bytes(os.urandom(MEGABYTES << 20))
    started = time.perf_counter()
    bare = BareContainer()
    figures = {"cold start": time.perf_counter() - started}
    try:
        block = ("python3", "-c", "print(1)")
        figures["python block"] = await seconds(lambda: bare.exec(*block), 10)
        shell = ("bash", "-c", "echo 1")
        figures["bash block"] = await seconds(lambda: bare.exec(*shell), 10)
        started = time.perf_counter()
        bare.copy(str(big), "NAME:/var/tmp/big")
        figures["48 MB in"] = time.perf_counter() - started
        started = time.perf_counter()
        bare.copy("NAME:/var/tmp/big", str(folder / "back"))
        figures["48 MB out"] = time.perf_counter() - started
        figures["200 blocks"] = BLOCKS * await seconds(lambda: bare.exec(*shell), 40)
    finally:
        started = time.perf_counter()
        bare.stop()
    figures["stop"] = time.perf_counter() - started
    return figures


@pytest.fixture
def cleared() -> Iterator[None]:
    """Nothing of ours is left on the engine, whatever happened."""
    yield
    name = f"quaestor-bench-{os.getpid()}"
    subprocess.run(["docker", "rm", "-f", name], check=False, capture_output=True)


@pytest.mark.usefixtures("cleared")
async def test_a_block_costs_less_than_a_bare_docker_exec(tmp_path: Path) -> None:
    columns: dict[str, Figures] = {"docker exec": await of_exec(tmp_path)}
    for launcher in LAUNCHERS:
        columns[launcher] = await of_sandbox(launcher)
    print(f"\n{'seconds':<14}" + "".join(f"{name:>14}" for name in columns))
    for row in columns["docker"]:
        cells = [f"{c[row]:>14.3f}" if row in c else f"{'':>14}" for c in columns.values()]
        print(f"{row:<14}" + "".join(cells))
    bare, docker, bwrap = columns["docker exec"], columns["docker"], columns["bubblewrap"]
    assert docker["200 blocks"] < bare["200 blocks"]
    assert docker["cold start"] < 3 * bare["cold start"]
    assert bwrap["cold start"] < bare["cold start"]
    assert max(docker["stop"], bwrap["stop"]) < 2
    assert max(docker["48 MB in"], docker["48 MB out"]) < 5
