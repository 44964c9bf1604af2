"""Fixtures that several suites share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Bench
from hypothesis import settings

from orchestrator.journal import Journal

# A loaded machine is no bug: no example has a deadline.
settings.register_profile("quaestor", deadline=None)
settings.load_profile("quaestor")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A journal in a temporary folder."""
    journal = Journal.open(tmp_path / "home")
    yield Bench(tmp_path / "home", journal)
    journal.close()
