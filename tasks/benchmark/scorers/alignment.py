"""The best one-to-one assignment between two lists, by the Hungarian method in O(n * n * m).

Own code because one small function is needed where a numerical library would be a dependency of
100 MB. Knows numbers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf


def best_total(gains: Sequence[Sequence[float]]) -> float:
    """The largest sum of gains when each row gets at most one column and the other way round."""
    if not gains or not gains[0]:
        return 0.0
    if len(gains) > len(gains[0]):
        gains = [list(column) for column in zip(*gains, strict=True)]
    row_of = _assign([[-gain for gain in row] for row in gains])
    return sum(gains[row][column] for column, row in row_of.items())


def _assign(costs: list[list[float]]) -> dict[int, int]:
    """Column -> row of a cheapest assignment of every row (no more rows than columns)."""
    rows, columns = len(costs), len(costs[0])
    row_price, column_price = [0.0] * (rows + 1), [0.0] * (columns + 1)
    row_at = [0] * (columns + 1)  # 0: the column is free
    for row in range(1, rows + 1):
        came_from = _augment(row, costs, row_price, column_price, row_at)
        column = came_from.pop()
        while column:
            row_at[column] = row_at[came_from[column]]
            column = came_from[column]
    return {column - 1: row - 1 for column, row in enumerate(row_at) if column and row}


def _augment(
    row: int,
    costs: list[list[float]],
    row_price: list[float],
    column_price: list[float],
    row_at: list[int],
) -> list[int]:
    """Find the cheapest path from a new row to a free column; its end is the last item."""
    columns = len(column_price) - 1
    slack, came_from = [inf] * (columns + 1), [0] * (columns + 1)
    seen = [False] * (columns + 1)
    row_at[0] = row
    at = 0
    while row_at[at]:
        seen[at] = True
        here, nearest, least = row_at[at], 0, inf
        for column in range(1, columns + 1):
            if seen[column]:
                continue
            cost = costs[here - 1][column - 1] - row_price[here] - column_price[column]
            if cost < slack[column]:
                slack[column], came_from[column] = cost, at
            if slack[column] < least:
                least, nearest = slack[column], column
        for column in range(columns + 1):
            if seen[column]:
                row_price[row_at[column]] += least
                column_price[column] -= least
            else:
                slack[column] -= least
        at = nearest
    return [*came_from, at]
