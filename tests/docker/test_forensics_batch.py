"""Many cases as a person runs them: the command, a process per case, a real endpoint over HTTP.

30 cases here, 1,000 with SOAK=1, over evidence of which it is known who cheats.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from batch_play import wait_until_nothing_is_left
from cli_process import LONG_S, Cli
from forensics_world import small_world, write
from openai_server import Server, serve
from openai_wire import from_request_policy
from process_memory import measured
from sampling import SOAK

from tasks.forensics import scripted

pytestmark = pytest.mark.timeout(3 * 3600)
COUNT = 1_000 if SOAK else 30
WORLDS = 20 if SOAK else 2
KILLED_AFTER = 3
PARALLEL = 6 if SOAK else 3
SUBJECTS = {"F-HIJACK-1": True, "D-CHECKOUT-1": False, "H-0": False}
"""Whom a case is about, and whether they cheat."""


@dataclass
class Carried:
    """A batch that was killed, extended and gone on with."""

    cli: Cli
    manifest: Path
    server: Server
    command: list[str]
    first: subprocess.CompletedProcess[str]
    refused: subprocess.CompletedProcess[str]
    added: subprocess.CompletedProcess[str]
    last: subprocess.CompletedProcess[str]
    seconds: float
    peak: int

    def state(self, case_id: str) -> dict[str, Any]:
        place = self.manifest.parent / "results" / "cases" / case_id / "state.json"
        return dict(json.loads(place.read_text("utf-8")))

    def states(self) -> dict[str, dict[str, Any]]:
        lines = self.manifest.read_text("utf-8").splitlines()
        return {name: self.state(name) for name in (json.loads(line)["case_id"] for line in lines)}


def case_line(number: int) -> str:
    """A case about one of the subjects; every seventh has no evidence."""
    subject = list(SUBJECTS)[number % len(SUBJECTS)]
    case = {
        "case_id": f"c{number:04}",
        "question": f"Does the evidence show that {subject} broke the terms of the programme?",
        "evidence": "nothing" if number % 7 == 6 else f"world{number % WORLDS}",
        "subject": subject,
    }
    return json.dumps(case) + "\n"


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=3 * 3600)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Carried]:
    """A batch that is killed early, meanwhile refused to a second process, then added to."""
    root = tmp_path_factory.mktemp("cases")
    for number in range(WORLDS):
        write(small_world(number), root / f"world{number}")
    (root / "nothing").mkdir()
    (root / "temp").mkdir()
    manifest = root / "batch.jsonl"
    manifest.write_text("".join(map(case_line, range(COUNT - 2))), encoding="utf-8")
    with serve(from_request_policy(scripted.policy)) as server:
        cli = Cli(root / "cli", server.base_url, {"TMPDIR": str(root / "temp")})
        cli.prepare()
        model = ["--model", "scripted", "--base-url", server.base_url]
        command = ["forensics", "run", str(manifest), *model, "--sandbox", "bubblewrap"]
        command += ["--parallel", str(PARALLEL)]
        process = cli.start(*command)
        wait_for_cases(manifest, process)
        refused = cli(*command)
        process.send_signal(signal.SIGKILL)
        first = ended(process)
        wait_until_nothing_is_left(root / "temp")
        with manifest.open("a", encoding="utf-8") as file:
            file.write(case_line(COUNT - 2) + case_line(COUNT - 1))
        added = cli("forensics", "add", str(manifest))
        began = time.monotonic()
        process = cli.start("forensics", "resume", str(manifest))
        with measured(process) as memory:
            last = ended(process)
        seconds = time.monotonic() - began
        wait_until_nothing_is_left(root / "temp")
        yield Carried(
            cli, manifest, server, command, first, refused, added, last, seconds, memory.peak
        )


def wait_for_cases(manifest: Path, process: subprocess.Popen[str]) -> None:
    """Until so many cases have come to an end."""
    until = time.monotonic() + 2 * LONG_S
    cases = manifest.parent / "results" / "cases"
    while sum(1 for _ in cases.glob("*/report.json")) < KILLED_AFTER:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_batch_that_was_killed_goes_on_to_its_end_and_one_bad_case_stops_nothing(
    carried: Carried, capsys: pytest.CaptureFixture[str]
) -> None:
    assert carried.last.returncode == 1, carried.last.stderr
    states = carried.states()
    bad = [name for name in states if int(name[1:]) % 7 == 6]
    assert {name for name, state in states.items() if state["state"] == "failed"} == set(bad)
    assert all(state["state"] == "done" for name, state in states.items() if name not in bad)
    assert all("no evidence" in states[name]["reason"] for name in bad)
    with capsys.disabled():
        per_hour = 3600 * (COUNT - KILLED_AFTER) / carried.seconds
        print(
            f"\n{COUNT} cases, {PARALLEL} at a time: {carried.seconds:.0f} s, {per_hour:.0f} an "
            f"hour, at most {carried.peak >> 20} MiB with all boxes"
        )


def test_meanwhile_a_second_process_was_refused(carried: Carried) -> None:
    assert carried.refused.returncode == 2
    assert "somebody else is working" in carried.refused.stderr


def test_cases_written_into_the_manifest_later_are_taken_up(carried: Carried) -> None:
    assert "2 cases were added" in carried.added.stdout
    assert len(carried.states()) == COUNT


def test_nobody_innocent_is_accused_and_nobody_who_cheats_is_cleared(carried: Carried) -> None:
    words: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for name, state in carried.states().items():
        if state["verdict"]:
            words[SUBJECTS[list(SUBJECTS)[int(name[1:]) % len(SUBJECTS)]]][state["verdict"]] += 1
    assert set(words[True]) == {"allegation_supported"}
    assert not set(words[False]) & {"allegation_supported", "partly_supported"}


def test_no_call_was_paid_twice(carried: Carried) -> None:
    states = [state for state in carried.states().values() if state["state"] == "done"]
    calls = Counter(json.dumps(entry.body["messages"]) for entry in carried.server.served)
    repeated = sum(calls.values()) - len(calls)
    steps = sum(map(model_steps, carried.manifest.parent.glob("results/cases/*/journal.jsonl")))
    assert len(carried.server.served) <= steps + PARALLEL
    assert repeated <= steps - len({s["run"] for s in states}) + PARALLEL


def model_steps(journal: Path) -> int:
    records = map(json.loads, journal.read_text("utf-8").splitlines())
    return sum(
        record["kind"] == "StepDone" and record["body"]["step"] == "model" for record in records
    )


def test_the_page_lists_every_case(carried: Carried) -> None:
    rows = (carried.manifest.parent / "results" / "summary.jsonl").read_text("utf-8").splitlines()
    assert len(rows) == COUNT


def test_a_finished_batch_starts_nothing(carried: Carried) -> None:
    served = len(carried.server.served)
    done = carried.cli("forensics", "status", str(carried.manifest))
    assert done.stdout.count("allegation_supported") > 0
    failed = sum(state["state"] == "failed" for state in carried.states().values())
    again = carried.cli("forensics", "resume", str(carried.manifest))
    assert again.stdout.count(": failed") == failed
    assert len(carried.server.served) == served


def test_a_case_is_replayed_offline_and_worked_on_anew_as_a_further_version(
    carried: Carried,
) -> None:
    served, name = len(carried.server.served), "c0000"
    replayed = carried.cli("forensics", "replay", str(carried.manifest), name)
    assert replayed.returncode == 0, replayed.stderr
    assert len(carried.server.served) == served
    before = carried.manifest.read_text("utf-8")
    carried.manifest.write_text(before.replace("Does", "Did", 1), encoding="utf-8")
    refused = carried.cli(*carried.command)
    assert refused.returncode == 2
    assert f"--again {name}" in refused.stderr
    again = carried.cli(*carried.command, "--again", name, "--batch-limit", "calls=1")
    assert again.returncode == 3, again.stderr
    again = carried.cli(*carried.command, "--again", name)
    assert again.returncode == 1, again.stderr
    review = carried.cli("forensics", "review", str(carried.manifest), name)
    assert "version 2" in review.stdout
