"""Where things of a case lie in the box, and which tables an intake names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

INPUTS, WORK = Path("inputs"), Path("work")
INTAKE = WORK / "intake.json"
PROSE = "text line"
"""The unit of a document's table: its rows are lines of text, not records."""


def place_of(exhibit: str) -> Path:
    """Where an exhibit lies; members of archives lie where they were taken out to."""
    outer, _, number = exhibit.partition(".")
    return WORK / "members" / outer / number if number else INPUTS / outer


def tables_in(exhibits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every table that was written."""
    return [table for exhibit in exhibits for table in exhibit["tables"]]
