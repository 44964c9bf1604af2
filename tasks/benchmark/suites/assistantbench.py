"""AssistantBench from its JSON lines file, or the folder that holds it; test answers are hidden."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from orchestrator.errors import UsageError
from orchestrator.prompt_files import render
from tasks.benchmark.cases import Case
from tasks.benchmark.suites.prompts import FOLDER
from tasks.benchmark.suites.reading import Faults, Row, parse

FILES = {
    "validation": "assistant_bench_v1.0_dev.jsonl",
    "test": "assistant_bench_v1.0_test.jsonl",
}


class AssistantBenchRow(BaseModel):
    """A row of the file; explanations and the pages that hold the answer are not read."""

    id: str = Field(min_length=1)
    task: str = Field(min_length=1)
    answer: Any = None
    difficulty: str | None = ""


def data_file(place: Path, split: str) -> Path:
    """The file of a split, or the file that was named."""
    if place.is_file():
        return place
    if split not in FILES:
        raise UsageError(f"AssistantBench has no split {split!r}", fix="validation or test")
    return place / FILES[split]


def assistantbench_cases(rows: Iterable[Row], faults: Faults) -> Iterator[tuple[Row, Case]]:
    """The cases; an empty answer means that it is hidden."""
    for row, item in parse(rows, AssistantBenchRow, faults):
        gold = None if item.answer is None or item.answer == "" else item.answer
        task = render("assistantbench", folder=FOLDER, question=item.task.strip())
        yield (
            row,
            Case(
                id=item.id,
                task=task,
                gold=gold,
                scorer="assistantbench/official",
                level=item.difficulty or "",
            ),
        )
