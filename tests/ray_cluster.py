"""A real Ray cluster of several nodes on loopback: each node is a process group of its own that can
be killed as a machine would be.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

RAY = str(Path(sys.executable).parent / "ray")
START_S = 120.0
MEMORY = 80 << 20


@dataclass(slots=True)
class Node:
    """One `ray start --block` with everything below it."""

    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """Kill every process of the node at once, as a power cut does."""
        for pid in [*below(self.process.pid), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def workers(self) -> list[int]:
        """The processes that carry a task right now."""
        return [pid for pid in below(self.process.pid) if b"ray::carry_here" in command_line(pid)]


@dataclass(slots=True)
class RayCluster:
    """A head without slots, and nodes with some."""

    address: str
    folder: Path
    environ: Mapping[str, str]
    nodes: list[Node] = field(default_factory=list)

    def add(self, slots: int, *options: str) -> Node:
        """Start a node and wait until it is up."""
        number = len(self.nodes)
        log = self.folder / f"node-{number}.log"
        joined = options or (f"--address={self.address}",)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [RAY, "start", *joined, "--block", f"--num-cpus={slots}", "--disable-usage-stats",
                 f"--object-store-memory={MEMORY}"],
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        node = Node(process, log)
        self.nodes.append(node)
        until = time.monotonic() + START_S
        while "Ray runtime started" not in log.read_text(errors="replace"):
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < until, log.read_text(errors="replace")
            time.sleep(0.1)
        return node


@contextlib.contextmanager
def ray_cluster(environ: Mapping[str, str], *slots: int) -> Iterator[RayCluster]:
    """A cluster with a node for each number of slots, ended with everything of it."""
    with tempfile.TemporaryDirectory(
        prefix="qray-", dir="/tmp", ignore_cleanup_errors=True
    ) as name:
        folder, port = Path(name), _free_port()
        cluster = RayCluster(f"127.0.0.1:{port}", folder, environ)
        head = ("--head", f"--port={port}", f"--temp-dir={folder / 'ray'}",
                "--node-ip-address=127.0.0.1", "--include-dashboard=false")  # fmt: skip
        try:
            cluster.add(0, *head)
            for number in slots:
                cluster.add(number)
            yield cluster
        finally:
            for node in reversed(cluster.nodes):
                node.kill()


def below(root: int) -> list[int]:
    """All descendants of a process."""
    found: list[int] = []
    for task in Path(f"/proc/{root}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for word in task.read_text().split():
                found += [int(word), *below(int(word))]
    return found


def command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
