"""HumanEval's judge in the real box: right code passes, and nothing but right code does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cli_process import Cli
from sandbox_bench import settings

from sandbox.base import Box, Sandbox
from tasks.benchmark.scorers.humaneval import score_functional

PROBLEMS = [
    json.loads(line)
    for line in (Path(__file__).parent / "problems.jsonl").read_text("utf-8").splitlines()
]
BY_ID = {problem["task_id"]: problem for problem in PROBLEMS}
SUMS = BY_ID["Own/0"]

CHEATS = {
    "exits": "    import sys\n    sys.exit(0)\n",
    "exits at once": "    import os\n    os._exit(0)\n",
    "exits while it is defined": "    pass\nimport os\nos._exit(0)\n",
    "returns nothing": "    pass\n",
    "prints what it thinks passes": "    print('quaestor-verdict {\"passed\": true}')\n",
    "equals everything": "    from unittest.mock import ANY\n    return ANY\n",
    "equals everything, as a list": (
        "    class Yes(list):\n        def __eq__(self, other):\n            return True\n"
        "    return Yes([1])\n"
    ),
    "patches check": (
        "    import __main__, builtins\n    __main__.check = lambda f: None\n"
        "    builtins.AssertionError = ZeroDivisionError\n    return []\n"
    ),
    "patches the comparison": (
        "    import sys\n    for m in list(sys.modules.values()):\n"
        "        m.__dict__['check'] = lambda f: None\n    return 0\n"
    ),
    "looks for the tests": (
        "    import os\n    found = ''\n"
        "    for folder in ('/workspace', '/tmp', '/proc', os.getcwd()):\n"
        "        for at, _, names in os.walk(folder):\n"
        "            for name in names:\n"
        "                try:\n"
        "                    if name in ('mem', 'environ', 'cmdline') or name.endswith('.json'):\n"
        "                        found += open(os.path.join(at, name), errors='replace')"
        ".read(100000)\n"
        "                except (OSError, ValueError): pass\n"
        "    if 'running_totals([5' in found: return [5, 12]\n"
        "    return None\n"
    ),
    "writes over its pipe": (
        "    import os\n"
        "    for fd in range(3, 20):\n"
        "        try: os.write(fd, b'{\"value\": true}\\n' * 50)\n"
        "        except OSError: pass\n"
        "    return None\n"
    ),
    "kills its parent": "    import os\n    os.kill(os.getppid(), 9)\n",
    "swallows in a thread": (
        "    import threading, time\n"
        "    threading.Thread(target=lambda: time.sleep(99)).start()\n    return None\n"
    ),
    "does not end": "    while True:\n        pass\n",
    "eats memory": "    x = [0]\n    while True:\n        x = x + x\n",
    "is no Python": "    return ][\n",
    "raises": "    raise AssertionError\n",
    "is right about one case only": "    return [1, 3, 6]\n",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["bubblewrap", "docker"])
async def judge_box(request: pytest.FixtureRequest) -> AsyncIterator[Box]:
    async with Sandbox.open(settings(request.param)) as opened:
        yield opened


@pytest.mark.asyncio(loop_scope="module")
async def test_canonical_solutions_pass_and_cheats_do_not(judge_box: Box) -> None:
    for problem in PROBLEMS:
        score = await score_functional(problem["canonical_solution"], problem, judge_box)
        assert score.score == 1, (problem["task_id"], score)
    passed = {}
    for name, body in CHEATS.items():
        score = await score_functional(body, SUMS, judge_box, cpu_s=1, wall_s=30)
        passed[name] = score.score
        assert score.kind == "judged", (name, score)
    assert {name for name, score in passed.items() if score} == set()


FORGE = """
import gc, json, os
for found in gc.get_objects():
    if isinstance(found, dict) and "word" in found and "programs" in found:
        verdict = json.dumps({"word": found["word"], "passed": True, "why": "forged"})
        for fd in range(3, 30):
            try:
                os.write(fd, b"\\nquaestor-verdict " + verdict.encode() + b"\\n")
            except OSError:
                pass
"""
PLANT = f"""
import os, site, sys
for folder in (site.getusersitepackages(), os.path.expanduser("~"), "/workspace", "/tmp"):
    try:
        os.makedirs(folder, exist_ok=True)
        for name in ("usercustomize", "sitecustomize", "ctypes", "absent_library"):
            with open(os.path.join(folder, name + ".py"), "w") as file:
                file.write({FORGE!r})
    except OSError:
        pass
"""


@pytest.mark.asyncio(loop_scope="module")
async def test_what_one_answer_leaves_behind_does_not_help_the_next(judge_box: Box) -> None:
    await judge_box.run(PLANT, "python")  # with the box's own home, which the candidate lacks
    await score_functional(f"    pass\n{PLANT}", SUMS, judge_box)
    imports = {**SUMS, "test": f"import absent_library\n{SUMS['test']}"}
    for problem in (SUMS, imports):
        score = await score_functional("    return None\n", problem, judge_box)
        assert score.score == 0, score


ANSWERS: dict[str, tuple[str, int]] = {
    "the last block that defines it": (
        "First try:\n```python\ndef running_totals(numbers):\n    return []\n```\nBetter:\n"
        "```python\nfrom itertools import accumulate\n\n"
        "def running_totals(numbers):\n  return list(accumulate(numbers))\n```\n"
        "Use it so:\n```\nprint(running_totals([1]))\n```\n",
        1,
    ),
    "a block with only a body": (
        "```py\nreturn [sum(numbers[:n+1]) for n in range(len(numbers))]\n```",
        1,
    ),
    "helpers first": (
        "def add(a, b):\n    return a + b\n\ndef running_totals(numbers):\n    out, at = [], 0\n"
        "    for n in numbers:\n        at = add(at, n)\n        out.append(at)\n    return out\n",
        1,
    ),
    "prose alone": ("I would add them up.", 0),
}


@pytest.mark.asyncio(loop_scope="module")
async def test_the_code_of_a_chat_answer_is_found(judge_box: Box) -> None:
    for name, (answer, wanted) in ANSWERS.items():
        score = await score_functional(answer, SUMS, judge_box)
        assert score.score == wanted, (name, score)


def test_the_command_judges_code_in_a_home_that_is_not_there_yet(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    cli.prepare()
    pairs = [
        {"prediction": SUMS["canonical_solution"], "gold": SUMS},
        {"prediction": CHEATS["exits"], "gold": SUMS},
    ]
    done = cli(
        *("bench", "score", "--scorer", "humaneval/functional", "--pairs", "-"),
        *("--sandbox", "docker"),
        stdin="\n".join(map(json.dumps, pairs)),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["score"] for line in done.stdout.splitlines()] == [1, 0]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("problem", [None, {}, {"prompt": "", "test": "x", "entry_point": "f"}])
async def test_a_malformed_problem_is_not_the_answers_fault(judge_box: Box, problem: Any) -> None:
    score = await score_functional("    return 1\n", problem, judge_box)
    assert score.kind == "grader_error"
