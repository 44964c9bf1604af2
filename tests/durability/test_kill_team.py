"""Kill -9 in the middle of the demo task with all four agents, then resume: same answer, and the
logs of the model server, the web site and the sandbox show nothing repeated but what was in flight.

CI kills at a seeded sample of records, `make soak` at every one (SOAK=1).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from openai_server import Server, from_request_policy, serve
from sampling import sampled

from orchestrator.journal import Journal, Record
from tasks.demo.play import MATERIAL
from tasks.demo.policy import policy
from tasks.demo.site import Site, serve_site

HERE = Path(__file__).parent
RECORDS = 95
BRANCHES = 3


def drive(home: Path, model: Server, site: Site, run: str, kill_at: int) -> tuple[int, str, str]:
    task = (MATERIAL / "task.txt").read_text(encoding="utf-8").replace("{site}", site.base_url)
    options = {
        "task": task,
        "attach": [str(MATERIAL / name) for name in ("catalogue.xlsx", "terms.pdf")],
        "web": {"allow_hosts": [site.host]},
        "agents": {},
    }
    command = [str(HERE / "crash_driver.py"), str(home), model.base_url, run, str(kill_at)]
    done = subprocess.run(
        [sys.executable, *command, json.dumps(options)],
        env={**os.environ, "PYTHONPATH": f"{HERE.parents[1]}:{HERE}"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def repeated(lines: list[str]) -> int:
    return sum(count - 1 for count in Counter(lines).values())


def pages(lines: list[str]) -> list[str]:
    return [line for line in lines if ".css" not in line and ".js" not in line]


def acts_after_the_kill(home: Path) -> list[str]:
    """The tools that the WebSurfer really used after the resume, from the journal."""
    journal = Journal.open(home)
    records = journal.verify(journal.find("last"))
    journal.close()
    names = {r.key: r.body["request"].get("tool", "") for r in records if is_act(r)}
    return [
        names[r.key] for r in records if r.kind == "StepDone" and r.epoch > 1 and r.key in names
    ]


def is_act(record: Record) -> bool:
    return record.kind == "StepIntended" and ".WebSurfer/act/" in record.key


def blocks(home: Path) -> list[str]:
    log = home / "sandbox.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [json.loads(line)["sha256"] for line in lines]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The answer of a run that nobody kills."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    with serve(from_request_policy(policy)) as model, serve_site(MATERIAL / "site") as site:
        status, printed, errors = drive(home, model, site, "new", 0)
        assert status == 0, errors
        outcome = json.loads(printed)
        assert outcome["outcome"] == "answered", outcome
        return str(outcome["answer"])


@pytest.mark.parametrize("kill_at", sampled(range(2, RECORDS + 1), 1))
def test_a_kill_in_the_middle_of_the_teams_work_repeats_only_what_was_in_flight(
    tmp_path: Path, kill_at: int, undisturbed: str
) -> None:
    home = tmp_path / "home"
    answer = undisturbed
    with serve(from_request_policy(policy)) as model, serve_site(MATERIAL / "site") as site:
        status, _, errors = drive(home, model, site, "new", kill_at)
        assert status in (0, -9), errors
        before = len(site.requests)
        status, printed, errors = drive(home, model, site, "last", 0)
        assert status == 0, errors
        outcome = json.loads(printed)
        assert (outcome["outcome"], outcome["answer"]) == ("answered", answer), outcome
        prompts = [json.dumps(entry.body["messages"]) for entry in model.served]
        assert repeated(prompts) <= BRANCHES
        acts = acts_after_the_kill(home)
        # Each live act asks for one page at most, and the new browser opens one page again.
        assert len(pages(site.requests[before:])) <= len(acts) + 1, site.requests
        searches = [line for line in site.requests if "/search?" in line]
        assert len(searches) <= 2 + sum("type" in act for act in acts)
    assert repeated(blocks(home)) <= BRANCHES
