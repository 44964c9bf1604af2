"""`quaestor run` as a process against a real endpoint in each mode that endpoints come in, with
the real browser and container: same answer everywhere, and tokens as the server counted them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openai_server import from_request_policy, serve
from sampling import sampled

from tasks.demo.play import MATERIAL
from tasks.demo.policy import policy
from tasks.demo.site import serve_site

MODES: dict[str, dict[str, Any]] = {
    "strict schema, tools": {},
    "json mode, tools": {"mode": "json"},
    "plain text, no tools": {"mode": "text", "tools": False},
    "strict schema, no tools": {"tools": False},
    "text, no system role, no images": {
        "mode": "text", "tools": False, "system_role": False, "vision": False
    },
}  # fmt: skip


def quaestor(home: Path, *arguments: str, timeout: float = 180) -> subprocess.CompletedProcess[str]:
    """The real command, with a key in the environment as a user has it."""
    return subprocess.run(
        [sys.executable, "-m", "tasks.cli", *arguments],
        env={**os.environ, "QUAESTOR_HOME": str(home), "OPENAI_API_KEY": "sk-test"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("mode", sampled(list(MODES), 1))
def test_the_demo_task_is_answered_over_http_in_every_mode(tmp_path: Path, mode: str) -> None:
    with (
        serve(from_request_policy(policy), **MODES[mode]) as server,
        serve_site(MATERIAL / "site") as site,
    ):
        task = (MATERIAL / "task.txt").read_text(encoding="utf-8")
        done = quaestor(
            tmp_path / "home",
            *("run", task.replace("{site}", site.base_url), "--json"),
            *(
                "--attach",
                str(MATERIAL / "catalogue.xlsx"),
                "--attach",
                str(MATERIAL / "terms.pdf"),
            ),
            *("--model", "scripted", "--base-url", server.base_url, "--allow-host", site.host),
        )
        assert done.returncode == 0, done.stderr
        outcome = json.loads(done.stdout.splitlines()[-1])
        assert "Ellis Components" in outcome["answer"]
        assert outcome["basis"] == "mixed"
        assert outcome["unsupported"] == []
        spent = outcome["spent"]
        assert (
            spent["calls"], spent["prompt_tokens"], spent["cached_tokens"],
            spent["completion_tokens"],
        ) == server.counted()  # fmt: skip
        assert all(entry.images == 0 for entry in server.log)


def test_a_trivial_task_is_one_call(tmp_path: Path) -> None:
    def knows(_request: object) -> str:
        return json.dumps({"request_satisfied": True, "answer": "Paris"})

    with serve(knows) as server:
        done = quaestor(
            tmp_path / "home",
            *("run", "Capital of France?", "--model", "m", "--base-url", server.base_url),
        )
    assert (done.returncode, done.stdout.strip()) == (0, "Paris")
    assert len(server.log) == 1
