"""What a command line says about showing and about places, as values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Show:
    """How much is shown, and in which form."""

    json: bool = False
    quiet: bool = False
    plain: bool = False
    verbose: bool = False


@dataclass(frozen=True, slots=True)
class Where:
    """What the command line says about where configuration and journal are."""

    home: Path | None = None
    config: Path | None = None
    trust_project: bool = False
