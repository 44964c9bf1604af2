"""The program of docs/python.md runs as it stands there, against a real endpoint on loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from openai_server import serve
from openai_wire import from_request_policy

from orchestrator.models.llm import Request

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
MAX_LINES = 30


def program() -> str:
    found = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    assert len(found) == 1
    return str(found[0])


def lead(request: Request) -> str:
    """Looks for two rounds more than the first limit allows; answers the second task at once."""
    text = "\n".join(message.content for message in request.messages)
    if "heaviest" in text:
        return json.dumps({"request_satisfied": True, "answer": "part B"})
    assert "inputs/prices.csv (text/csv" in text
    if len(request.messages) > 22:
        return json.dumps({"request_satisfied": True, "answer": "part A"})
    tool = {"name": "list", "arguments": {}}
    work = {"id": "a1", "agent": "FileSurfer", "instruction": "list the files", "tool": tool}
    facts = [{"text": f"looked {len(request.messages)} times"}]
    return json.dumps({"request_satisfied": False, "assignments": [work], "facts": facts})


def test_the_program_is_short() -> None:
    assert len([line for line in program().splitlines() if line.strip()]) <= MAX_LINES


def test_the_program_runs_resumes_and_streams(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("part,price\nA,1\nB,2\n", encoding="utf-8")
    address = "https://api.openai.com/v1"
    assert address in program()
    with serve(from_request_policy(lead)) as server:
        text = program().replace(address, server.base_url)
        (tmp_path / "program.py").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "program.py"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "QUAESTOR_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        calls = len(server.served) - 1
    first, *events = done.stdout.splitlines()
    assert first == f"answered part A model_memory {calls}"
    assert calls > 10  # the first attempt ended at its limit of ten rounds
    assert events[:2] == ["TaskReceived", "RunStarted"]
    assert events[-2:] == ["RunEnded", "answered"]
