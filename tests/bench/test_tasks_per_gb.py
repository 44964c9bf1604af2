"""How many real tasks fit into a gigabyte: the mixed task with a real browser and a container each.

Memory is what the processes hold alone plus their share of what they hold together (PSS), over the
whole tree of the measured process, and what the engine says of the containers.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import scenes
from measuring import last_json, run_product
from performance_page import show
from products import DRIVERS, Quaestor, staged

OURS = Quaestor()
COUNTS = (1, 5)
UNITS = {"B": 1 / 2**20, "KiB": 1 / 2**10, "MiB": 1.0, "GiB": 2.0**10}


@dataclass(slots=True)
class Held:
    """The most memory at any one moment, in MB, by what holds it."""

    marker: str
    most: dict[str, float] = field(default_factory=dict)
    done: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Look again and again until the tasks are done."""
        while not self.done.wait(0.5):
            root, now = _processes(self.marker)
            now["containers"] = _containers(root)
            if sum(now.values()) > sum(self.most.values()):
                self.most = now


@pytest.mark.timeout(900)
def test_several_real_tasks_with_browser_and_container_fit_into_a_gigabyte(tmp_path: Path) -> None:
    found = {count: _at_once(count, tmp_path / str(count)) for count in COUNTS}
    few, many = (sum(found[count].values()) for count in COUNTS)
    extra = (many - few) / (COUNTS[1] - COUNTS[0])
    table = {
        f"{count} at once": {name: f"{mb:.0f} MB" for name, mb in held.items()}
        for count, held in found.items()
    }
    table["each further task"] = {"all": f"{extra:.0f} MB", "per GB": f"{1024 / extra:.1f}"}
    show("per-gb", table)
    assert extra < 512


def _at_once(count: int, folder: Path) -> dict[str, float]:
    with staged(scenes.mixed(random.Random(count)), folder) as stage:
        config = {
            "base_url": "{base_url}",
            "tasks": [stage.scene.task] * count,
            "files": [str(file) for file in stage.files],
            "home": str(folder / "home"),
            "allow_hosts": [stage.site.removeprefix("http://")],
            "sandbox": "docker",
        }
        held = Held(str(folder / "home"))
        watcher = threading.Thread(target=held.watch)
        watcher.start()
        try:
            figures, _server = run_product(
                [sys.executable, str(DRIVERS / "quaestor_many.py"), json.dumps(config)],
                OURS.policy, cwd=folder, environ=OURS.environ(stage), delay_s=0.3,
            )  # fmt: skip
        finally:
            held.done.set()
            watcher.join()
        results: list[dict[str, str | None]] = last_json(figures.output)["results"]  # type: ignore[assignment]
        right = sum(stage.scene.answer in (one["answer"] or "") for one in results)
        assert right == count, figures.output[-2000:]
    return held.most


def _processes(marker: str) -> tuple[int, dict[str, float]]:
    """The process whose command line holds the marker, and the PSS of what descends from it."""
    parents, names, root = {}, {}, 0
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            words = (place / "cmdline").read_bytes().decode("utf-8", "replace")
            head, _, rest = (place / "stat").read_text(encoding="utf-8").rpartition(")")
            pid = int(place.name)
            parents[pid], names[pid] = int(rest.split()[1]), head.partition("(")[2]
            if marker in words and "quaestor_many.py" in words:
                root = pid
    sums: dict[str, float] = defaultdict(float)
    for pid in parents:
        line = pid
        while line and line != root:
            line = parents.get(line, 0)
        if root and line == root:
            sums[_kind(names[pid])] += _pss(pid)
    return root, dict(sums)


def _kind(name: str) -> str:
    if name.startswith(("chrom", "bwrap")):
        return "Chromium"
    return "its driver" if name.startswith(("node", "MainThread")) else "Quaestor"


def _pss(pid: int) -> float:
    with suppress(OSError, StopIteration):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        return int(next(w for w in text.splitlines() if w.startswith("Pss:")).split()[1]) / 1024
    return 0.0


def _containers(process: int) -> float:
    """Memory of the containers that a process has started, in MB, as the engine counts it."""
    labelled = '{{.ID}} {{.Label "quaestor.process"}}'
    told = subprocess.run(
        ["docker", "ps", "--format", labelled], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(" ", 1) for line in told.splitlines()]
    listed = [row[0] for row in rows if row[-1].startswith(f"{process}@")]
    if not listed:
        return 0.0
    told = subprocess.run(
        ["docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", *listed],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    total = 0.0
    for line in told.splitlines():
        used = line.partition(" /")[0].strip()
        number = used.rstrip("BKMGi")
        with suppress(ValueError, KeyError):
            total += float(number) * UNITS[used[len(number) :]]
    return total
