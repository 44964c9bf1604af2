"""Our logs in Inspect, and Quaestor as a solver of Inspect's: the real package, in its own place.

The environment is made once and kept in the user's cache; making it takes some ten seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_play import AGENTS, batch_cli, batch_flags, policy
from bench_play import bench, records, suite_of
from cli_process import LONG_S, ROOT, Cli
from openai_server import from_request_policy, serve

COUNT = 4
READ = """
import json, sys
from inspect_ai.log import read_eval_log, read_eval_log_sample_summaries
log = read_eval_log(sys.argv[1])
samples = [
    {"id": item.id, "epoch": item.epoch, "input": item.input, "target": item.target,
     "answer": item.output.completion, "scores": {n: s.value for n, s in item.scores.items()},
     "tokens": sum(u.total_tokens for u in item.model_usage.values()),
     "cards": [event.source for event in item.events if event.event == "info"]}
    for item in log.samples
]
metrics = {s.name: {n: m.value for n, m in s.metrics.items()} for s in log.results.scores}
print(json.dumps({"status": log.status, "task": log.eval.task, "samples": samples,
                  "total": log.results.total_samples, "metrics": metrics,
                  "listed": len(read_eval_log_sample_summaries(sys.argv[1]))}))
"""
TASK = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from tasks.benchmark.inspect_solver import rule

@task
def sums():
    return Task(
        dataset=[Sample(id="one", input="Add 4 and 5.", target="9"),
                 Sample(id="two", input="Add 5 and 6.", target="12")],
        scorer=rule("exact"),
    )
"""


@pytest.fixture(scope="module")
def inspect() -> Path:
    """The programs of an environment with Inspect and this project."""
    made_from = (ROOT / "pyproject.toml").read_bytes() + str(ROOT).encode()
    name = f"inspect-{hashlib.sha256(made_from).hexdigest()[:12]}"
    place = Path.home() / ".cache" / "quaestor-tests" / name
    into = ["uv", "pip", "install", "-q", "--python", str(place / "bin" / "python")]
    if not (place / "ready").exists():
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run(["uv", "venv", "-q", "--python", "3.11", str(place)], check=True)
        subprocess.run([*into, f"{ROOT}[inspect]"], check=True, timeout=300)
        (place / "ready").touch()
    # As it is installed, since Inspect looks where a package lies.
    subprocess.run([*into, "--no-deps", "--reinstall", str(ROOT)], check=True, timeout=300)
    return place / "bin"


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    with serve(from_request_policy(policy)) as server:
        yield batch_cli(tmp_path, server.base_url)


def call(program: Path, *arguments: str, cli: Cli) -> str:
    """What a program of that environment prints; it must succeed."""
    environ = {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "HOME": str(cli.folder),
        "XDG_CONFIG_HOME": str(cli.folder / "config"),
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "INSPECT_LOG_DIR": str(cli.folder / "logs"),
    }
    done = subprocess.run(
        [str(program), *arguments],
        cwd=cli.folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=2 * LONG_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read(inspect: Path, log: str, cli: Cli) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call(inspect / "python", "-c", READ, log, cli=cli))
    return found


@pytest.mark.soak  # Inspect takes its time
def test_an_exported_log_opens_in_inspect_and_is_scored_again_to_our_scores(
    inspect: Path, cli: Cli, tmp_path: Path
) -> None:
    ran = bench(cli, "run", str(suite_of(tmp_path, COUNT)), *batch_flags(cli), "--json")
    assert ran.returncode == 0, ran.stderr
    ended = records(ran)[-1]
    exported = bench(cli, "export", ended["run"], "--inspect", str(tmp_path / "logs"))
    assert exported.returncode == 0, exported.stderr
    log = exported.stdout.strip()
    found = read(inspect, log, cli)
    assert (found["status"], found["total"], found["listed"]) == ("success", COUNT, COUNT)
    ours = ended["systems"]["scripted"]["score"]
    assert found["metrics"]["exact"]["mean"] == pytest.approx(ours)
    scores = {sample["id"]: sample["scores"]["exact"] for sample in found["samples"]}
    assert scores == {f"sum/{number}": float(number < COUNT) for number in range(1, COUNT + 1)}
    assert all(sample["tokens"] > 0 for sample in found["samples"])
    assert all("orchestrator/ledger/LeadReplied" in sample["cards"] for sample in found["samples"])
    again = ["score", log, "--scorer", "tasks/rule", "-S", "name=exact"]
    call(inspect / "inspect", *again, "--action", "append", "--overwrite", cli=cli)
    rescored = read(inspect, log, cli)
    theirs = {sample["id"]: sample["scores"]["rule"] for sample in rescored["samples"]}
    assert theirs == scores
    assert rescored["metrics"]["rule"]["mean"] == pytest.approx(ours)
    bundle = ["view", "bundle", "--log-dir", str(Path(log).parent), "--output-dir", "seen"]
    call(inspect / "inspect", *bundle, cli=cli)
    assert (cli.folder / "seen" / "index.html").is_file()
    assert Path(log).name in (cli.folder / "seen" / "logs" / "listing.json").read_text("utf-8")


@pytest.mark.soak
def test_quaestor_solves_the_samples_of_a_task_of_inspects(
    inspect: Path, cli: Cli, tmp_path: Path
) -> None:
    task = tmp_path / "cli" / "task.py"
    task.write_text(TASK, encoding="utf-8")
    cli.configure(f"without = ['verify']\n{AGENTS}")
    solver = {"model": "scripted", "base_url": cli.base_url, "web": "false",
              "sandbox": "unsafe-local", "home": str(cli.home)}  # fmt: skip
    arguments = [word for name, value in solver.items() for word in ("-S", f"{name}={value}")]
    command = ["eval", task.name, "--solver", "tasks/quaestor", *arguments]
    call(inspect / "inspect", *command, "--model", "none/none", "--display", "none", cli=cli)
    (log,) = (cli.folder / "logs").glob("*.eval")
    found = read(inspect, str(log), cli)
    assert {sample["id"]: sample["answer"] for sample in found["samples"]} == {
        "one": "9", "two": "11"
    }  # fmt: skip
    assert [sample["scores"]["rule"] for sample in found["samples"]] == [1, 0]
    assert "Reported" in found["samples"][0]["cards"]
    assert len(cli("runs", "--json").stdout.splitlines()) == 2
