"""The rows of batches: one scheduler by epoch writes them, anybody reads them.

Every write of a scheduler checks in its own transaction that it still owns the batch; a second
one that takes the batch over fences the first. Knows states, not what follows from them.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from orchestrator.errors import Fenced, UsageError
from orchestrator.journal_schema import connect
from orchestrator.journal_writer import translated
from tasks.batch.schema import batches, migrate, units
from tasks.batch.values import Plan, Planned, State, Totals, Unit

NEW_UNIT: Mapping[str, Any] = {
    "state": "queued", "run": "", "head": 0, "attempt": 0, "strikes": 0, "steps": 0,
    "outcome": "", "failure": "", "calls": 0, "tokens": 0, "usd_micros": 0,
    "started": None, "ended": None, "result": None,
}  # fmt: skip
AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Batch:
    """The row of a batch."""

    batch: str
    created: str
    epoch: int
    owner: str
    cancelled: bool
    active_s: float
    plan: Plan


@dataclass(frozen=True, slots=True)
class Hold:
    """The right to write a batch, until somebody else claims it."""

    batch: str
    epoch: int


class Store:
    """The batches of one database. `close` it once."""

    def __init__(self, engine: sql.Engine) -> None:
        self._engine = engine

    @staticmethod
    def open(home: Path, url: str | None = None) -> Store:
        """Connect, and make the tables if they are missing."""
        engine = connect(home, url)
        with translated(str(home)):
            migrate(engine)
        return Store(engine)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def create(self, plan: Plan, planned: Sequence[Planned]) -> str:
        """Write a new batch with all its units, in one transaction; its id."""
        batch, now = f"b{secrets.token_hex(5)}", time.time()
        rows = [{**NEW_UNIT, **asdict(unit), "batch": batch, "queued": now} for unit in planned]
        with self._begin() as connection:
            connection.execute(
                sql.insert(batches).values(
                    batch=batch,
                    created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                    epoch=0,
                    owner="",
                    cancelled=False,
                    active_s=0.0,
                    plan=plan.model_dump_json(),
                )
            )
            for start in range(0, len(rows), AT_ONCE):
                connection.execute(sql.insert(units), rows[start : start + AT_ONCE])
        return batch

    def extend(self, batch: str, plan: Plan, planned: Sequence[Planned]) -> None:
        """Change the plan of a batch, and add those of its units that it has not got yet."""
        known = {unit.unit for unit in self.all(batch)}
        fresh = [asdict(unit) for unit in planned if unit.unit not in known]
        rows = [{**NEW_UNIT, **unit, "batch": batch, "queued": time.time()} for unit in fresh]
        with self._begin() as connection:
            connection.execute(
                sql.update(batches)
                .where(batches.c.batch == batch)
                .values(plan=plan.model_dump_json())
            )
            for start in range(0, len(rows), AT_ONCE):
                connection.execute(sql.insert(units), rows[start : start + AT_ONCE])

    def claim(self, batch: str, owner: str) -> Hold:
        """Become the scheduler: every older one is fenced."""
        with self._begin() as connection:
            connection.execute(
                sql.update(batches)
                .where(batches.c.batch == batch)
                .values(epoch=batches.c.epoch + 1, owner=owner)
            )
            query = sql.select(batches.c.epoch).where(batches.c.batch == batch)
            epoch = connection.execute(query).scalar()
        if epoch is None:
            raise UsageError(f"there is no batch {batch}", fix="quaestor batch list")
        return Hold(batch, int(epoch))

    def change(self, hold: Hold, unit: str, values: Mapping[str, Any], active_s: float = 0) -> None:
        """Change a unit's row. Raises Fenced."""
        with self._held(hold, active_s) as connection:
            connection.execute(
                sql.update(units)
                .where(units.c.batch == hold.batch, units.c.unit == unit)
                .values(**values)
            )

    def change_all(self, hold: Hold, state: State, values: Mapping[str, Any]) -> int:
        """Change every unit that is in a state; how many there were. Raises Fenced."""
        with self._held(hold) as connection:
            done = connection.execute(
                sql.update(units)
                .where(units.c.batch == hold.batch, units.c.state == state)
                .values(**values)
            )
        return done.rowcount

    def requeue(self, batch: str, unit_ids: Iterable[str]) -> None:
        """Let finished units run again, wherever their runs have stopped."""
        values = {"state": "queued", "strikes": 0, "ended": None, "outcome": "", "failure": ""}
        with self._begin() as connection:
            for unit in unit_ids:
                connection.execute(
                    sql.update(units)
                    .where(units.c.batch == batch, units.c.unit == unit, units.c.state == "done")
                    .values(**values, queued=time.time())
                )

    def forget(self, runs: Sequence[str]) -> None:
        """Take what these runs answered, and why they ended so, out of the rows of their units."""
        with self._begin() as connection:
            if self._engine.dialect.name == "sqlite":  # what is freed is overwritten
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            known = sql.select(units.c.batch, units.c.unit, units.c.result).where(
                units.c.run.in_(runs), units.c.result.is_not(None)
            )
            for row in connection.execute(known).all():
                bare = {**json.loads(row.result), "answer": None, "reason": ""}
                connection.execute(
                    sql.update(units)
                    .where(units.c.batch == row.batch, units.c.unit == row.unit)
                    .values(result=json.dumps(bare))
                )

    def cancel(self, batch: str, *, cancelled: bool = True) -> None:
        """Ask the scheduler to end the batch, or take that back."""
        with self._begin() as connection:
            connection.execute(
                sql.update(batches).where(batches.c.batch == batch).values(cancelled=cancelled)
            )

    def read(self, batch: str) -> Batch:
        """The row of a batch."""
        with self._reading() as connection:
            query = sql.select(batches).where(batches.c.batch == batch)
            return _batch(connection.execute(query).mappings().one())

    def newest(self, limit: int = 20) -> list[Batch]:
        """The newest batches."""
        query = sql.select(batches).order_by(batches.c.created.desc(), batches.c.batch)
        with self._reading() as connection:
            return [_batch(row) for row in connection.execute(query.limit(limit)).mappings()]

    def find(self, prefix: str) -> Batch:
        """The one batch whose id starts so; `last` is the newest. Raises UsageError."""
        query = sql.select(batches).order_by(batches.c.created.desc())
        if prefix != "last":
            query = query.where(batches.c.batch.startswith(prefix, autoescape=True))
        with self._reading() as connection:
            found = connection.execute(query.limit(2 if prefix != "last" else 1)).mappings().all()
        if not found:
            what = "there is no batch yet" if prefix == "last" else f"there is no batch {prefix!r}"
            raise UsageError(what, fix="quaestor batch run TASKS.jsonl, or quaestor batch list")
        if len(found) > 1:
            raise UsageError(f"{prefix!r} fits several batches", fix="quaestor batch list")
        return _batch(found[0])

    def next_queued(self, batch: str, most: int) -> list[Unit]:
        """The units that are to start next."""
        query = (
            sql.select(units)
            .where(units.c.batch == batch, units.c.state == "queued")
            .order_by(units.c.priority.desc(), units.c.place)
            .limit(most)
        )
        return self._units(query)

    def in_state(self, batch: str, state: State) -> list[Unit]:
        """The units in a state, in planned order."""
        query = sql.select(units).where(units.c.batch == batch, units.c.state == state)
        return self._units(query.order_by(units.c.place))

    def all(self, batch: str) -> list[Unit]:
        """Every unit, in planned order."""
        return self._units(sql.select(units).where(units.c.batch == batch).order_by(units.c.place))

    def totals(self, batch: str) -> Totals:
        """How the batch stands, counted by the database."""
        column = units.c
        query = (
            sql.select(
                column.state,
                column.outcome,
                column.failure,
                sql.func.count(),
                sql.func.sum(column.calls),
                sql.func.sum(column.tokens),
                sql.func.sum(column.usd_micros),
                sql.func.count(column.usd_micros),
            )
            .where(column.batch == batch)
            .group_by(column.state, column.outcome, column.failure)
        )
        active = sql.select(batches.c.active_s).where(batches.c.batch == batch)
        with self._reading() as connection:
            rows = [tuple(row) for row in connection.execute(query)]
            active_s = float(connection.execute(active).scalar() or 0.0)
        is_priced = all(row[3] == row[7] for row in rows)
        return Totals(
            states=_counted((row[0], row[3]) for row in rows),
            outcomes=_counted((row[1], row[3]) for row in rows if row[1]),
            failures=_counted((row[2], row[3]) for row in rows if row[2]),
            calls=sum(int(row[4]) for row in rows),
            tokens=sum(int(row[5]) for row in rows),
            usd_micros=sum(int(row[6] or 0) for row in rows) if is_priced else None,
            active_s=active_s,
        )

    def _units(self, query: sql.Select[Any]) -> list[Unit]:
        with self._reading() as connection:
            return [Unit(**row) for row in connection.execute(query).mappings()]

    @contextmanager
    def _held(self, hold: Hold, active_s: float = 0) -> Iterator[sql.Connection]:
        """A transaction that belongs to the scheduler that holds the batch."""
        with self._begin() as connection:
            mine = connection.execute(
                sql.update(batches)
                .where(batches.c.batch == hold.batch, batches.c.epoch == hold.epoch)
                .values(active_s=batches.c.active_s + active_s)
            )
            if not mine.rowcount:
                raise Fenced(
                    f"batch {hold.batch} was taken over by another process; this one stops",
                    fix=f"quaestor batch status {hold.batch}",
                )
            yield connection

    @contextmanager
    def _begin(self) -> Iterator[sql.Connection]:
        with translated(_place(self._engine)), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sql.Connection]:
        with translated(_place(self._engine)), self._engine.connect() as idle:
            yield idle.execution_options(reading=True)


def _place(engine: sql.Engine) -> str:
    return engine.url.render_as_string(hide_password=True)


def _batch(row: sql.RowMapping) -> Batch:
    return Batch(**{**row, "plan": Plan.model_validate_json(row["plan"])})


def _counted(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, count in pairs:
        counts[name] = counts.get(name, 0) + int(count)
    return counts
