"""SIGINT and SIGTERM at random moments of the demo leave a run that can be resumed, and neither a
container nor a browser behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from openai_server import Server, from_request_policy, serve
from process.test_modes import quaestor
from sampling import sampled

from tasks.demo.play import MATERIAL
from tasks.demo.policy import policy
from tasks.demo.site import Site, serve_site

MOMENTS = 20
SEED = 5


def moments() -> list[tuple[float, signal.Signals]]:
    chance = random.Random(SEED)
    kinds = (signal.SIGINT, signal.SIGTERM)
    return [(round(chance.uniform(0.2, 7.0), 2), kinds[n % 2]) for n in range(MOMENTS)]


def start(home: Path, server: Server, site: Site) -> subprocess.Popen[str]:
    task = (MATERIAL / "task.txt").read_text(encoding="utf-8").replace("{site}", site.base_url)
    files = [argument for name in ("catalogue.xlsx", "terms.pdf") for argument in attach(name)]
    command = ["run", task, *files, "--model", "scripted", "--base-url", server.base_url]
    return subprocess.Popen(
        [sys.executable, "-m", "tasks.cli", *command, "--allow-host", site.host, "--json"],
        env={**os.environ, "QUAESTOR_HOME": str(home), "OPENAI_API_KEY": "sk-test"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def attach(name: str) -> list[str]:
    return ["--attach", str(MATERIAL / name)]


def containers_of(run: str) -> list[str]:
    listed = subprocess.run(
        ["docker", "ps", "-a", "--format", "{{.ID}} {{.Labels}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in listed.stdout.splitlines() if run in line]


def processes_of_session(session: int) -> list[str]:
    """What still runs in the process session that the command was started in."""
    left = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == session:
                left.append((folder / "cmdline").read_bytes().decode().replace("\0", " ")[:80])
        except (ProcessLookupError, FileNotFoundError):
            continue
    return left


def settled(check: object, seconds: float = 3.0) -> list[str]:
    """What a check still finds after a moment's patience."""
    assert callable(check)
    deadline = time.monotonic() + seconds
    while (found := check()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return list(found)


@pytest.mark.parametrize(("after", "kind"), sampled(moments(), 2))
def test_a_signal_at_any_moment_leaves_a_resumable_run_and_nothing_else(
    tmp_path: Path, after: float, kind: signal.Signals
) -> None:
    home = tmp_path / "home"
    with (
        serve(from_request_policy(policy), delay_s=0.15) as server,
        serve_site(MATERIAL / "site") as site,
    ):
        process = start(home, server, site)
        time.sleep(after)
        process.send_signal(kind)
        printed, errors = process.communicate(timeout=30)
        status = process.returncode
        assert status in (0, 128 + kind), errors
        assert settled(lambda: processes_of_session(process.pid)) == []
        records = [json.loads(line) for line in printed.splitlines()]
        assert [record["event"] for record in records].count("outcome") == 1
        assert records[-1]["exit"] == status
        run = records[-1]["run"]
        if run is None:  # it came before there was a run
            return
        assert settled(lambda: containers_of(run)) == []
        if status == 0:
            return
        assert records[-1]["outcome"] == "cancelled"
        assert f"quaestor resume {run[:4]}" in errors
        done = quaestor(home, "resume", run, "--json")
        outcome = json.loads(done.stdout.splitlines()[-1])
        assert (done.returncode, outcome["outcome"]) == (0, "answered"), done.stderr
        assert "Ellis Components" in outcome["answer"]
