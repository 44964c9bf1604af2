"""Two systems on the tasks that both were given: paired, so that hard tasks cancel out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from orchestrator.errors import UsageError
from orchestrator.models.llm import Frozen
from tasks.benchmark.intervals import Interval, bootstrap, mcnemar, sign_flip, smallest_change
from tasks.benchmark.manifest import System
from tasks.benchmark.measures import task_means
from tasks.benchmark.outcomes import FULL, NOT_THE_SYSTEM, class_of
from tasks.benchmark.results import Results
from tasks.benchmark.rows import UnitResult


class Comparison(Frozen):
    """`difference` is second - first over `tasks`, with the interval of a paired bootstrap.

    `p` is McNemar's exact test for one repeat of scores that are 0 or 1, else a sign-flip
    permutation test. `smallest` says how lopsided as many changed tasks would have to be.
    """

    tasks: int
    left_out: tuple[str, ...]
    first: float
    second: float
    difference: Interval
    test: Literal["mcnemar", "sign-flip"]
    p: float
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    smallest: str
    micros: tuple[int | None, int | None]
    seconds: tuple[float, float]
    warnings: tuple[str, ...]


def compare(
    first: tuple[Results, System], second: tuple[Results, System], *, force: bool = False
) -> Comparison:
    """The paired comparison. Raises UsageError when suite or scorer differ, unless forced."""
    warnings = _differing(first[0], second[0])
    if warnings and not force:
        raise UsageError(
            f"these runs cannot be compared: {'; '.join(warnings)}", fix="insist with --force"
        )
    before, after = first[0].of(first[1]), second[0].of(second[1])
    left, right = task_means(before), task_means(after)
    common = [task for task in left if task in right]
    if not common:
        raise UsageError("these runs have no task in common")
    differences = [right[task] - left[task] for task in common]
    single = first[0].manifest.repeats == second[0].manifest.repeats == 1
    binary = all(mean in (0.0, 1.0) for task in common for mean in (left[task], right[task]))
    gained = tuple(task for task in common if right[task] - left[task] > 1 - FULL)
    lost = tuple(task for task in common if left[task] - right[task] > 1 - FULL)
    seed = first[0].manifest.seed
    return Comparison(
        tasks=len(common),
        left_out=tuple(sorted({*left, *right} - set(common))),
        first=sum(left[task] for task in common) / len(common),
        second=sum(right[task] for task in common) / len(common),
        difference=bootstrap(differences, seed),
        test="mcnemar" if single and binary else "sign-flip",
        p=mcnemar(len(gained), len(lost)) if single and binary else sign_flip(differences, seed),
        gained=gained,
        lost=lost,
        smallest=_smallest(len(gained) + len(lost)),
        micros=(_money(before, common), _money(after, common)),
        seconds=(_seconds(before, common), _seconds(after, common)),
        warnings=(*warnings, *_not_judged(before, after)),
    )


def _differing(first: Results, second: Results) -> tuple[str, ...]:
    left, right = first.manifest, second.manifest
    pairs = (
        ("suites", left.suite_sha256, right.suite_sha256),
        ("splits", left.split, right.split),
        ("scorers", left.scorers, right.scorers),
    )
    return tuple(f"their {name} differ" for name, one, other in pairs if one != other)


def _not_judged(before: Iterable[UnitResult], after: Iterable[UnitResult]) -> tuple[str, ...]:
    counts = [sum(class_of(row) in NOT_THE_SYSTEM for row in rows) for rows in (before, after)]
    if not any(counts):
        return ()
    return (
        f"not judged or not run, counted as 0: {counts[0]} in the first, {counts[1]} in the second",
    )


def _smallest(changed: int) -> str:
    lost = smallest_change(changed)
    if lost is None:
        return f"{changed} changed tasks cannot show a difference; it takes 6:0, 8:1 or 10:2"
    return f"of {changed} changed tasks, {changed - lost}:{lost} or more would show a difference"


def _money(rows: Iterable[UnitResult], tasks: Iterable[str]) -> int | None:
    wanted = set(tasks)
    costs = [row.usage.usd_micros for row in rows if row.task in wanted]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _seconds(rows: Iterable[UnitResult], tasks: Iterable[str]) -> float:
    wanted = set(tasks)
    return sum(row.times.wall for row in rows if row.task in wanted)
