"""Two processes on one run: the older one stops at its next write and changes nothing more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from openai_server import serve
from process.test_modes import quaestor

from orchestrator.journal import Journal


def slow_lead(body: dict[str, object]) -> str:
    """Never satisfied for six rounds, then done; each round asks the terminal for nothing new."""
    messages = body["messages"]
    assert isinstance(messages, list)
    rounds = sum(message["role"] == "assistant" for message in messages)
    if rounds >= 6:
        return json.dumps({"request_satisfied": True, "answer": "finished"})
    work = {"id": "a", "agent": "ComputerTerminal", "instruction": f"look {rounds}"}
    return json.dumps({"request_satisfied": False, "making_progress": True, "assignments": [work]})


def test_the_older_of_two_owners_stops_at_its_next_write(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with serve(slow_lead, delay_s=1.0) as server:
        older = subprocess.Popen(
            [sys.executable, "-m", "tasks.cli", "run", "Wait.", "--no-web",
             "--limit", "stalls=50", "--model", "m", "--base-url", server.base_url],
            env={**os.environ, "QUAESTOR_HOME": str(home), "OPENAI_API_KEY": "sk-test"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        while len(server.log) < 2:
            time.sleep(0.05)
        younger = quaestor(home, "resume", "last", "--take-over", "--json")
        printed, errors = older.communicate(timeout=30)
    outcome = json.loads(younger.stdout.splitlines()[-1])
    assert (younger.returncode, outcome["answer"]) == (0, "finished"), younger.stderr
    assert older.returncode not in (0, 70), errors
    assert printed == ""
    assert "taken over by another process" in errors
    journal = Journal.open(home)
    records = journal.verify(journal.find("last"))
    journal.close()
    epochs = [record.epoch for record in records]
    assert epochs == sorted(epochs)
    assert set(epochs) == {1, 2}
