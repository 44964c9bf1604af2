"""Small builders for the sandbox suites."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from sandbox import cgroups
from sandbox.base import Box, Launcher, Result, SandboxSettings

LAUNCHERS: tuple[Launcher, ...] = ("docker", "bubblewrap")
ATTACKING = ("attacks", "escape", "limits", "files", "life", "switches")
"""The modules `test_sandbox_*` whose cases are attacks and faults."""


async def python(box: Box, code: str, timeout_s: float = 30.0) -> Result:
    """Run Python in the box."""
    return await box.run(code, "python", timeout_s=timeout_s)


async def bash(box: Box, code: str, timeout_s: float = 30.0) -> Result:
    """Run a shell script in the box."""
    return await box.run(code, "bash", timeout_s=timeout_s)


async def said(box: Box, code: str) -> str:
    """What a Python program prints; it must succeed."""
    result = await python(box, code)
    assert result.cause == "ok", result
    return result.output.strip()


async def processes(box: Box) -> list[str]:
    """The processes that a fresh block sees besides PID 1 and itself."""
    listing = (
        "import os; print('PS', *[p for p in os.listdir('/proc') if p.isdigit() and int(p) > 1"
    )
    output = await said(box, f"{listing} and int(p) != os.getpid()])")
    (line,) = (line for line in output.splitlines() if line.startswith("PS"))  # others are notes
    return line.split()[1:]


def containers(run_id: str) -> list[str]:
    """The containers of a run that the engine knows, in any state."""
    command = ["docker", "ps", "-aq", "--filter", f"label=quaestor.run={run_id}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def bubblewraps(marker: str) -> list[int]:
    """Processes on this machine whose command line contains the marker."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes()
        except OSError:
            continue
        if marker.encode() in words and b"bwrap" in words.split(b"\0")[0]:
            found.append(int(place.parent.name))
    return found


async def until(claim: Callable[[], bool], seconds: float) -> float:
    """Wait for a claim to become true; how long it took. Fails the test after `seconds`."""
    started = time.monotonic()
    while not claim():
        assert time.monotonic() - started < seconds, f"not within {seconds} seconds"
        await asyncio.sleep(0.05)
    return time.monotonic() - started


def grouped() -> bool:
    """Whether bubblewrap's boxes can have control groups on this machine."""
    group = cgroups.make(memory=1 << 30, pids=10, cpus=1.0)
    if group is not None:
        group.remove()
    return group is not None


def settings(launcher: Launcher, **changes: object) -> SandboxSettings:
    """Settings for a test: short timeouts, everything else as shipped."""
    chosen: dict[str, object] = {"timeout_s": 30.0, **changes}
    return SandboxSettings(launcher=launcher, **chosen)  # type: ignore[arg-type]
