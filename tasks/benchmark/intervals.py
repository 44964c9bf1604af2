"""Intervals and tests for shares, means and paired differences, in plain Python.

Everything random takes a seed, so that a report is the same when it is made again. The number of
resamples shrinks with the number of values, so that ten thousand rows stay below a second.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import product
from statistics import fmean, stdev

from orchestrator.models.llm import Frozen

Z = 1.959963984540054
"""The 97.5 % point of the normal distribution: intervals are at 95 %."""
DRAWS = 1_500_000
RESAMPLES = 10_000
EXACT_FLIPS = 12
"""Up to so many differing tasks all sign changes are tried, beyond that a sample of them."""


class Interval(Frozen):
    """A value with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(right: float, planned: float) -> Interval:
    """A share of independent units (E. B. Wilson, 1927). `right` may be a sum of partial scores."""
    if planned == 0:
        return Interval(value=0.0, low=0.0, high=1.0)
    share, square = right / planned, Z * Z / planned
    middle = (share + square / 2) / (1 + square)
    half = Z / (1 + square) * math.sqrt(share * (1 - share) / planned + square / (4 * planned))
    low = 0.0 if right <= 0 else max(0.0, middle - half)
    high = 1.0 if right >= planned else min(1.0, middle + half)
    return Interval(value=share, low=low, high=high)


def bootstrap(values: Sequence[float], seed: int) -> Interval:
    """The mean over tasks, by resampling whole tasks: repeats of a task are not independent."""
    if not values:
        return Interval(value=0.0, low=0.0, high=0.0)
    mean = fmean(values)
    if len(set(values)) == 1:
        return Interval(value=mean, low=mean, high=mean)
    rng, size = random.Random(seed), len(values)
    means = sorted(sum(rng.choices(values, k=size)) / size for _ in range(_rounds(size)))
    cut = int(0.025 * len(means))
    return Interval(value=mean, low=means[cut], high=means[-1 - cut])


def standard_error(values: Sequence[float]) -> float | None:
    """Of the mean over tasks, with n - 1; None for fewer than two."""
    return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


def pass_at(attempts: int, right: int, chosen: int) -> float:
    """The chance that one of `chosen` attempts is right, without bias (Chen et al., 2021)."""
    return 1 - math.comb(attempts - right, chosen) / math.comb(attempts, chosen)


def pass_all(attempts: int, right: int, chosen: int) -> float:
    """The chance that all of `chosen` attempts are right."""
    return math.comb(right, chosen) / math.comb(attempts, chosen)


def mcnemar(gained: int, lost: int) -> float:
    """The exact two-sided p-value of so many changes in either direction."""
    changed, fewer = gained + lost, min(gained, lost)
    tail = sum(math.comb(changed, number) for number in range(fewer + 1))
    return float(min(1.0, 2 * tail / 2**changed))


def smallest_change(changed: int) -> int | None:
    """Of so many changed tasks, the largest number of losses that is still significant."""
    found = None
    for lost in range(changed // 2 + 1):
        if mcnemar(changed - lost, lost) >= 0.05:
            break
        found = lost
    return found


def sign_flip(differences: Sequence[float], seed: int) -> float:
    """The two-sided p-value of a mean paired difference when signs were drawn at random."""
    moved = [value for value in differences if value]
    if not moved:
        return 1.0
    seen = abs(sum(moved)) - 1e-12
    if len(moved) <= EXACT_FLIPS:
        sums = [
            sum(sign * value for sign, value in zip(signs, moved, strict=True))
            for signs in product((1, -1), repeat=len(moved))
        ]
        return sum(abs(total) >= seen for total in sums) / len(sums)
    rng, rounds = random.Random(seed), _rounds(len(moved))
    hits = sum(
        abs(sum(value if rng.random() < 0.5 else -value for value in moved)) >= seen
        for _ in range(rounds)
    )
    return (hits + 1) / (rounds + 1)


def unpaired(first: Interval, second: Interval) -> Interval:
    """first - second of two independent shares (Newcombe's hybrid score interval, 1998)."""
    value = first.value - second.value
    down = math.hypot(first.value - first.low, second.high - second.value)
    up = math.hypot(first.high - first.value, second.value - second.low)
    return Interval(value=value, low=value - down, high=value + up)


def student(freedom: int) -> float:
    """The 97.5 % point of Student's t, by the expansion around the normal (error < 1 % from 3)."""
    if freedom < 3:
        return {1: 12.706, 2: 4.303}[max(1, freedom)]
    first = (Z**3 + Z) / 4
    second = (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96
    third = (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384
    return Z + first / freedom + second / freedom**2 + third / freedom**3


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which so much lies, between neighbours; 0 for none."""
    if not values:
        return 0.0
    ordered, place = sorted(values), share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _rounds(size: int) -> int:
    return max(300, min(RESAMPLES, DRAWS // size))
