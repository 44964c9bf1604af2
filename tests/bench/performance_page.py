"""Prints the tables of the benchmark, and writes them into `docs/performance.md` when asked.

`BENCH_WRITE=1 make bench` replaces the section between `<!-- NAME -->` and `<!-- /NAME -->` by
what was just measured, with the date, the machine and the command.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
Table = Mapping[str, Mapping[str, str]]
"""Rows by name, each with its cells by column."""


def show(name: str, table: Table, notes: Sequence[str] = ()) -> None:
    """Print a table, and write it into the page when BENCH_WRITE is set."""
    text = "\n".join([*_lines(table), "", *notes]).rstrip()
    print(f"\n{text}\n", flush=True)
    if os.environ.get("BENCH_WRITE"):
        _write(name, f"Measured {datetime.now(UTC):%Y-%m-%d} on {machine()}.\n\n{text}")


def machine() -> str:
    """The class of this machine: cores and memory, and how busy it was."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {pages:.0f} GB, load {load:.0f}"


def ratio(ours: float, theirs: float) -> str:
    """One figure as a share of another."""
    return f"{ours / theirs:.2f}" if theirs else "-"


def _lines(table: Table) -> list[str]:
    columns = list(dict.fromkeys(name for cells in table.values() for name in cells))
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, cells in table.items():
        lines.append(f"| {name} | {' | '.join(cells.get(column, '') for column in columns)} |")
    return lines


def _write(name: str, text: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    section = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not section.search(page):
        raise ValueError(f"{PAGE} has no section {name}")
    changed = section.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page)
    PAGE.write_text(changed, encoding="utf-8")
