"""Questions with one short answer that a model judges, as SimpleQA has them: CSV or JSON lines."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, Field

from tasks.benchmark.cases import Case
from tasks.benchmark.suites.reading import Faults, Row, parse


class SimpleQARow(BaseModel):
    """A row of the file. `metadata` is the text of a Python dict there."""

    id: str | int | None = None
    problem: str = Field(min_length=1)
    answer: str = Field(min_length=1)
    metadata: Any = None


def simpleqa_cases(rows: Iterable[Row], faults: Faults) -> Iterator[tuple[Row, Case]]:
    """The cases; without an id of its own a row is known by its place."""
    for row, item in parse(rows, SimpleQARow, faults):
        yield (
            row,
            Case(
                id=str(row.line if item.id is None else item.id),
                task=item.problem.strip(),
                gold=item.answer,
                scorer="simpleqa/graded",
                tags=_tags(item.metadata),
            ),
        )


def _tags(metadata: Any) -> tuple[str, ...]:
    if isinstance(metadata, str):
        try:
            metadata = ast.literal_eval(metadata)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return ()
    if not isinstance(metadata, dict):
        return ()
    found = [metadata.get(name) for name in ("topic", "answer_type")]
    return tuple(item for item in found if isinstance(item, str) and item)
