"""May this change go in? Pass, worse, or "could not judge", which is never a pass."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from orchestrator.errors import UsageError
from orchestrator.models.llm import Frozen
from tasks.benchmark.comparison import Comparison, compare
from tasks.benchmark.manifest import System
from tasks.benchmark.outcomes import NOT_THE_SYSTEM, class_of
from tasks.benchmark.results import Results

PASS: Literal[0] = 0
WORSE: Literal[1] = 1
COULD_NOT_JUDGE: Literal[2] = 2


class Verdict(Frozen):
    """The exit code and why. `comparison` is there when both runs could be compared."""

    code: Literal[0, 1, 2]
    reasons: tuple[str, ...]
    comparison: Comparison | None = None


def gate(baseline: Results, candidate: Results, *, max_drop: float) -> Verdict:
    """Judge a candidate against a baseline on the same suite; both must be whole."""
    if not 0 <= max_drop < 1:
        raise UsageError(f"--max-drop {max_drop:g} is no share", fix="for example 0.02")
    problems = [*_incomplete("the baseline", baseline), *_incomplete("the candidate", candidate)]
    if baseline.manifest.tasks.keys() != candidate.manifest.tasks.keys():
        problems.append("the runs planned different tasks")
    try:
        found = compare(_only(baseline), _only(candidate))
    except UsageError as error:
        return Verdict(code=COULD_NOT_JUDGE, reasons=(*problems, error.message))
    if problems:
        return Verdict(code=COULD_NOT_JUDGE, reasons=tuple(problems), comparison=found)
    drop = found.first - found.second
    said = f"{found.first:.4f} before, {found.second:.4f} now, over {found.tasks} tasks"
    if drop > max_drop + 1e-12:
        lost = ", ".join(found.lost[:10])
        reason = f"worse by {drop:.4f}, more than {max_drop:g}: {said}; lost: {lost}"
        return Verdict(code=WORSE, reasons=(reason,), comparison=found)
    return Verdict(code=PASS, reasons=(said,), comparison=found)


def _only(results: Results) -> tuple[Results, System]:
    if len(results.manifest.systems) != 1:
        raise UsageError("a gate compares runs of one system each")
    return results, results.manifest.systems[0]


def _incomplete(name: str, results: Results) -> list[str]:
    counts = Counter(class_of(row) for row in results.rows)
    apart = [f"{counts[kind]} {kind}" for kind in sorted(NOT_THE_SYSTEM) if counts[kind]]
    return [f"{name} has units that say nothing: {', '.join(apart)}"] if apart else []
