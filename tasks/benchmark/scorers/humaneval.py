"""`humaneval/functional`: does the code pass the problem's tests? Judged inside the box.

Knows the format of HumanEval's problems and how to find the code in a chat answer. The verdict is
a line with a random word that our tester prints after the tests; exit codes, and whatever the code
under test prints, count for nothing.
"""

from __future__ import annotations

import json
import re
import secrets
import shlex
import textwrap
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator.errors import SandboxFailed, ToolFailed
from sandbox.base import Box, Result
from tasks.benchmark.scorers.score import Json, Score, judged, text_of, unanswered, unjudged

CPU_S = 10
"""Processor time of the code under test. The original gives 3 s of wall time, which depends on the
machine and on what else runs on it."""
WALL_S = 120.0
MARK = "quaestor-verdict "
_FOLDER = Path(__file__).parent / "functional"
_PACKAGE = "tasks.benchmark.scorers.functional"
_FENCE = re.compile(r"^[ \t]*```[^\n]*\n(.*?)^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)
# Isolated: an earlier answer may have left modules in the workspace, which must not be found.
_COMMAND = "exec python3 -I -B -c {program}"
_START = """\
import json, os, sys, types
with open({path!r}, encoding="utf-8") as file:
    job = json.load(file)
os.unlink({path!r})
for name, text in job["sources"]:
    sys.modules[name] = module = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
module.main(job)
"""


class Problem(BaseModel):
    """A problem as HumanEval's file has it; fields that are not needed here are ignored."""

    model_config = ConfigDict(frozen=True)

    prompt: str
    test: str = Field(pattern=r"\bdef\s+check\b")
    entry_point: str = Field(pattern=r"^[^\W\d]\w*$")


async def score_functional(
    prediction: Json, gold: Json, box: Box, *, cpu_s: int = CPU_S, wall_s: float = WALL_S
) -> Score:
    """1 when all tests pass. What only ran out of wall time is tried once more."""
    try:
        problem = Problem.model_validate(gold)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, item["loc"])) or "all" for item in error.errors())
        return unjudged(f"the problem is not in HumanEval's format: {fields}")
    if prediction is None or not text_of(prediction).strip():
        return unanswered()
    programs = programs_of(problem, text_of(prediction))
    try:
        result, word = await _judge(problem, programs, box, cpu_s, wall_s)
        if result.cause == "timeout":
            result, word = await _judge(problem, programs, box, cpu_s, wall_s)
    except (SandboxFailed, ToolFailed) as error:
        return unjudged(f"the sandbox could not judge it: {error.message}")
    return _verdict(result, word)


def programs_of(problem: Problem, answer: str) -> tuple[str, ...]:
    """The programs that an answer may mean, the likeliest first: the first that compiles is run.

    Of fenced blocks the last one that defines the function is taken, with the imports and helpers
    of the prompt before it; a block or answer that is only a body goes behind the prompt.
    """
    definition = re.compile(rf"^(?:async[ \t]+)?def[ \t]+{re.escape(problem.entry_point)}\b", re.M)
    blocks = [found[1] for found in _FENCE.finditer(answer)]
    bodies = blocks or [answer]
    defining = [body for body in map(textwrap.dedent, bodies) if definition.search(body)]
    head = definition.split(problem.prompt)[0]
    if defining:
        return (f"{head}\n{defining[-1]}\n",)
    body = bodies[-1]
    indented = textwrap.indent(textwrap.dedent(body), "    ")
    return (f"{problem.prompt}{body}\n", f"{problem.prompt}\n{indented}\n")


async def _judge(
    problem: Problem, programs: tuple[str, ...], box: Box, cpu_s: int, wall_s: float
) -> tuple[Result, str]:
    word, path = secrets.token_hex(16), f"job-{secrets.token_hex(8)}.json"
    job = {
        "word": word,
        "prompt": problem.prompt,
        "test": problem.test,
        "entry_point": problem.entry_point,
        "programs": programs,
        "cpu_s": cpu_s,
        "sources": _sources("values", "tester"),
        "candidate_sources": _sources("values", "runner"),
    }
    await box.put(path, json.dumps(job).encode("utf-8"))
    command = _COMMAND.format(program=shlex.quote(_START.format(path=path)))
    return await box.run(command, "bash", timeout_s=wall_s), word


@cache
def _sources(*names: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (f"{_PACKAGE}.{name}", (_FOLDER / f"{name}.py").read_text(encoding="utf-8"))
        for name in names
    )


def _verdict(result: Result, word: str) -> Score:
    for line in result.output.splitlines():
        if not line.startswith(MARK) or word not in line:
            continue
        verdict = json.loads(line.removeprefix(MARK))
        return judged(float(verdict["passed"] is True), str(verdict["why"]), ended=result.cause)
    why = "the time limit was passed" if result.cause == "timeout" else "the tests did not finish"
    return judged(0.0, f"{why} ({result.cause})", ended=result.cause)
