"""A case of a benchmark, and the part of it that a unit of work may see.

Two types on purpose: `Case` holds the gold answer and stays with whoever scores; `Assigned` is what
is handed to the process that works on it, and has no field that could hold gold, scorer, level,
or the name of the benchmark.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import Field

from orchestrator.canonical import sha256_of
from orchestrator.models.llm import Frozen

CHUNK = 1 << 20


class Attached(Frozen):
    """A file of a task: the bare name that the task speaks of, and where it is now."""

    name: str
    path: Path


class Assigned(Frozen):
    """What a unit is handed. `id` tells cases apart and nothing else."""

    id: str
    text: str
    attachments: tuple[Attached, ...] = ()
    limits: str = ""


class Case(Frozen):
    """One task with what it takes to score it. `gold` None means that the answer is hidden: the
    case can be run and submitted, not scored. `limits` is read as `--limit` is. `recording` is the
    archive of a run that can be replayed in place of a live one."""

    id: str
    task: str
    attachments: tuple[Attached, ...] = ()
    gold: Any = None
    scorer: str
    level: str = ""
    tags: tuple[str, ...] = ()
    limits: str = ""
    recording: Path | None = None

    def assigned(self) -> Assigned:
        """The part without gold, under a name that says nothing about where it is from."""
        name = sha256_of(["case", self.id])[:12]
        return Assigned(id=name, text=self.task, attachments=self.attachments, limits=self.limits)


class LeftOut(Frozen):
    """A task of the file that this suite cannot judge, and why."""

    id: str
    why: str


class Suite(Frozen):
    """All cases of a suite, in the file's order, with one hash over their content."""

    name: str
    split: str = ""
    cases: tuple[Case, ...]
    left_out: tuple[LeftOut, ...] = ()
    sha256: str = Field(default="", description="over every case and every attached byte")

    def with_hash(self) -> Suite:
        """The same with its hash. Reads every attachment once."""
        content = [
            {
                **case.model_dump(exclude={"attachments", "recording"}),
                "attachments": [[item.name, file_sha256(item.path)] for item in case.attachments],
            }
            for case in self.cases
        ]
        return self.model_copy(update={"sha256": sha256_of([self.name, self.split, content])})


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, whatever its size."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()
