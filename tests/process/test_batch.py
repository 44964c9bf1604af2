"""Batches as a person runs them: the command, processes, a real endpoint over HTTP.

40 small tasks here, 200 with SOAK=1.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from batch_play import (
    CANARY,
    batch_cli,
    batch_flags,
    policy,
    report,
    results,
    tasks_file,
    wait_until_nothing_is_left,
)
from cli_process import LONG_S, Cli
from openai_server import Server, from_request_policy, serve
from sampling import SOAK

from tasks.batch.store import Store

COUNT = 200 if SOAK else 40
KILLS = 20 if SOAK else 5
CALLS = 2


def carried(cli: Cli, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A batch command, which may take long on a loaded machine."""
    process = cli.start("batch", *arguments)
    out, err = process.communicate(timeout=20 * LONG_S)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.mark.timeout(3600)
def test_one_at_a_time_eight_at_a_time_and_killed_all_give_the_same_report(tmp_path: Path) -> None:
    reports, tasks = [], tasks_file(tmp_path, COUNT)
    for parallel in (1, 8):
        folder = tmp_path / str(parallel)
        folder.mkdir()
        with serve(from_request_policy(policy)) as server:
            cli = batch_cli(folder, server.base_url)
            flags = [*batch_flags(cli), "--parallel", str(parallel)]
            done = carried(cli, "run", str(tasks), *flags)
            assert done.returncode == 0, done.stderr
            assert len(server.served) == CALLS * COUNT
        wait_until_nothing_is_left(folder / "temp")
        reports.append(report(cli))
    assert reports[0] == reports[1]
    assert [row["score"]["score"] for row in reports[0]].count(0.0) == COUNT // 10
    folder = tmp_path / "killed"
    folder.mkdir()
    assert killed_again_and_again(folder, tasks) == reports[0]


def killed_again_and_again(folder: Path, tasks: Path) -> list[dict[str, object]]:
    """The report of a batch whose scheduler is killed at random moments."""
    chance = random.Random(11)
    with serve(from_request_policy(policy)) as server:
        cli = batch_cli(folder, server.base_url)
        moments = sorted(chance.sample(range(2, CALLS * COUNT), KILLS))
        command = ["run", str(tasks), *batch_flags(cli), "--parallel", "4"]
        for moment in moments:
            kill_at(cli, command, server, moment, chance.uniform(0, 0.3))
            wait_until_nothing_is_left(folder / "temp")
            command = ["resume"] if has_batch(cli) else command
        done = carried(cli, *command)
        assert done.returncode == 0, done.stderr
        assert len(server.served) <= CALLS * COUNT + 4 * KILLS
    wait_until_nothing_is_left(folder / "temp")
    return report(cli)


def kill_at(cli: Cli, command: list[str], server: Server, calls: int, more_s: float) -> None:
    """Start a batch command and kill it once so many calls were made."""
    process = cli.start("batch", *command)
    while len(server.log) < calls and process.poll() is None:
        time.sleep(0.01)
    time.sleep(more_s)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def read(file: Path) -> bytes:
    return file.read_bytes() if file.is_file() else b""


def has_batch(cli: Cli) -> bool:
    store = Store.open(cli.home)
    try:
        return bool(store.newest())
    finally:
        store.close()


def test_units_that_misbehave_do_not_touch_the_others_and_find_no_gold(tmp_path: Path) -> None:
    words = ["hang", "crash", "leak", "flood", "hunt"]
    tasks = tasks_file(tmp_path, 6, misdeeds=words)
    with serve(from_request_policy(policy)) as server:
        cli = batch_cli(tmp_path, server.base_url)
        flags = [*batch_flags(cli), "--parallel", "4", "--wall", "20s"]
        done = carried(cli, "run", str(tasks), *flags)
    assert done.returncode == 3, done.stderr
    rows = {row["task"]: row for row in results(cli)}
    sums = [row for name, row in rows.items() if name.startswith("sum/")]
    assert [(row["ended"], row["answer"]) for row in sums] == [
        ("answered", str(4 * number)) for number in range(1, 7)
    ]
    assert (rows["hang"]["ended"], rows["hang"]["limit"]) == ("partial", "time")
    assert rows["crash"]["ended"] == "crashed"
    assert "died 3 times without finishing another step" in rows["crash"]["reason"]
    assert "signal 6" in rows["crash"]["reason"]
    for word in ("leak", "flood", "hunt"):
        assert (rows[word]["ended"], rows[word]["answer"]) == ("answered", "4")
    shown = cli("show", str(rows["hunt"]["run"])).stdout
    assert "no gold anywhere" in shown
    stored = [file for file in cli.home.rglob("*") if CANARY.search(read(file))]
    assert stored == []
    wait_until_nothing_is_left(tmp_path / "temp")


def test_every_fault_of_a_file_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    cli = batch_cli(tmp_path, "http://127.0.0.1:9/v1")
    path = tmp_path / "tasks.jsonl"
    lines = [
        '{"id": 1, "input": "Add 1 and 1."}',
        '{"id": 1, "input": "  "}',
        "not json",
        '{"id": 3, "input": "x", "scorer": "best", "limits": "moons=3", "golden": 4}',
        '{"id": 4, "input": "x", "files": ["../secret", "none.txt"]}',
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    done = cli("batch", "run", str(path), *batch_flags(cli))
    assert done.returncode == 2
    for said in (
        "tasks.jsonl:2: input: ",
        "tasks.jsonl:3: not JSON",
        "tasks.jsonl:4: scorer: ",
        "tasks.jsonl:4: limits: ",
        "tasks.jsonl:4: golden: ",
        "tasks.jsonl:5: files: '../secret' leads out",
        "tasks.jsonl:5: files: there is no file 'none.txt'",
    ):
        assert said in done.stderr
    assert cli("batch", "list", "--json").stdout == ""


@pytest.mark.soak
def test_records_tell_the_start_every_unit_and_the_end(tmp_path: Path) -> None:
    tasks = tasks_file(tmp_path, 3)
    with serve(from_request_policy(policy)) as server:
        cli = batch_cli(tmp_path, server.base_url)
        flags = [*batch_flags(cli), "--parallel", "2", "--repeat", "2", "--json"]
        done = carried(cli, "run", str(tasks), *flags)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["event"] for record in records] == ["started", *["unit"] * 6, "ended"]
    assert records[-1]["exit_code"] == done.returncode == 0
    assert records[-1]["outcomes"] == {"answered": 6}
    first = [record["repeat"] for record in records[1:4]]
    assert first.count(1) >= 2  # repeats are interleaved: all first ones before any second
    shown = [json.loads(line) for line in cli("batch", "results").stdout.splitlines()]
    assert shown == results(cli)
    assert "6 of 6 units done" in cli("batch", "status").stdout
    folder = tmp_path / "out"
    assert cli("batch", "results", "--out", str(folder)).returncode == 0
    reported = cli("bench", "report", str(folder), "--out", str(folder))
    assert reported.returncode == 0, reported.stderr
