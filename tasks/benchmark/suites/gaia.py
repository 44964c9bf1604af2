"""GAIA from a local folder: it is gated, so nobody may fetch or ship it for you.

Takes the dataset's root, its `2023` folder or one split's folder, with `metadata.jsonl` or the
`metadata.parquet` that newer copies have. The annotators' notes never become part of a case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, Field

from orchestrator.errors import UsageError
from orchestrator.prompt_files import render
from tasks.benchmark.cases import Case
from tasks.benchmark.suites.prompts import FOLDER
from tasks.benchmark.suites.reading import Faults, Row, attached, parse

WELCOME = "0-0-0-0-0"
"""A greeting at the head of the test split; no task."""
HIDDEN = "?"
SPLITS = ("validation", "test")


class GaiaRow(BaseModel):
    """A row of the metadata; what is not named here is not read."""

    task_id: str = Field(min_length=1)
    question: str = Field(alias="Question", min_length=1)
    level: int = Field(alias="Level", ge=1, le=3)
    answer: str | None = Field(alias="Final answer", default=None)
    file_name: str | None = ""


def metadata_file(place: Path, split: str) -> Path:
    """The metadata of a split, wherever below `place` it is. JSON lines come before Parquet."""
    if split not in SPLITS:
        raise UsageError(f"GAIA has no split {split!r}", fix=f"one of {', '.join(SPLITS)}")
    folders = [place / "2023" / split, place / split, *([place] if place.name == split else [])]
    for folder in folders:
        for name in ("metadata.jsonl", "metadata.parquet"):
            if (folder / name).is_file():
                return folder / name
    raise UsageError(
        f"{place} holds no 2023/{split}/metadata.jsonl or metadata.parquet",
        fix="GAIA is gated: ask for it at its dataset page, and name the folder that you have",
    )


def gaia_cases(
    rows: Iterable[Row], folder: Path, faults: Faults, levels: frozenset[str] = frozenset()
) -> Iterator[tuple[Row, Case]]:
    """The cases of a split. A hidden answer leaves the gold empty."""
    for row, item in parse(rows, GaiaRow, faults):
        if item.task_id == WELCOME or (levels and str(item.level) not in levels):
            continue
        names = [item.file_name.strip()] if item.file_name and item.file_name.strip() else []
        yield (
            row,
            Case(
                id=item.task_id,
                task=render("gaia", folder=FOLDER, question=item.question.strip()),
                attachments=attached(row, "file_name", names, folder, faults),
                gold=None if item.answer in (None, HIDDEN) else item.answer,
                scorer="gaia/2023",
                level=str(item.level),
            ),
        )
