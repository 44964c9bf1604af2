"""Runs a product as a process beside the scripted endpoint, and takes its figures.

Tokens and calls are what the endpoint counted. CPU is the product's own process, without its
browser and its programs, from its first request on. Memory is the most that its process held.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from openai_faults import Body
from openai_server import Server, serve

from orchestrator.models.llm import Completion

Policy = Callable[[Body], Completion | str]
TICK = os.sysconf("SC_CLK_TCK")
LONG_S = 600.0
REALISTIC = {"delay_s": 0.3, "token_s": 0.015}


@dataclass(frozen=True, slots=True)
class Figures:
    """One product on one task. Seconds, tokens, MB; `start_s` is from the process's start to its
    first request, `wall_s` from there to its end."""

    calls: int
    tokens_in: int
    cached: int
    tokens_out: int
    start_s: float
    wall_s: float
    start_cpu_s: float
    cpu_s: float
    memory_mb: float
    output: str = ""

    @property
    def cacheable(self) -> float:
        """The share of the prompts that an earlier request of the task began with, too."""
        return self.cached / max(1, self.tokens_in)

    @property
    def billed(self) -> float:
        """Prompt tokens with those that a prefix cache holds at a tenth of the price."""
        return self.tokens_in - 0.9 * self.cached

    @property
    def cpu_per_call_ms(self) -> float:
        return 1000 * self.cpu_s / max(1, self.calls)

    @property
    def total_s(self) -> float:
        return self.start_s + self.wall_s


@dataclass(slots=True)
class Watched:
    """What is seen of a process while it runs."""

    pid: int = 0
    peak_mb: float = 0.0
    cpu_at_first: float = 0.0
    first: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)

    def note_first(self) -> None:
        """The first request has come."""
        if not self.first:
            self.first, self.cpu_at_first = time.time(), cpu_of(self.pid)

    def sample(self) -> None:
        """Keep the highest memory until the process is done."""
        while not self.done.wait(0.02):
            self.peak_mb = max(self.peak_mb, memory_of(self.pid))


def run_product(
    command: Sequence[str],
    policy: Policy,
    *,
    cwd: Path,
    environ: dict[str, str],
    delay_s: float = 0.0,
    token_s: float = 0.0,
) -> tuple[Figures, Server]:
    """Run a command whose words may hold {base_url}; its figures, and the endpoint's log."""
    watched = Watched()

    def played(body: Body) -> Completion | str:
        watched.note_first()
        return policy(body)

    with serve(played, delay_s=delay_s, token_s=token_s) as server:
        words = [word.replace("{base_url}", server.base_url) for word in command]
        output = cwd / "product.out"
        with output.open("w", encoding="utf-8") as out:
            began = time.time()
            process = subprocess.Popen(
                words, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
            watched.pid = process.pid
            sampler = threading.Thread(target=watched.sample)
            sampler.start()
            try:
                _wait(process)
                ended, cpu = time.time(), cpu_of(process.pid)
            finally:
                watched.done.set()
                sampler.join()
                process.kill()
                process.wait()
    said = output.read_text(encoding="utf-8")
    assert process.returncode == 0, f"{words[:4]} ended with {process.returncode}:\n{said[-3000:]}"
    calls, prompt, cached, written = server.counted()
    first = watched.first or ended
    figures = Figures(
        calls, prompt, cached, written, first - began, ended - first,
        watched.cpu_at_first, cpu - watched.cpu_at_first, watched.peak_mb, said,
    )  # fmt: skip
    return figures, server


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end without collecting the process, so that its CPU can still be read."""
    deadline = time.monotonic() + LONG_S
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
            return
        time.sleep(0.005)
    raise TimeoutError(f"the product has not ended within {LONG_S:g} s")


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and its threads, without its children."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK
    return 0.0


def memory_of(pid: int) -> float:
    """The most that a process has held so far, in MB; 0 when it is gone."""
    with suppress(OSError, IndexError, StopIteration):
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return 0.0


def last_json(output: str) -> dict[str, object]:
    """The last line of an output that is JSON."""
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            return dict(json.loads(line))
    raise AssertionError(f"no JSON in the output:\n{output[-3000:]}")
