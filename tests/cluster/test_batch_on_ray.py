"""A batch on a real Ray cluster of two nodes with a real Postgres: a worker process is killed; with
SOAK=1 also a node, and the scheduler. All units finish, and no finished step is done again.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from batch_play import (
    batch_cli,
    batch_flags,
    policy,
    results,
    tasks_file,
    wait_until_nothing_is_left,
)
from cli_process import LONG_S, Cli
from forensics_world import small_world, write
from openai_server import Server, from_request_policy, serve
from postgres_server import serve_postgres
from ray_cluster import Node, RayCluster, ray_cluster
from sampling import SOAK

from orchestrator.models.llm import Completion, Request
from tasks.forensics import scripted

COUNT = 30 if SOAK else 6
SLOTS = 2

pytestmark = pytest.mark.timeout(1200)


@contextlib.contextmanager
def on_ray(
    folder: Path, played: Callable[[Request], Completion | str] = policy
) -> Iterator[tuple[Cli, Server, RayCluster]]:
    """The command, its endpoint, and two nodes; journal and rows in Postgres."""
    with serve_postgres() as postgres, serve(from_request_policy(played), delay_s=0.5) as server:
        cli = batch_cli(folder, server.base_url)
        cli.environ["QUAESTOR_JOURNAL_URL"] = postgres.create("quaestor")
        with ray_cluster(cli.environment(), SLOTS, SLOTS) as cluster:
            cli.environ["RAY_ADDRESS"] = cluster.address
            yield cli, server, cluster


def started(cli: Cli, tasks: Path) -> subprocess.Popen[str]:
    flags = [*batch_flags(cli), "--parallel", str(2 * SLOTS), "--engine", "ray"]
    return cli.start("batch", "run", str(tasks), *flags)


def wait_for(holds: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 3 * LONG_S
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "it never came that far"
        time.sleep(0.02)


def check_all_finished(cli: Cli, server: Server, in_flight: int) -> None:
    """Every unit has its answer; prompts that were sent twice were in flight at a kill."""
    assert [row["answer"] for row in results(cli)] == [str(4 * n) for n in range(1, COUNT + 1)]
    sent = Counter(str(entry.body["messages"]) for entry in server.served)
    assert sent.total() - len(sent) <= in_flight


def busy(cluster: RayCluster) -> Node | None:
    """A node that carries as many units as it may."""
    return next((node for node in cluster.nodes if len(node.workers()) == SLOTS), None)


def test_a_worker_that_is_killed_costs_no_finished_step(tmp_path: Path) -> None:
    tasks = tasks_file(tmp_path, COUNT)
    with on_ray(tmp_path) as (cli, server, cluster):
        process = started(cli, tasks)
        wait_for(lambda: len(server.served) >= 2 and busy(cluster) is not None, process)
        node = busy(cluster)
        victims = node.workers() if node else []
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _, err = process.communicate(timeout=6 * LONG_S)
        assert process.returncode == 0, err
        check_all_finished(cli, server, len(victims))
        wait_until_nothing_is_left(tmp_path / "temp")


@pytest.mark.soak  # another cluster, and Ray takes its time to notice
def test_a_node_and_then_the_scheduler_are_killed_and_all_units_finish(tmp_path: Path) -> None:
    tasks = tasks_file(tmp_path, COUNT)
    with on_ray(tmp_path) as (cli, server, cluster):
        process = started(cli, tasks)
        wait_for(lambda: len(server.served) >= 6 and busy(cluster) is not None, process)
        lost = busy(cluster)
        assert lost
        lost.kill()
        before = len(server.served)
        wait_for(lambda: len(server.served) >= before + 6, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        again = cli.start("batch", "resume")
        _, err = again.communicate(timeout=6 * LONG_S)
        assert again.returncode == 0, err
        check_all_finished(cli, server, SLOTS + 2 * SLOTS)
        wait_until_nothing_is_left(tmp_path / "temp")


@pytest.mark.soak  # another cluster
def test_forensics_cases_survive_a_killed_worker_on_the_cluster(tmp_path: Path) -> None:
    write(small_world(1), tmp_path / "files")
    subjects = ("F-HIJACK-1", "H-0", "H-1", "H-2")
    case = {"question": "Does the evidence show a breach?", "evidence": "files"}
    lines = [json.dumps({**case, "case_id": name.lower(), "subject": name}) for name in subjects]
    manifest = tmp_path / "batch.jsonl"
    manifest.write_text("\n".join(lines), encoding="utf-8")
    with on_ray(tmp_path, scripted.policy) as (cli, server, cluster):
        model = ["--model", "scripted", "--base-url", server.base_url, "--sandbox", "bubblewrap"]
        command = ["forensics", "run", str(manifest), *model, "--parallel", str(2 * SLOTS)]
        process = cli.start(*command, "--engine", "ray")
        wait_for(lambda: len(server.served) >= 4 and busy(cluster) is not None, process)
        node = busy(cluster)
        victims = node.workers() if node else []
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        out, err = process.communicate(timeout=6 * LONG_S)
        assert process.returncode == 0, err
        assert "f-hijack-1: done, allegation_supported" in out
        assert out.count(": done") == len(subjects)
        sent = Counter(str(entry.body["messages"]) for entry in server.served)
        assert sent.total() - len(sent) <= len(victims)
        wait_until_nothing_is_left(tmp_path / "temp")


def test_without_a_cluster_it_says_how_to_start_one(tmp_path: Path) -> None:
    tasks = tasks_file(tmp_path, 1)
    cli = batch_cli(tmp_path, "http://127.0.0.1:9/v1")
    cli.environ["RAY_ADDRESS"] = "127.0.0.1:9"
    done = cli("batch", "run", str(tasks), *batch_flags(cli), "--engine", "ray")
    assert done.returncode == 5, done.stderr
    assert "ray start --head" in done.stderr
