"""Draws a query's result so that a person can read it: labelled axes, counts, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.image.document import Unreadable, library

KINDS = ("bar", "line", "scatter", "hist")
SIZE, DPI = (8.0, 4.2), 110
INK, PAPER = "#1f4e79", "#ffffff"
LABEL, MAX_BARS, BINS = 24, 60, 30


def draw(result: dict[str, Any], kind: str, title: str, target: Path) -> None:
    """The first column across, the second up (for `hist`: the spread of the first)."""
    if kind not in KINDS:
        raise Unreadable(f"plots are {', '.join(KINDS)}, not {kind!r}")
    columns, rows = result["columns"], result["rows"]
    if not rows or (kind != "hist" and len(columns) < 2):
        raise Unreadable("a plot needs rows, and two columns: across and up")
    library("matplotlib").use("Agg")
    pyplot = library("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=SIZE, dpi=DPI, facecolor=PAPER)
    if kind == "hist":
        axes.hist(_numbers([row[0] for row in rows]), bins=BINS, color=INK)
        axes.set_ylabel("rows")
    else:
        _pairs(axes, kind, rows)
        axes.set_ylabel(_plain(columns[1]))
    axes.set_xlabel(_plain(columns[0]))
    axes.set_title(_plain(title)[:100], loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    figure.tight_layout()
    figure.savefig(str(target), metadata={"Software": None})
    pyplot.close(figure)


def _pairs(axes: Any, kind: str, rows: Sequence[Sequence[Any]]) -> None:
    up = _numbers([row[1] for row in rows])
    if kind == "bar":
        labels = [_plain(row[0])[:LABEL] for row in rows[:MAX_BARS]]
        axes.bar(range(len(labels)), up[:MAX_BARS], color=INK)
        crowded = len(labels) > 8 or max(map(len, labels)) > 10
        turn = {"rotation": 60, "ha": "right"} if crowded else {}
        axes.set_xticks(range(len(labels)), labels, fontsize=8, **turn)
        return
    across = [_moment(row[0]) for row in rows]
    if any(value is None for value in across):
        across = list(_numbers([row[0] for row in rows]))
    if kind == "line":
        order = sorted(range(len(rows)), key=lambda place: across[place])
        axes.plot([across[n] for n in order], [up[n] for n in order], color=INK, marker=".")
    else:
        axes.scatter(across, up, color=INK, s=14, alpha=0.7)


def _numbers(values: Sequence[Any]) -> list[float]:
    try:
        return [float(value) if value is not None else float("nan") for value in values]
    except (TypeError, ValueError) as error:
        raise Unreadable("this column has to hold numbers") from error


def _moment(value: Any) -> Any:
    try:
        return datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None


def _plain(value: Any) -> str:
    """Text of a hostile file as a label: printable, and without the signs of formulas."""
    text = "".join(char if char.isprintable() else " " for char in str(value))
    return text.replace("$", "\\$")
