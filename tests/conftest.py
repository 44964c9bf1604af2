"""Fixtures that several suites share, and how much of the long tables a short run takes.

With SOAK=1 everything runs. Otherwise a table of twelve cases or more that needs a box or a page
each time runs as a seeded half (pytest says how many were deselected), and properties see fewer
examples. A test that is named outright always runs.
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
LONG_TABLE = 12
settings.register_profile("quaestor", deadline=None, max_examples=200 if SOAK else 40)
settings.load_profile("quaestor")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A journal in a temporary folder."""
    journal = Journal.open(tmp_path / "home")
    yield Bench(tmp_path / "home", journal)
    journal.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep a seeded half of the long tables of tests with boxes and pages."""
    if SOAK or any("::" in argument for argument in config.args):
        return
    tables: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if any(folder in item.path.parents for folder in HEAVY):
            tables[item.nodeid.partition("[")[0]].append(item)
    left_out: set[pytest.Item] = set()
    for name, cases in tables.items():
        if len(cases) >= LONG_TABLE:
            left_out.update(random.Random(name).sample(cases, len(cases) // 2))
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]
