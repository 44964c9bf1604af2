"""What happens to a batch from outside: questions, cancels, faults of the endpoint, a second
scheduler, a stop. The real command, processes, and an endpoint over HTTP."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from batch_play import (
    batch_cli,
    batch_flags,
    policy,
    results,
    stored,
    tasks_file,
    wait_until_nothing_is_left,
)
from cli_process import LONG_S, Cli
from openai_faults import Fault
from openai_server import Server, from_request_policy, serve
from sampling import SOAK

from tasks.batch.values import Totals

STOPS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)][: 2 if SOAK else 1]


@contextmanager
def played(folder: Path, **how: Any) -> Iterator[tuple[Cli, Server]]:
    """A command and its endpoint."""
    with serve(from_request_policy(policy), **how) as server:
        yield batch_cli(folder, server.base_url), server


def eventually(holds: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + LONG_S
    while not holds():
        assert time.monotonic() < until, what
        time.sleep(0.05)


def status(cli: Cli) -> Totals:
    with stored(cli) as (store, batch):
        return store.totals(batch)


def test_a_unit_that_asks_is_parked_and_goes_on_once_it_is_answered(tmp_path: Path) -> None:
    tasks = tasks_file(tmp_path, 3, misdeeds=["ask"])
    with played(tmp_path) as (cli, _server):
        flags = [*batch_flags(cli), "--parallel", "1", "--on-question", "stop"]
        done = cli("batch", "run", str(tasks), *flags)
        assert done.returncode == 4, done.stderr
        assert status(cli).states == {"done": 3, "parked": 1}  # it held no place meanwhile
        assert "questions wait: quaestor inbox" in done.stdout
        question = json.loads(cli("inbox", "--json").stdout)
        answered = cli("answer", "--no-resume", question["question"], "approve")
        assert answered.returncode == 0, answered.stderr
        again = cli("batch", "resume")
        assert again.returncode == 0, again.stderr
    rows = {row["task"]: row for row in results(cli)}
    assert (rows["ask"]["ended"], rows["ask"]["answer"], rows["ask"]["attempts"]) == (
        "answered", "4", 2,
    )  # fmt: skip


def test_a_question_is_denied_unless_one_says_otherwise(tmp_path: Path) -> None:
    tasks = tasks_file(tmp_path, 0, misdeeds=["ask"])
    with played(tmp_path) as (cli, _server):
        done = cli("batch", "run", str(tasks), *batch_flags(cli))
    assert done.returncode == 0, done.stderr
    row = results(cli)[0]
    assert (row["ended"], row["signals"]["denied"]) == ("answered", 1)


def test_a_cancel_ends_what_runs_and_starts_nothing_more(tmp_path: Path) -> None:
    tasks = tasks_file(tmp_path, 6, misdeeds=["hang"])
    with played(tmp_path, delay_s=1.0) as (cli, server):
        flags = [*batch_flags(cli), "--parallel", "2"]
        process = cli.start("batch", "run", str(tasks), *flags)
        eventually(lambda: len(server.log) >= 3, "no unit began")
        assert cli("batch", "cancel").returncode == 0
        out, err = process.communicate(timeout=LONG_S)
    assert process.returncode == 130, err
    stood = status(cli)
    assert stood.states == {"done": 7}, out
    assert stood.outcomes["cancelled"] >= 3
    wait_until_nothing_is_left(tmp_path / "temp")


@pytest.mark.soak  # another whole batch
def test_what_the_endpoint_refused_is_apart_and_runs_again_on_demand(tmp_path: Path) -> None:
    tasks = tasks_file(tmp_path, 2)
    with played(tmp_path, faults=[Fault(1, "bad-key", times=2)]) as (cli, _server):
        flags = [*batch_flags(cli), "--parallel", "2"]
        done = cli("batch", "run", str(tasks), *flags)
        assert done.returncode == 3, done.stderr
        assert "quaestor batch retry" in done.stdout
        assert [row["ended"] for row in results(cli)] == ["infra", "infra"]
        assert {row["fault"] for row in results(cli)} == {"bad_key"}
        again = cli("batch", "retry", "--only", "infra")
        assert again.returncode == 0, again.stderr
    assert [row["answer"] for row in results(cli)] == ["4", "8"]
    assert "has no unit that failed so" in cli("batch", "retry", "--only", "infra").stdout


@pytest.mark.soak  # it waits for a minute to pass
def test_a_wait_that_one_unit_is_asked_for_holds_all_and_no_more_ask_at_once(
    tmp_path: Path,
) -> None:
    tasks = tasks_file(tmp_path, 8)
    refusal = Fault(3, "429-retry-after", retry_after="3")
    with played(tmp_path, faults=[refusal], delay_s=0.2) as (cli, server):
        cli.configure(cli.user_config.read_text(encoding="utf-8") + "\n[models]\nat_once = 2\n")
        done = cli("batch", "run", str(tasks), *batch_flags(cli), "--parallel", "4")
        assert done.returncode == 0, done.stderr
        assert max(entry.in_flight for entry in server.log) == 2
        refused = server.log[2]
        in_between = [
            entry for entry in server.log if refused.left + 0.5 < entry.came < refused.left + 3
        ]
        assert in_between == []


@pytest.mark.soak  # another whole batch
def test_another_scheduler_is_refused_and_one_that_takes_over_fences_the_first(
    tmp_path: Path,
) -> None:
    tasks = tasks_file(tmp_path, 6)
    with played(tmp_path, delay_s=1.0) as (cli, server):
        flags = [*batch_flags(cli), "--parallel", "2"]
        older = cli.start("batch", "run", str(tasks), *flags)
        eventually(lambda: len(server.log) >= 3, "no unit began")
        refused = cli("batch", "resume")
        assert refused.returncode == 2
        assert "--take-over" in refused.stderr
        younger = cli("batch", "resume", "--take-over")
        assert younger.returncode == 0, younger.stderr
        _, err = older.communicate(timeout=LONG_S)
    assert older.returncode == 4
    assert "was taken over by another process" in err
    assert [row["answer"] for row in results(cli)] == [str(4 * number) for number in range(1, 7)]
    wait_until_nothing_is_left(tmp_path / "temp")


@pytest.mark.parametrize(("number", "code"), STOPS)
def test_a_stopped_batch_leaves_nothing_and_goes_on(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    tasks = tasks_file(tmp_path, 4)
    with played(tmp_path, delay_s=0.5) as (cli, server):
        process = cli.start("batch", "run", str(tasks), *batch_flags(cli), "--parallel", "2")
        eventually(lambda: len(server.log) >= 3, "no unit began")
        process.send_signal(number)
        _, err = process.communicate(timeout=LONG_S)
        assert process.returncode == code, err
        wait_until_nothing_is_left(tmp_path / "temp", seconds=1.0)
        again = cli("batch", "resume")
        assert again.returncode == 0, again.stderr
        assert len(server.served) <= 2 * 4 + 2


def test_a_limit_of_the_batch_starts_nothing_more_and_resume_can_raise_it(tmp_path: Path) -> None:
    tasks = tasks_file(tmp_path, 5)
    with played(tmp_path) as (cli, _server):
        done = cli("batch", "run", str(tasks), *batch_flags(cli), "--batch-limit", "calls=3")
        assert done.returncode == 3, done.stderr
        assert status(cli).states == {"done": 2, "queued": 3}
        again = cli("batch", "resume", "--batch-limit", "calls=100")
        assert again.returncode == 0, again.stderr
    assert status(cli).states == {"done": 5}
