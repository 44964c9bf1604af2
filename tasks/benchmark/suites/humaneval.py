"""HumanEval from the path of its JSON lines file, gzipped as it is published or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import Field

from orchestrator.prompt_files import render
from tasks.benchmark.cases import Case
from tasks.benchmark.scorers.humaneval import Problem
from tasks.benchmark.suites.prompts import FOLDER
from tasks.benchmark.suites.reading import Faults, Row, parse


class HumanEvalRow(Problem):
    """A problem with its id; the canonical solution is not read."""

    task_id: str = Field(min_length=1)


def humaneval_cases(rows: Iterable[Row], faults: Faults) -> Iterator[tuple[Row, Case]]:
    """The cases. The tests are gold: a unit sees the prompt alone."""
    for row, item in parse(rows, HumanEvalRow, faults):
        task = render("humaneval", folder=FOLDER, question=f"```python\n{item.prompt}```")
        gold = item.model_dump(include={"prompt", "test", "entry_point"})
        yield row, Case(id=item.task_id, task=task, gold=gold, scorer="humaneval/functional")
