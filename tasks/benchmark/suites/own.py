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


class OwnRow(BaseModel):
    """A line of the file; a field that is not known is refused, since it may be a slip."""

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
    recording: str | None = None

    @field_validator("scorer")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            return check_name(name)
        except UsageError as error:
            raise ValueError(f"{error.message}; {error.fix}") from error

    @field_validator("limits")
    @classmethod
    def _readable(cls, text: str) -> str:
        try:
            parse_limits(text, Limits())
        except UsageError as error:
            raise ValueError(error.message) from error
        return text

    @model_validator(mode="after")
    def _one_gold(self) -> OwnRow:
        if (self.gold is None) == (self.check is None):
            raise ValueError("give either gold or check")
        return self


def own_cases(rows: Iterable[Row], folder: Path, faults: Faults) -> Iterator[tuple[Row, Case]]:
    """The cases."""
    for row, item in parse(rows, OwnRow, faults):
        yield (
            row,
            Case(
                id=str(item.id),
                task=item.input,
                attachments=attached(row, "files", item.files, folder, faults),
                gold=item.check if item.gold is None else item.gold,
                scorer=item.scorer,
                level=str(item.level),
                tags=item.tags,
                limits=item.limits,
                recording=_recording(row, item.recording, folder, faults),
            ),
        )


def _recording(row: Row, name: str | None, folder: Path, faults: Faults) -> Path | None:
    found = attached(row, "recording", [name], folder, faults) if name else ()
    return found[0].path if found else None
