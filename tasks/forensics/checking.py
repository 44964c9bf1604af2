"""Checks cases without a model: takes each in, in a box, and says what is there and what is not.

One bad case stops no other. Nothing is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.errors import JournalUnavailable, SandboxFailed, ToolFailed, UsageError
from orchestrator.settings import ForensicsSettings
from sandbox.base import SandboxSettings
from tasks.forensics.custody import Custody, take
from tasks.forensics.intake import Column, Intake
from tasks.forensics.lab import open_lab
from tasks.forensics.manifest import Case

CALLS = (25, 80)
"""A guess: no language model has been measured on cases."""
TOKENS_A_CALL = 6_000


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of a case; `problem` is why it cannot be worked on, or ""."""

    case: Case
    custody: Custody | None = None
    intake: Intake | None = None
    problem: str = ""


async def check_cases(
    cases: Sequence[Case],
    root: Path,
    settings: SandboxSettings,
    bounds: ForensicsSettings | None = None,
) -> AsyncIterator[Checked]:
    """Each case after its intake, in order. Raises NotReady when there is no box to be had."""
    for case in cases:
        yield await _check(case, root, settings, bounds)


async def _check(
    case: Case, root: Path, settings: SandboxSettings, bounds: ForensicsSettings | None
) -> Checked:
    with TemporaryDirectory(prefix="quaestor-case-") as temporary:
        folder = Path(temporary, "evidence")
        custody: Custody | None = None
        try:
            custody = await asyncio.to_thread(take, case, root, folder, bounds)
            async with open_lab(settings, custody, folder, case.subject) as lab:
                return Checked(case, custody, lab.intake)
        except (UsageError, ToolFailed, SandboxFailed, JournalUnavailable) as error:
            return Checked(case, custody, problem=error.message)


def lines_of(checked: Checked) -> list[str]:
    """What a person is told of a case."""
    if checked.intake is None or checked.custody is None:
        return [f"{checked.case.case_id}: cannot be worked on: {checked.problem}"]
    intake, custody = checked.intake, checked.custody
    tables = list(intake.tables())
    rows = sum(table.rows for _, table in tables)
    lines = [
        f"{checked.case.case_id}: {len(intake.exhibits)} exhibits, "
        f"{sum(item.size for item in custody.exhibits)} bytes, {len(tables)} tables, {rows} rows"
    ]
    for exhibit in intake.exhibits:
        parts = [exhibit.kind, exhibit.encoding, "" if exhibit.whole else "NOT COMPLETE"]
        said = ", ".join(part for part in parts if part)
        lines.append(f"  {exhibit.id} {exhibit.path}: {said}, sha256 {exhibit.sha256[:12]}")
        lines += [f"    {text}" for table in exhibit.tables for text in clocks_of(table.columns)]
    lines += [f"  left out: {item.path}: {item.why}" for item in custody.left_out[:20]]
    if len(custody.left_out) > 20:
        lines.append(f"  left out: {len(custody.left_out) - 20 + custody.not_listed} more")
    lines += [f"  note: {text}" for text in intake.warnings()[:40]]
    return lines


def clocks_of(columns: Sequence[Column]) -> list[str]:
    """A line per column of times: its zone and how it was found, its ends, rows without a time."""
    lines = []
    for column in columns:
        if column.clock is None:
            continue
        zone = column.clock.zone or "zone unknown"
        ends = f"{column.first} to {column.last}" if column.first else "no event"
        lines.append(
            f"{column.name}: {column.clock.form}, {zone} ({column.clock.found}); {ends}; "
            f"{column.undated} rows without a time"
        )
    return lines


def estimate(cases: int) -> str:
    """What the cases will take, as a range that is said to be rough."""
    low, high = (cases * calls for calls in CALLS)
    return (
        f"estimate for {cases} cases: {low} to {high} model calls, {low * TOKENS_A_CALL:,} to "
        f"{high * TOKENS_A_CALL:,} tokens (a guess, not measured)"
    )
