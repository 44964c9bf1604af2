"""From the rows of one system to its figures. Pure: the same rows give the same summary.

The headline is over all planned units. What excludes infrastructure errors stands beside it, with
their number, and is never alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean

from orchestrator.models.llm import Frozen, Usage
from tasks.benchmark.intervals import (
    Interval,
    bootstrap,
    pass_all,
    pass_at,
    quantile,
    standard_error,
    wilson,
)
from tasks.benchmark.manifest import System
from tasks.benchmark.outcomes import (
    CLASSES,
    FULL,
    NOT_THE_SYSTEM,
    OutcomeClass,
    class_of,
    failures_of,
)
from tasks.benchmark.results import Results
from tasks.benchmark.rows import UnitResult


class Group(Frozen):
    """A level or tag: the sum of scores over the planned units, with Wilson's interval. Repeats of
    a task count as one task there: taken as independent they would make it too narrow."""

    name: str
    right: float
    planned: int
    share: Interval


class ByRule(Frozen):
    """The same units by another scorer."""

    share: Interval
    levels: tuple[Group, ...]


class Repeats(Frozen):
    """What several attempts at the same task show. Keyed by k where k attempts are meant."""

    repeats: int
    pass_at: dict[int, float]
    pass_all: dict[int, float]
    flipped: float


class Answering(Frozen):
    """For scores between 0 and 1, and for judged answers. `f` is the harmonic mean of accuracy and
    accuracy among the answered."""

    answered: int
    answer_rate: float
    precision: float
    exact: int
    f: float


class Cost(Frozen):
    """Money in micro-dollars; None when a price is unknown."""

    usage: Usage
    by_role: dict[str, Usage]
    wasted: Usage
    per_unit: float | None
    per_right: float | None
    unpriced_units: int


class Latency(Frozen):
    """Seconds of wall time over the units that ran, and where they went."""

    p50: float
    p90: float
    most: float
    total: float
    model: float
    tool: float
    queue: float
    rounds_p50: float
    retried_units: int


class Summary(Frozen):
    """All figures of one system."""

    system: System
    planned: int
    finished: int
    score: Interval
    standard_error: float | None
    of_one_unit: Interval
    without_infra: Interval
    set_apart: dict[OutcomeClass, int]
    classes: dict[OutcomeClass, int]
    levels: tuple[Group, ...]
    tags: tuple[Group, ...]
    also: dict[str, ByRule]
    repeats: Repeats
    answering: Answering
    cost: Cost
    latency: Latency
    failures: dict[str, int]
    failed_agents: dict[str, int]
    signals: dict[str, int]


def summarize(results: Results, system: System) -> Summary:
    """The figures of one system of a run."""
    rows, manifest = results.of(system), results.manifest
    classes = Counter(class_of(row) for row in rows)
    means = task_means(rows)
    clean = [row for row in rows if class_of(row) not in NOT_THE_SYSTEM]
    failed = [row for row in rows if row.failed_agent and class_of(row) != "correct"]
    return Summary(
        system=system,
        planned=len(rows),
        finished=len(rows) - classes["missing"],
        score=bootstrap(list(means.values()), manifest.seed),
        standard_error=standard_error(list(means.values())),
        of_one_unit=_share([row.value for row in rows], manifest.repeats),
        without_infra=_share([row.value for row in clean], manifest.repeats),
        set_apart={name: classes[name] for name in CLASSES if name in NOT_THE_SYSTEM},
        classes={name: classes[name] for name in CLASSES},
        levels=_groups(rows, _levels, manifest.repeats),
        tags=_groups(rows, lambda row: row.tags, manifest.repeats),
        also={name: _by_rule(rows, name, manifest.repeats) for name in manifest.also},
        repeats=_repeats(rows, manifest.repeats),
        answering=_answering(rows),
        cost=_cost(rows),
        latency=_latency(rows),
        failures=dict(Counter(code for row in rows for code in failures_of(row)).most_common()),
        failed_agents=dict(Counter(row.failed_agent for row in failed).most_common()),
        signals=dict(sum((Counter(row.signals) for row in rows), Counter[str]())),
    )


def task_means(rows: Iterable[UnitResult]) -> dict[str, float]:
    """The mean score of each task over its repeats, in the order of the rows."""
    scores: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        scores[row.task].append(row.value)
    return {task: fmean(values) for task, values in scores.items()}


def _levels(row: UnitResult) -> tuple[str, ...]:
    return (row.level,) if row.level else ()


def _groups(
    rows: Iterable[UnitResult],
    names_of: Callable[[UnitResult], tuple[str, ...]],
    repeats: int,
    value_of: Callable[[UnitResult], float] = lambda row: row.value,
) -> tuple[Group, ...]:
    scores: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name in names_of(row):
            scores[name].append(value_of(row))
    return tuple(
        Group(name=name, right=sum(values), planned=len(values), share=_share(values, repeats))
        for name, values in sorted(scores.items())
    )


def _share(values: Sequence[float], repeats: int) -> Interval:
    return wilson(sum(values) / repeats, len(values) / repeats)


def _by_rule(rows: Sequence[UnitResult], name: str, repeats: int) -> ByRule:
    """By another rule; what has no such score counts 0 there too."""

    def value(row: UnitResult) -> float:
        return row.also.get(name, 0.0)

    share = _share([value(row) for row in rows], repeats)
    return ByRule(share=share, levels=_groups(rows, _levels, repeats, value))


def _repeats(rows: Iterable[UnitResult], repeats: int) -> Repeats:
    right: Counter[str] = Counter()
    for row in rows:
        right[row.task] += row.value >= FULL
    counts = list(right.values())
    wanted = [k for k in (1, 2, 4, 8, repeats) if k <= repeats] if counts else []
    return Repeats(
        repeats=repeats,
        pass_at={k: fmean(pass_at(repeats, count, k) for count in counts) for k in wanted},
        pass_all={k: fmean(pass_all(repeats, count, k) for count in counts) for k in wanted},
        flipped=fmean(0 < count < repeats for count in counts) if counts else 0.0,
    )


def _answering(rows: Sequence[UnitResult]) -> Answering:
    answered = [row for row in rows if _is_answered(row)]
    rate = len(answered) / len(rows) if rows else 0.0
    precision = fmean(row.value for row in answered) if answered else 0.0
    accuracy = sum(row.value for row in rows) / len(rows) if rows else 0.0
    both = accuracy + precision
    return Answering(
        answered=len(answered),
        answer_rate=rate,
        precision=precision,
        exact=sum(row.value >= FULL for row in rows),
        f=2 * accuracy * precision / both if both else 0.0,
    )


def _is_answered(row: UnitResult) -> bool:
    if row.score is None or row.score.kind != "judged" or not (row.answer or "").strip():
        return False
    return row.score.detail.get("grade") != "not_attempted"


def _cost(rows: Sequence[UnitResult]) -> Cost:
    by_role: dict[str, Usage] = {}
    for row in rows:
        for item in row.spent:
            name = f"{item.role} ({item.model})"
            by_role[name] = by_role.get(name, Usage()) + item.usage
    wasted = sum((row.wasted for row in rows), Usage())
    total = sum(by_role.values(), wasted)
    money, right = total.usd_micros, sum(row.value >= FULL for row in rows)
    ran = sum(row.ended != "not_run" for row in rows)
    return Cost(
        usage=total,
        by_role=dict(sorted(by_role.items())),
        wasted=wasted,
        per_unit=None if money is None or not ran else money / ran,
        per_right=None if money is None or not right else money / right,
        unpriced_units=sum(row.usage.usd_micros is None for row in rows),
    )


def _latency(rows: Iterable[UnitResult]) -> Latency:
    ran = [row for row in rows if row.ended != "not_run"]
    walls = [row.times.wall for row in ran]
    return Latency(
        p50=quantile(walls, 0.5),
        p90=quantile(walls, 0.9),
        most=max(walls, default=0.0),
        total=sum(max(row.times.wall, row.times.attempts) for row in ran),
        model=sum(row.times.model for row in ran),
        tool=sum(row.times.tool for row in ran),
        queue=sum(row.times.queue for row in ran),
        rounds_p50=quantile([row.rounds for row in ran], 0.5),
        retried_units=sum(row.attempts > 1 for row in ran),
    )
