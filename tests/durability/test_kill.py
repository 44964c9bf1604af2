"""Kill -9 after a journal record, then resume: same answer, nothing repeated but what was in
flight. CI kills at a seeded sample of records, `make soak` at every one (SOAK=1)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from crash_policy import policy
from openai_server import Server, from_request_policy, serve
from sampling import sampled

from orchestrator.journal import Journal
from tasks.api import received_task

HERE = Path(__file__).parent
ANSWER = "555 and 444, in all 999"
RECORDS = 50
VOTING = {46, 49}
POINTS = sampled(range(1, RECORDS + 1), 3, always=VOTING)


def drive(home: Path, server: Server, run: str, kill_at: int) -> tuple[int, str]:
    """Run the driver as a process; its exit status and what it printed."""
    done = subprocess.run(
        [
            sys.executable,
            str(HERE / "crash_driver.py"),
            str(home),
            server.base_url,
            run,
            str(kill_at),
        ],
        env={
            **os.environ,
            "CRASH_LOG": str(home.parent / "acts.log"),
            "PYTHONPATH": f"{HERE.parents[1]}:{HERE}",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, -9), done.stderr
    return done.returncode, done.stdout


def acts(home: Path) -> Counter[str]:
    log = home.parent / "acts.log"
    return Counter(log.read_text(encoding="utf-8").splitlines() if log.exists() else [])


def prompts(server: Server) -> Counter[str]:
    return Counter(json.dumps(entry.body["messages"]) for entry in server.served)


def test_an_undisturbed_run_makes_so_many_records(tmp_path: Path) -> None:
    with serve(from_request_policy(policy)) as server:
        status, printed = drive(tmp_path / "home", server, "new", 0)
    assert status == 0
    assert json.loads(printed)["answer"] == ANSWER
    journal = Journal.open(tmp_path / "home")
    records = journal.verify(journal.find("last"))
    voted = [record.seq for record in records if "/verify/" in record.key]
    assert (len(records), set(voted)) == (RECORDS, {47, 48, 49})
    journal.close()


@pytest.mark.parametrize("kill_at", POINTS)
def test_a_kill_after_any_record_costs_only_what_was_in_flight(
    tmp_path: Path, kill_at: int
) -> None:
    home = tmp_path / "home"
    with serve(from_request_policy(policy)) as server:
        status, _ = drive(home, server, "new", kill_at)
        if kill_at < RECORDS:
            assert status == -9
        run = begun(home)
        if run is None:  # killed before the task was recorded: nothing was paid either
            assert not server.served
            return
        _, printed = drive(home, server, run, 0)
        outcome = json.loads(printed)
        assert (outcome["outcome"], outcome["answer"]) == ("answered", ANSWER)
        repeated = prompts(server).total() - len(prompts(server))
        assert repeated <= 2  # two branches: at most one call each was in flight
    done = acts(home)
    assert done["post apple"] <= 1
    assert done["post pear"] <= 1
    assert sum(count - 1 for count in done.values()) <= 2
    again = journal_of(home)
    assert again.verify(run)
    again.close()


@pytest.mark.soak  # three whole runs
def test_two_kills_in_a_row_still_end_in_the_same_answer(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with serve(from_request_policy(policy)) as server:
        drive(home, server, "new", 14)
        drive(home, server, "last", 9)
        _, printed = drive(home, server, "last", 0)
        assert json.loads(printed)["answer"] == ANSWER
        assert prompts(server).total() - len(prompts(server)) <= 4


def journal_of(home: Path) -> Journal:
    return Journal.open(home)


def begun(home: Path) -> str | None:
    journal = journal_of(home)
    try:
        run = journal.find("last")
        records = journal.verify(run)
        if not any(record.kind == "TaskReceived" for record in records):
            return None
        received_task(run, records)
        return run
    finally:
        journal.close()


def test_the_model_server_sees_two_branches_at_the_same_time(tmp_path: Path) -> None:
    with serve(from_request_policy(policy), delay_s=0.5) as server:
        status, _ = drive(tmp_path / "home", server, "new", 0)
        assert status == 0
        assert max(entry.in_flight for entry in server.log) == 2
