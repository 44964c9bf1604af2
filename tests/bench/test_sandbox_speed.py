"""The sandbox beside bare `docker exec` and AutoGen's Docker executor, on the same engine and
packages, in one run.

`docker exec` has none of the protections and leaves files and processes behind: it is the floor
that people know. AutoGen's executor has a network, a shared folder of the host and no limits.
Asserted are ratios, with room for a busy machine; the table is for reading.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from peers import AUTOGEN, peer_environment
from sandbox_bench import LAUNCHERS, settings

from sandbox.base import IMAGE, Launcher, Sandbox

BLOCKS = 200
AT_ONCE = 8
MEGABYTES = 48
PEER_BLOCKS = 20
"""Of AutoGen's 200 blocks so many are run, and the time is scaled up."""
PEER_IMAGE = "quaestor-bench-peer"
DRIVER = Path(__file__).parent / "drivers/autogen_executor.py"
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


def of_autogen() -> Figures:
    """The same with AutoGen's executor, in an environment of its own. It calls its interpreter
    `python`, which the image gets a name for."""
    python = peer_environment("autogen", AUTOGEN)
    name, image = f"quaestor-bench-{os.getpid()}", PEER_IMAGE
    link = ["ln", "-s", "/usr/bin/python3", "/usr/local/bin/python"]
    made = (
        ["docker", "run", f"--name={name}", "--network=none", IMAGE, *link],
        ["docker", "commit", name, image],
        ["docker", "rm", "-f", name],
    )
    for command in made:
        subprocess.run(command, check=True, capture_output=True)
    numbers = map(str, (PEER_BLOCKS, AT_ONCE, MEGABYTES))
    command = [str(python), "-W", "ignore", str(DRIVER), image, *numbers]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def table(columns: dict[str, Figures]) -> str:
    """Seconds by row and column, with each as a share of what AutoGen's executor takes."""
    lines = [f"{'seconds':<14}" + "".join(f"{name:>22}" for name in columns)]
    for row in columns["docker"]:
        peer = columns["autogen"][row]
        cells = [
            f"{of[row]:>14.3f} {of[row] / peer:>6.2f}x" if row in of else f"{'':>22}"
            for of in columns.values()
        ]
        lines.append(f"{row:<14}" + "".join(cells))
    return "\n".join(lines)


@pytest.fixture
def cleared() -> Iterator[None]:
    """Nothing of ours is left on the engine, whatever happened."""
    yield
    name = f"quaestor-bench-{os.getpid()}"
    subprocess.run(["docker", "rm", "-f", name], check=False, capture_output=True)
    subprocess.run(["docker", "rmi", "-f", PEER_IMAGE], check=False, capture_output=True)


@pytest.mark.usefixtures("cleared")
async def test_a_block_costs_less_than_a_bare_docker_exec(tmp_path: Path) -> None:
    columns: dict[str, Figures] = {"docker exec": await of_exec(tmp_path)}
    columns["autogen"] = await asyncio.to_thread(of_autogen)
    for launcher in LAUNCHERS:
        columns[launcher] = await of_sandbox(launcher)
    print(f"\n{table(columns)}")
    bare, docker, bwrap = columns["docker exec"], columns["docker"], columns["bubblewrap"]
    assert docker["200 blocks"] < bare["200 blocks"]
    assert bwrap["cold start"] < bare["cold start"]
    assert max(docker["stop"], bwrap["stop"]) < 2
    for row in ("python block", "bash block", "200 blocks", "stop"):
        assert docker[row] < columns["autogen"][row], row
    assert max(docker["48 MB in"], docker["48 MB out"]) < 5
