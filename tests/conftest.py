"""Fixtures that several suites share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Bench

from orchestrator.journal import Journal


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A journal in a temporary folder."""
    journal = Journal.open(tmp_path / "home")
    yield Bench(tmp_path / "home", journal)
    journal.close()
