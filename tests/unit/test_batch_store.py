"""The rows of batches: who may write them, in which order units start, and what is counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sql

from orchestrator.errors import Fenced, JournalUnavailable, UsageError
from tasks.batch.store import Store
from tasks.batch.values import Plan, Planned


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "home")
    yield store
    store.close()


def made(store: Store, count: int = 3) -> str:
    plan = Plan(tasks=Path("t.jsonl"), tasks_sha256="0", systems={"m": {}})
    planned = [Planned(f"u{n}", f"t{n}", 1, "m", place=n) for n in range(count)]
    return store.create(plan, planned)


def test_a_second_scheduler_fences_the_first(store: Store) -> None:
    batch = made(store)
    old, new = store.claim(batch, "a:1"), store.claim(batch, "b:2")
    store.change(new, "u0", {"state": "running"})
    with pytest.raises(Fenced, match="taken over"):
        store.change(old, "u0", {"state": "done"})
    with pytest.raises(Fenced, match="taken over"):
        store.change_all(old, "queued", {"state": "done"})
    assert store.totals(batch).states == {"queued": 2, "running": 1}


def test_units_start_by_priority_then_in_planned_order(store: Store) -> None:
    plan = Plan(tasks=Path("t.jsonl"), tasks_sha256="0", systems={"m": {}})
    one = Planned("u0", "t", 1, "m", place=0)
    later = [replace(one, unit=f"u{n}", place=n, priority=n // 2) for n in range(1, 5)]
    batch = store.create(plan, [one, *later])
    assert [unit.unit for unit in store.next_queued(batch, 4)] == ["u4", "u2", "u3", "u0"]


def test_totals_count_states_outcomes_and_money_that_is_known(store: Store) -> None:
    batch = made(store)
    hold = store.claim(batch, "a:1")
    done = {"state": "done", "outcome": "answered", "calls": 2, "tokens": 10}
    store.change(hold, "u0", {**done, "usd_micros": 5}, active_s=1.5)
    totals = store.totals(batch)
    assert (totals.planned, totals.done, totals.outcomes) == (3, 1, {"answered": 1})
    assert (totals.calls, totals.tokens, totals.usd_micros, totals.active_s) == (2, 10, 5, 1.5)
    store.change(hold, "u1", {**done, "usd_micros": None})
    assert store.totals(batch).usd_micros is None


def test_only_finished_units_are_queued_again(store: Store) -> None:
    batch = made(store)
    hold = store.claim(batch, "a:1")
    store.change(hold, "u0", {"state": "done", "failure": "infra", "strikes": 3})
    store.change(hold, "u1", {"state": "running"})
    store.requeue(batch, ["u0", "u1"])
    rows = {unit.unit: unit for unit in store.all(batch)}
    assert (rows["u0"].state, rows["u0"].strikes, rows["u0"].failure) == ("queued", 0, "")
    assert rows["u1"].state == "running"


def test_a_batch_is_found_by_the_start_of_its_id(store: Store) -> None:
    with pytest.raises(UsageError, match="no batch yet"):
        store.find("last")
    first, second = made(store), made(store)
    assert store.find(first).batch == first
    assert store.find("last").batch == second
    with pytest.raises(UsageError, match="fits several"):
        store.find("b")
    with pytest.raises(UsageError, match="there is no batch 'x'"):
        store.find("x")


def test_a_newer_schema_is_refused_with_what_to_do(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    engine = sql.create_engine(f"sqlite:///{tmp_path / 'journal.db'}")
    with engine.begin() as connection:
        connection.execute(sql.text("UPDATE batch_schema SET version = 99"))
    engine.dispose()
    with pytest.raises(JournalUnavailable, match="newer Quaestor"):
        Store.open(tmp_path)
