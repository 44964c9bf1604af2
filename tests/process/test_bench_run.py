"""Benchmark runs as a person makes them: the command, processes, a real endpoint over HTTP."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_play import batch_cli, batch_flags, policy
from cli_process import LONG_S, Cli
from openai_server import Server, from_request_policy, serve

COUNT = 6


def suite_of(folder: Path, count: int = COUNT, **more: Any) -> Path:
    """Sums, the last one with a gold that nobody can find."""
    rows = [
        {"id": f"sum/{number}", "input": f"Add {number} and {3 * number}.",
         "gold": str(4 * number) if number < count else "canary-0123456789ab",
         "level": number % 2, **more}
        for number in range(1, count + 1)
    ]  # fmt: skip
    path = folder / "gold" / "sums.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def bench(cli: Cli, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A bench command, which may take long on a loaded machine."""
    process = cli.start("bench", *arguments)
    out, err = process.communicate(timeout=10 * LONG_S)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def records(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(from_request_policy(policy)) as running:
        yield running


@pytest.fixture
def cli(tmp_path: Path, server: Server) -> Cli:
    return batch_cli(tmp_path, server.base_url)


def test_a_suite_is_run_scored_reported_and_scored_again_without_a_call(
    cli: Cli, server: Server, tmp_path: Path
) -> None:
    flags = [*batch_flags(cli), "--parallel", "3", "--json"]
    done = bench(cli, "run", str(suite_of(tmp_path)), *flags)
    assert done.returncode == 0, done.stderr
    started, *units, ended = records(done)
    assert (started["event"], started["planned"], len(units)) == ("started", COUNT, COUNT)
    system = ended["systems"]["scripted"]
    assert system["classes"] == {"correct": COUNT - 1, "wrong": 1}
    assert system["score"] == pytest.approx((COUNT - 1) / COUNT)
    assert not any(unit["score"] for unit in units)
    report = json.loads((Path(ended["results"]) / "report.json").read_text(encoding="utf-8"))
    assert [unit["level"] for unit in report["units"]] == [str(n % 2) for n in range(1, COUNT + 1)]
    assert {unit["score"]["detail"]["extraction"] for unit in report["units"]} == {"structured"}
    asked = len(server.log)
    again = bench(cli, "score", "last", "--scorer", "contains")
    assert again.returncode == 0, again.stderr
    assert "by contains" in again.stdout
    assert len(server.log) == asked
