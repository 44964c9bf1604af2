"""What a batch itself costs: a unit against bare processes, and ten thousand units looked at.

Ratios within one run on one machine; only the promises about ten thousand units (a status within a
second, a report within five) are in seconds.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

from batch_play import batch_cli, batch_flags, policy, tasks_file
from cli_process import COMMAND, Cli
from openai_server import from_request_policy, serve

from orchestrator.limits import Limits
from orchestrator.settings import Settings
from tasks.batch.preparing import plan_of, planned_of
from tasks.batch.results import manifest_of, results_of, write_results
from tasks.batch.rules import Settled
from tasks.batch.store import Store
from tasks.batch.task_file import read_tasks
from tasks.batch.values import Unit
from tasks.benchmark.report import write_report
from tasks.benchmark.results import read_results
from tasks.benchmark.rows import UnitResult

UNITS, BARE = 40, 5
MANY = 10_000
STATUS_S, REPORT_S = 1.0, 5.0


def seconds(*command: str, cli: Cli) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=cli.project, env=cli.environment(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - began


def processor_s(*command: str, cli: Cli) -> float:
    """Processor time of a process and its children, which a loaded machine does not change much."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds(*command, cli=cli)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_a_unit_costs_less_than_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    few, many = tasks_file(tmp_path / "few", 1), tasks_file(tmp_path, UNITS + 1)
    with serve(from_request_policy(policy)) as server:
        cli = batch_cli(tmp_path, server.base_url)
        run = [*COMMAND, "batch", "run"]
        one = seconds(*run, str(few), *batch_flags(cli), cli=cli)
        all_of_them = seconds(*run, str(many), *batch_flags(cli), cli=cli)
        bare = [seconds(sys.executable, "-c", "pass", cli=cli) for _ in range(BARE)]
        task = "Add 3 and 9."
        alone = [seconds(*COMMAND, "run", task, *batch_flags(cli), cli=cli) for _ in range(BARE)]
    unit, empty, whole = (all_of_them - one) / UNITS, sum(bare) / BARE, sum(alone) / BARE
    print(f"\na unit of a batch: {unit:.3f} s; `quaestor run` for the same task: {whole:.3f} s; "
          f"an empty Python process: {empty:.3f} s")  # fmt: skip
    print(f"a unit costs {unit / whole:.2f} of a run by hand, {unit / empty:.1f} empty processes")
    assert unit < whole


def test_ten_thousand_units_are_looked_at_quickly(tmp_path: Path) -> None:
    tasks = read_tasks(tasks_file(tmp_path, MANY // 5))
    cli = batch_cli(tmp_path, "http://127.0.0.1:9/v1")
    plan = plan_of(tasks, {"m": Settings()}, repeats=5, parallel=8, limits=Limits(), wall_s=3600.0)
    store = Store.open(cli.home)
    batch = store.create(plan, planned_of(tasks, plan))
    fill(store, batch)
    began = time.process_time()
    totals = store.totals(batch)
    counted = time.process_time() - began
    assert (totals.planned, totals.done) == (MANY, MANY)
    began = time.process_time()
    results = list(results_of(store.all(batch), tasks.cases))
    write_results(tmp_path / "out", manifest_of(store.read(batch), tasks), results)
    scored = time.process_time() - began
    began = time.process_time()
    write_report(read_results(tmp_path / "out"), tmp_path / "out")
    reported = time.process_time() - began
    store.close()
    status = processor_s(*COMMAND, "batch", "status", cli=cli)
    empty = batch_cli(made(tmp_path / "empty"), "http://127.0.0.1:9/v1")
    start = processor_s(*COMMAND, "batch", "list", cli=empty)
    print(
        f"\n10,000 units, seconds of processor time: counted {counted:.3f}, results {scored:.2f}, "
        f"report {reported:.2f}, `batch status` {status:.2f} ({start:.2f} with no unit)"
    )
    assert counted < STATUS_S
    assert status - start < STATUS_S
    assert reported < REPORT_S


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def fill(store: Store, batch: str) -> None:
    """Give every unit a result, as a scheduler would."""
    hold = store.claim(batch, "bench:1")
    for unit in store.all(batch):
        settled = Settled("done", "answered")
        store.change(
            hold,
            unit.unit,
            {
                "state": settled.state, "outcome": settled.outcome, "attempt": 1, "run": unit.unit,
                "calls": 2, "tokens": 4_000, "usd_micros": 120, "result": result_of(unit),
            },
        )  # fmt: skip


def result_of(unit: Unit) -> str:
    row = UnitResult(
        unit=unit.unit, task=unit.task, repeat=unit.repeat, system=unit.system, ended="answered",
        answer="4", rounds=2, signals={"unsupported": 0}, run=unit.unit,
    )  # fmt: skip
    return row.model_dump_json()
