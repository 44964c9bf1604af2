"""A suite of one's own: one JSON object per line.

`{"id", "input", "gold" or "check", "scorer", "files"?, "level"?, "tags"?, "limits"?,
"recording"?}`; files are relative to the suite's file. An id may hold anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from orchestrator.errors import UsageError
from orchestrator.limits import Limits, parse_limits
from tasks.benchmark.cases import Case
from tasks.benchmark.scorers.registry import check_name
from tasks.benchmark.suites.reading import Faults, Row, attached, parse


class TaskRow(BaseModel):
    """A line about one task; a field that is not known is refused, since it may be a slip."""

    model_config = ConfigDict(extra="forbid")

    id: str | int
    input: str = Field(min_length=1)
    gold: Any = None
    check: Any = None
    scorer: str = "exact"
    files: tuple[str, ...] = ()
    level: str | int = ""
    tags: tuple[str, ...] = ()
    limits: str = ""

    @field_validator("limits")
    @classmethod
    def _readable(cls, text: str) -> str:
        try:
            parse_limits(text, Limits())
        except UsageError as error:
            raise ValueError(error.message) from error
        return text

    def case(self, row: Row, folder: Path, faults: Faults, recording: Path | None = None) -> Case:
        """What it says, with its files found beside the file it stands in."""
        return Case(
            id=str(self.id),
            task=self.input,
            attachments=attached(row, "files", self.files, folder, faults),
            gold=self.check if self.gold is None else self.gold,
            scorer=self.scorer,
            level=str(self.level),
            tags=self.tags,
            limits=self.limits,
            recording=recording,
        )


class OwnRow(TaskRow):
    """A line of a suite: it can be judged, and may be replayed."""

    recording: str | None = None

    @field_validator("scorer")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            return check_name(name)
        except UsageError as error:
            raise ValueError(f"{error.message}; {error.fix}") from error

    @model_validator(mode="after")
    def _one_gold(self) -> OwnRow:
        if (self.gold is None) == (self.check is None):
            raise ValueError("give either gold or check")
        return self


def own_cases(rows: Iterable[Row], folder: Path, faults: Faults) -> Iterator[tuple[Row, Case]]:
    """The cases."""
    for row, item in parse(rows, OwnRow, faults):
        yield row, item.case(row, folder, faults, _recording(row, item.recording, folder, faults))


def _recording(row: Row, name: str | None, folder: Path, faults: Faults) -> Path | None:
    found = attached(row, "recording", [name], folder, faults) if name else ()
    return found[0].path if found else None
