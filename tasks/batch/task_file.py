"""Reads TASKS.jsonl: every line a task, checked as a whole before anything starts.

`{"id", "input", "gold"?, "check"?, "scorer"?, "files"?, "level"?, "tags"?, "limits"?,
"priority"?}`. A task without gold runs and is not scored. Files are relative to the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, field_validator

from orchestrator.errors import UsageError
from tasks.benchmark.cases import Assigned, Case, file_sha256
from tasks.benchmark.scorers.registry import PURE
from tasks.benchmark.suites.own import TaskRow
from tasks.benchmark.suites.reading import Faults, Row, distinct, parse, read_rows


class BatchRow(TaskRow):
    """A line of the file: its gold may be missing, and its scorer needs no model and no box."""

    priority: int = Field(default=0, ge=-1_000, le=1_000)

    @field_validator("input")
    @classmethod
    def _not_blank(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("the task is empty")
        return text

    @field_validator("scorer")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in PURE:
            raise ValueError(f"there is no scorer {name!r} for batches; one of {', '.join(PURE)}")
        return name


@dataclass(frozen=True, slots=True)
class Tasks:
    """A file of tasks. `cases` hold gold and stay with whoever scores."""

    path: Path
    sha256: str
    cases: Mapping[str, Case]
    priorities: Mapping[str, int]

    def assigned(self) -> dict[str, Assigned]:
        """What units may know, by task id."""
        return {name: case.assigned() for name, case in self.cases.items()}


def read_tasks(path: Path) -> Tasks:
    """The tasks of a file. Raises UsageError that names every fault by line and field."""
    path = path.expanduser().absolute()
    if not path.is_file():
        raise UsageError(f"there is no file {path}", fix="quaestor batch run TASKS.jsonl")
    faults = Faults()
    priorities: dict[str, int] = {}
    rows = read_rows(path, faults)
    cases = distinct(_cases(rows, path.parent, faults, priorities), faults)
    if not cases and not faults.found:
        faults.add(path.name, 0, "", "it holds no task")
    faults.check(f"the file {path.name}", fix="mend these lines, and start again")
    return Tasks(path, file_sha256(path), {case.id: case for case in cases}, priorities)


def _cases(
    rows: Iterable[Row], folder: Path, faults: Faults, priorities: dict[str, int]
) -> Iterator[tuple[Row, Case]]:
    for row, item in parse(rows, BatchRow, faults):
        priorities[str(item.id)] = item.priority
        yield row, item.case(row, folder, faults)
