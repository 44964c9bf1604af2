"""The results of a benchmark run: its manifest and exactly one row for every planned unit.

Reads a folder with `manifest.json` and `units.jsonl`, or a `report.json`. A unit without a row is
there as `missing`: nothing drops out of the denominator.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from orchestrator.errors import UsageError
from tasks.benchmark.manifest import Manifest, System, unit_id
from tasks.benchmark.rows import UnitResult


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that reports, comparisons and gates read."""

    manifest: Manifest
    rows: tuple[UnitResult, ...]

    def of(self, system: System) -> tuple[UnitResult, ...]:
        """The rows of one system."""
        return tuple(row for row in self.rows if row.system == system.name)


def complete(manifest: Manifest, rows: Iterable[UnitResult]) -> Results:
    """Every planned unit in planned order. Raises UsageError for a row that was never planned, or
    that is there twice."""
    given: dict[tuple[str, str, int], UnitResult] = {}
    names = {system.name for system in manifest.systems}
    if len(names) < len(manifest.systems):
        raise UsageError("two systems of the manifest have the same name")
    only = next(iter(names)) if len(names) == 1 else ""
    for row in rows:
        known = {"system": row.system or only, "level": manifest.tasks.get(row.task, "")}
        named = row.model_copy(update=known)
        key = (named.system, named.task, named.repeat)
        planned = named.system in names and named.task in manifest.tasks
        if not planned or named.repeat > manifest.repeats:
            raise UsageError(f"the unit {row.unit} ({row.task}) is not in the manifest's plan")
        if key in given:
            raise UsageError(f"there are two rows for {row.task}, repeat {row.repeat}")
        given[key] = named
    return Results(manifest, tuple(_planned(manifest, given)))


def read_results(place: Path) -> Results:
    """The results in a folder or a report's JSON. Raises UsageError that names what is wrong."""
    folder = place if place.is_dir() else place.parent
    report = folder / "report.json" if place.is_dir() else place
    try:
        if (folder / "units.jsonl").is_file() and place.is_dir():
            text = (folder / "manifest.json").read_text(encoding="utf-8")
            lines = (folder / "units.jsonl").read_text(encoding="utf-8").splitlines()
            rows = [json.loads(line) for line in lines if line.strip()]
            manifest = json.loads(text)
        else:
            known = json.loads(report.read_text(encoding="utf-8"))
            manifest, rows = known["manifest"], known["units"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{place} holds no results: {error}",
            fix="a folder with manifest.json and units.jsonl, or a report.json",
        ) from error
    return complete(*_parsed(place, manifest, rows))


def _parsed(place: Path, manifest: object, rows: object) -> tuple[Manifest, list[UnitResult]]:
    try:
        items = rows if isinstance(rows, list) else []
        read = [UnitResult.model_validate(_own_fields(item)) for item in items]
        return Manifest.model_validate(manifest), read
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{place}: {error.title}, {where}: {first['msg']}") from error


def _own_fields(item: object) -> object:
    """A row of a report also says its class and failures, which are derived."""
    if not isinstance(item, Mapping):
        return item
    return {name: value for name, value in item.items() if name not in ("class", "failures")}


def _planned(
    manifest: Manifest, given: Mapping[tuple[str, str, int], UnitResult]
) -> Iterable[UnitResult]:
    for system in manifest.systems:
        for repeat in range(1, manifest.repeats + 1):
            for task, level in manifest.tasks.items():
                row = given.get((system.name, task, repeat))
                yield row or UnitResult(
                    unit=unit_id(manifest, system, task, repeat),
                    task=task,
                    repeat=repeat,
                    system=system.name,
                    level=level,
                    ended="not_run",
                    attempts=0,
                )
