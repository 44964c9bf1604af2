"""Where the marks of a report's plots go: numbers for the template to draw, no markup here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.benchmark.intervals import Interval, quantile
from tasks.benchmark.measures import Summary
from tasks.benchmark.outcomes import CLASSES

WIDTH = 640.0
BINS = 20


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a stacked bar: x and width of WIDTH."""

    name: str
    count: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Whisker:
    """A share with its interval as x positions, on a row of its own."""

    name: str
    note: str
    x: float
    low: float
    high: float
    row: int


@dataclass(frozen=True, slots=True)
class Bin:
    """A bar of a histogram; `height` is a share of the highest."""

    x: float
    width: float
    height: float
    count: int
    low: float
    high: float


def stacked(summary: Summary) -> list[Piece]:
    """One bar over all planned units, by outcome class."""
    pieces, x = [], 0.0
    for name in CLASSES:
        count = summary.classes.get(name, 0)
        if count:
            width = WIDTH * count / max(1, summary.planned)
            pieces.append(Piece(name, count, x, width))
            x += width
    return pieces


def whiskers(summary: Summary) -> list[Whisker]:
    """All units, then each level."""
    lines = [("all", summary.of_one_unit, summary.planned)]
    lines += [(f"level {group.name}", group.share, group.planned) for group in summary.levels]
    return [_whisker(*line, row) for row, line in enumerate(lines)]


def histogram(values: Sequence[float]) -> list[Bin]:
    """Up to the 99th percentile; what is above falls into the last bar."""
    top = quantile(values, 0.99)
    if not values or top <= 0:
        return []
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, int(value / top * BINS))] += 1
    step, wide, highest = top / BINS, WIDTH / BINS, max(counts)
    return [
        Bin(place * wide, wide - 2, count / highest, count, place * step, (place + 1) * step)
        for place, count in enumerate(counts)
    ]


def _whisker(name: str, share: Interval, planned: int, row: int) -> Whisker:
    note = f"{share.value:.1%} [{share.low:.1%}, {share.high:.1%}] of {planned}"
    return Whisker(name, note, share.value * WIDTH, share.low * WIDTH, share.high * WIDTH, row)
