"""Where the marks of a plot go: numbers for a template to draw as SVG, no markup here.

A value that cannot be placed is left out and counted, never drawn somewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.forensics.reporting.content import Plot

WIDTH, HEIGHT = 680.0, 260.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 12.0, 24.0, 34.0
ROW = 20.0
LABELS = 170.0
BARS, BINS = 40, 24


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with what it stands for; `across` is whether it lies, with its label on the left."""

    x: float
    y: float
    width: float
    height: float
    label: str
    value: str
    across: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A plot as marks. `left_out` are rows that have no place; `lies` is whether its bars do, and
    `is_time` whether time goes across."""

    height: float
    across: str
    up: str
    bars: tuple[Bar, ...] = ()
    points: tuple[tuple[float, float], ...] = ()
    path: str = ""
    x_ticks: tuple[Tick, ...] = ()
    y_ticks: tuple[Tick, ...] = ()
    left_out: int = 0
    lies: bool = False
    is_time: bool = False


def drawn(plot: Plot) -> Drawing:
    """The marks of a plot."""
    if plot.kind == "hist":
        return _histogram(plot)
    return _bars(plot) if plot.kind == "bar" else _curve(plot)


def _bars(plot: Plot) -> Drawing:
    rows = [(str(row[0]), _number(_second(row))) for row in plot.rows if row]
    kept = [(label, value) for label, value in rows if value is not None and value >= 0][:BARS]
    top = max((value for _, value in kept), default=0.0) or 1.0
    room = WIDTH - LABELS - 70.0
    bars = tuple(
        Bar(LABELS, TOP + ROW * at, room * value / top, ROW - 6, label, _label(value), across=True)
        for at, (label, value) in enumerate(kept)
    )
    names = _names(plot)
    height = TOP + ROW * max(1, len(kept)) + 8
    return Drawing(height, *names, bars=bars, left_out=len(plot.rows) - len(kept), lies=True)


def _curve(plot: Plot) -> Drawing:
    places = [(_place(row[0]), _number(_second(row))) for row in plot.rows if row]
    pairs = [(x, y) for x, y in places if x is not None and y is not None]
    if not pairs:
        return Drawing(HEIGHT, *_names(plot), left_out=len(plot.rows))
    if plot.kind == "line":
        pairs.sort()
    is_time = any(_moment(row[0]) is not None for row in plot.rows if row)
    xs, ys = [x for x, _ in pairs], [y for _, y in pairs]
    x_low, x_high = _ends(xs)
    y_low, y_high = _ends([0.0, *ys])
    points = tuple((_across(x, x_low, x_high), _up(y, y_low, y_high)) for x, y in pairs)
    line = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points) if plot.kind == "line" else ""
    across, up = _names(plot)
    return Drawing(
        HEIGHT,
        across,
        up,
        points=points if plot.kind == "scatter" or len(points) < 60 else (),
        path=line,
        x_ticks=_x_ticks(x_low, x_high, is_time),
        y_ticks=_y_ticks(y_low, y_high),
        left_out=len(plot.rows) - len(pairs),
        is_time=is_time,
    )


def _histogram(plot: Plot) -> Drawing:
    values = [value for row in plot.rows if row and (value := _number(row[0])) is not None]
    if not values:
        return Drawing(HEIGHT, *_names(plot), left_out=len(plot.rows))
    low, high = _ends(values)
    bins = min(BINS, max(1, math.ceil(math.sqrt(len(values)))))
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, int((value - low) / (high - low) * bins))] += 1
    width = (WIDTH - LEFT - RIGHT) / bins
    edges = [_label(low + (high - low) * at / bins) for at in range(bins + 1)]
    bars = tuple(
        Bar(
            LEFT + width * at + 1,
            _up(count, 0, max(counts)),
            width - 2,
            _up(0, 0, max(counts)) - _up(count, 0, max(counts)),
            f"{edges[at]} to {edges[at + 1]}",
            str(count),
        )
        for at, count in enumerate(counts)
    )
    ticks = _x_ticks(low, high, is_time=False), _y_ticks(0, max(counts))
    name = plot.columns[0] if plot.columns else ""
    left_out = len(plot.rows) - len(values)
    return Drawing(HEIGHT, name, "rows", bars, (), "", *ticks, left_out)


def _names(plot: Plot) -> tuple[str, str]:
    names = plot.columns or ("", "")
    return names[0], names[1] if len(names) > 1 else names[0]


def _second(row: Sequence[Any]) -> Any:
    return row[1] if len(row) > 1 else row[0]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _place(value: Any) -> float | None:
    """A number, or a moment as seconds since 1970."""
    return _number(value) if not isinstance(value, str) else _moment(value)


def _moment(value: Any) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low, low + 1.0)


def _across(x: float, low: float, high: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (x - low) / (high - low)


def _up(y: float, low: float, high: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - low) / ((high - low) or 1.0)


def _steps(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers between two others."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step)
    return [step * at for at in range(first, first + most + 2) if step * at <= high + step * 1e-9]


def _x_ticks(low: float, high: float, is_time: bool) -> tuple[Tick, ...]:
    if not is_time:
        return tuple(Tick(_across(x, low, high), _label(x)) for x in _steps(low, high))
    places = [low + (high - low) * part / 4 for part in range(5)]
    form = "%Y-%m-%d" if high - low > 3 * 86_400 else "%d %H:%M"
    return tuple(
        Tick(_across(x, low, high), datetime.fromtimestamp(x, UTC).strftime(form)) for x in places
    )


def _y_ticks(low: float, high: float) -> tuple[Tick, ...]:
    if high <= low:
        return ()
    return tuple(Tick(_up(y, low, high), _label(y)) for y in _steps(low, high, 4))


def _label(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.6g}"
