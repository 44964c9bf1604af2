"""One Postgres for the suite, one database per test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Bench
from postgres_server import Postgres, serve_postgres

from orchestrator.journal import Journal


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with serve_postgres() as server:
        yield server


@pytest.fixture
def url(postgres: Postgres) -> str:
    """An empty database."""
    return postgres.create(f"t{secrets.token_hex(6)}")


@pytest.fixture
def bench(tmp_path: Path, url: str) -> Iterator[Bench]:
    """A journal in Postgres, its blobs in a temporary folder."""
    home = tmp_path / "home"
    journal = Journal.open(home, url=url)
    yield Bench(home, journal, url=url)
    journal.close()
