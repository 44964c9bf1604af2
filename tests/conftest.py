"""Fixtures that several suites share, and how much of the long tables a short run takes.

With SOAK=1 everything runs. Otherwise a table of ten cases or more that needs a box or a page each
time runs as a seeded quarter (pytest says how many were deselected), and properties see fewer
examples. A file marked `table` is one table; what is marked `soak` waits for it. A test that is
named outright always runs.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Bench
from hypothesis import settings
from sampling import SOAK

from orchestrator.journal import Journal

# A loaded machine is no bug: no example has a deadline.
HEAVY = [Path(__file__).parent / name for name in ("docker", "browser")]
LONG_TABLE = 10
settings.register_profile("quaestor", deadline=None, max_examples=200 if SOAK else 20)
settings.load_profile("quaestor")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A journal in a temporary folder."""
    journal = Journal.open(tmp_path / "home")
    yield Bench(tmp_path / "home", journal)
    journal.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep a seeded part of the long tables of tests with boxes and pages."""
    if SOAK or any("::" in argument for argument in config.args):
        return
    left_out = {item for item in items if item.get_closest_marker("soak")}
    tables: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if any(folder in item.path.parents for folder in HEAVY):
            whole = "::" if item.get_closest_marker("table") else "["
            tables[item.nodeid.partition(whole)[0]].append(item)
    for name, cases in tables.items():
        if len(cases) >= LONG_TABLE:
            left_out.update(random.Random(name).sample(cases, len(cases) * 3 // 4))
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]
