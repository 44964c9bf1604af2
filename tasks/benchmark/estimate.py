"""What a whole benchmark will cost and how long it takes, from a pilot of a few units.

The interval is for the total of the units still to come, so it holds both the doubt about the mean
and the spread of the units themselves. Few units give a wide one: that is the message.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from orchestrator.errors import UsageError
from orchestrator.models.llm import Frozen
from tasks.benchmark.intervals import Interval, student
from tasks.benchmark.rows import UnitResult

LEAST = 3


class Estimate(Frozen):
    """`usd` is None when the pilot's prices are not known; `hours` is wall time with `parallel`
    units at a time, without waiting for an endpoint's limits."""

    pilot: int
    units: int
    parallel: int
    usd: Interval | None
    hours: Interval
    not_finished: int


def estimate(pilot: Sequence[UnitResult], units: int, parallel: int) -> Estimate:
    """The estimate for `units` units. Raises UsageError when the pilot is too small."""
    ran = [row for row in pilot if row.ended not in ("not_run", "infra")]
    if len(ran) < LEAST:
        raise UsageError(
            f"the pilot has {len(ran)} units that ran: too few to say anything",
            fix=f"run at least {LEAST}, better 10, of mixed levels",
        )
    if units < 1 or parallel < 1:
        raise UsageError("give at least one unit, and at least one at a time")
    costs = [row.usage.usd_micros for row in ran]
    known = [cost / 1e6 for cost in costs if cost is not None]
    seconds = [max(row.times.wall, row.times.attempts) for row in ran]
    at_once = min(parallel, units)
    total = _total(seconds, units)
    # The last units leave slots idle: never faster than the longest unit that was seen.
    bounds = [max(value / at_once, max(seconds)) / 3600 for value in (total.value, total.low)]
    return Estimate(
        pilot=len(ran),
        units=units,
        parallel=parallel,
        usd=_total(known, units) if len(known) == len(ran) else None,
        hours=Interval(
            value=bounds[0],
            low=bounds[1],
            high=max(total.high / at_once, max(seconds)) / 3600,
        ),
        not_finished=len(pilot) - len(ran),
    )


def _total(values: Sequence[float], units: int) -> Interval:
    """The sum over `units` further units with its prediction interval."""
    mean, spread, size = fmean(values), stdev(values), len(values)
    half = student(size - 1) * spread * math.sqrt(units + units * units / size)
    middle = mean * units
    return Interval(value=middle, low=max(0.0, middle - half), high=middle + half)
