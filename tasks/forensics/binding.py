"""Whether the figures and names of a sentence stand together in one row of what it cites. Pure.

A right figure beside the wrong name is a wrong sentence. Names lead the figures that follow them,
or follow the figures that they end; one of the two readings has to hold for the whole sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tasks.forensics.atoms import Atom, Support, tokens_of
from tasks.forensics.claims import Result

Row = tuple[int, int]


@dataclass(slots=True)
class Part:
    """A name, or names that share a row, with the figures that belong to it."""

    rows: frozenset[Row]
    places: frozenset[tuple[int, int]]
    names: list[str]
    figures: list[Atom] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Grid:
    """The rows of the results that have several, each by what it holds."""

    rows: dict[Row, Support]
    cells: dict[tuple[int, int, int], Support]

    def holding(self, atom: Atom) -> frozenset[Row]:
        """The rows that hold an atom."""
        return frozenset(row for row, support in self.rows.items() if support.holds(atom))

    def places(self, atom: Atom, rows: Iterable[Row]) -> frozenset[tuple[int, int]]:
        """The columns, by result, in which these rows hold it."""
        wanted = set(rows)
        return frozenset(
            (result, column)
            for (result, row, column), support in self.cells.items()
            if (result, row) in wanted and support.holds(atom)
        )


def unbound(text: str, results: Sequence[Result], loose: Support) -> str:
    """A figure or name that does not stand where the sentence puts it, or "". `loose` is what may
    stand beside anything: results of one row, and what follows by a formula."""
    grid = _grid(results)
    if not grid.rows:
        return ""
    tokens = tokens_of(text)
    problem = _misplaced(_parts(tokens, grid, loose), grid)
    if not problem:
        return ""
    parts = _parts(tokens[::-1], grid, loose)
    return problem if _misplaced(parts, grid) or (parts and not parts[-1].figures) else ""


def _grid(results: Sequence[Result]) -> Grid:
    rows: dict[Row, Support] = {}
    cells: dict[tuple[int, int, int], Support] = {}
    for number, result in enumerate(results):
        if len(result.rows) < 2 or result.places or result.citation.kind != "query":
            continue
        for place, row in enumerate(result.rows):
            rows[number, place] = _support(row, result)
            for column, cell in enumerate(row):
                cells[number, place, column] = _support((cell,), result)
    return Grid(rows, cells)


def _support(row: Sequence[object], result: Result) -> Support:
    support = Support()
    support.add_cells([row], without=result.labels)
    return support


def _parts(tokens: Sequence[Atom], grid: Grid, loose: Support) -> list[Part]:
    """The names in order, each with the figures that come after it; those before all of them
    belong to the first."""
    parts: list[Part] = []
    early: list[Atom] = []
    for atom in tokens:
        rows = grid.holding(atom)
        if not rows or (atom.number is not None and loose.holds(atom)):
            continue
        if atom.number is not None:
            (parts[-1].figures if parts else early).append(atom)
        else:
            _take_name(atom, rows, parts, grid)
    if parts:
        parts[0].figures[:0] = early
    return parts


def _take_name(atom: Atom, rows: frozenset[Row], parts: list[Part], grid: Grid) -> None:
    last = parts[-1] if parts else None
    if last is not None and last.rows & rows:
        last.rows &= rows
        last.names.append(atom.text)
        return
    parts.append(Part(rows, grid.places(atom, rows), [atom.text]))


def _misplaced(parts: Sequence[Part], grid: Grid) -> str:
    """The first thing that is out of place when figures belong to the names before them."""
    for one, other in pairwise(parts):
        same_result = {r for r, _ in one.places} & {r for r, _ in other.places}
        if same_result and not one.places & other.places:
            return f"{one.names[-1]!r} and {other.names[-1]!r} stand in no row together"
    return next((said for group in _groups(parts) if (said := _wrong_in(group, grid))), "")


def _groups(parts: Sequence[Part]) -> list[list[Part]]:
    """Names without a figure of their own belong to the figures of the next one: `A and B have`."""
    groups: list[list[Part]] = [[]]
    for part in parts:
        groups[-1].append(part)
        if part.figures:
            groups.append([])
    return [group for group in groups if group]


def _wrong_in(group: Sequence[Part], grid: Grid) -> str:
    figures = group[-1].figures
    in_turn = len(group) > 1 and len(group) == len(figures)
    for place, figure in enumerate(figures):
        rows = grid.holding(figure)
        owners = [group[place]] if in_turn else group
        for part in owners:
            if not rows & part.rows:
                return f"{figure.text!r} does not stand beside {part.names[-1]!r}"
    return ""
