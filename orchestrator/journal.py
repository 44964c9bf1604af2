"""The append-only event store: one stream per run, in SQL, with a hash chain and an owner.

Everything that a run remembers is here (and in the blobs that its events name). Writes go
through one thread with group commit; the check that the writer still owns the run and the
insert are one transaction. Knows keys, kinds and bodies, but not what an event means.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from orchestrator.blobs import Blobs
from orchestrator.canonical import canonical, sha256_of
from orchestrator.errors import JournalDamaged, UsageError
from orchestrator.journal_schema import READING, connect, events, holds, inbox, migrate, runs
from orchestrator.journal_writer import Draft, Writer, chain_hash, translated

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock that everything uses unless a test injects another."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Record:
    """One stored event. `body` is None once its content was purged."""

    run: str
    seq: int
    key: str
    kind: str
    version: int
    time: str
    epoch: int
    duration_s: float
    body: Any
    body_sha256: str
    hash: str


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A message from another process to the owner of a run."""

    id: int
    run: str
    kind: str
    body: Any
    by: str
    time: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Somebody's word that the content of a run has to be kept."""

    run: str
    why: str
    by: str
    time: str


class Journal:
    """The store of every run on this machine (or, with a Postgres URL, of every machine)."""

    def __init__(self, engine: sql.Engine, blobs: Blobs, clock: Clock) -> None:
        self._engine = engine
        self.blobs = blobs
        self.clock = clock
        self._writer = Writer(engine, clock)

    @staticmethod
    def open(home: Path, *, url: str | None = None, clock: Clock = utc_now) -> Journal:
        """Open (and if needed create or migrate) the journal of a home folder."""
        engine = connect(home, url)
        with translated(str(home)):
            migrate(engine)
        return Journal(engine, Blobs(home / "blobs"), clock)

    def close(self) -> None:
        """Flush and let go of the database."""
        self._writer.close()
        self._engine.dispose()

    def create(self) -> str:
        """Start an empty stream and return its id: the only random thing in a run."""
        run = secrets.token_hex(6)
        with self._begin() as connection:
            connection.execute(
                sql.insert(runs).values(
                    run=run,
                    created=_stamp(self.clock()),
                    epoch=0,
                    head_seq=0,
                    head_hash="",
                    owner="",
                )
            )
        return run

    def claim(self, run: str, owner: str) -> int:
        """Become the owner: the epoch goes up by one and every older owner is fenced."""
        with self._begin() as connection:
            connection.execute(
                sql.update(runs)
                .where(runs.c.run == run)
                .values(epoch=runs.c.epoch + 1, owner=owner)
            )
            epoch = connection.execute(sql.select(runs.c.epoch).where(runs.c.run == run)).scalar()
        if epoch is None:
            raise UsageError(f"there is no run {run}", fix="quaestor runs")
        return int(epoch)

    async def append(self, run: str, epoch: int, draft: Draft) -> Record:
        """Store one event durably. Raises Fenced, Divergence or JournalUnavailable."""
        stored = await asyncio.wrap_future(self._writer.submit(run, epoch, draft))
        return Record(run=run, epoch=epoch, body=draft.body, **stored)

    def read(self, run: str, *, after: int = 0) -> list[Record]:
        """The records of a run in commit order."""
        with self._reading() as connection:
            rows = connection.execute(_records_of(run).where(events.c.seq > after))
            return [_record(row) for row in rows.mappings()]

    def read_kinds(self, kinds: Sequence[str], run_ids: Sequence[str]) -> list[Record]:
        """The records of some kinds over several runs, for listings."""
        query = (
            sql.select(events)
            .where(events.c.run.in_(run_ids), events.c.kind.in_(kinds))
            .order_by(events.c.run, events.c.seq)
        )
        with self._reading() as connection:
            return [_record(row) for row in connection.execute(query).mappings()]

    def newest(self, limit: int = 50) -> list[tuple[str, str, str]]:
        """The newest runs as (run, created, owner)."""
        query = (
            sql.select(runs.c.run, runs.c.created, runs.c.owner)
            .order_by(runs.c.created.desc(), runs.c.run)
            .limit(limit)
        )
        with self._reading() as connection:
            return [(row.run, row.created, row.owner) for row in connection.execute(query)]

    def find(self, prefix: str) -> str:
        """The one run whose id starts so; `last` is the newest. Raises UsageError."""
        if prefix == "last":
            newest = self.newest(1)
            if not newest:
                raise UsageError("there is no run yet", fix="quaestor run --demo")
            return newest[0][0]
        query = sql.select(runs.c.run).where(runs.c.run.startswith(prefix, autoescape=True))
        with self._reading() as connection:
            found = [row.run for row in connection.execute(query.limit(3))]
        if not found:
            raise UsageError(f"there is no run that starts with {prefix!r}", fix="quaestor runs")
        if len(found) > 1:
            raise UsageError(f"{prefix!r} fits several runs: {', '.join(sorted(found))}")
        return str(found[0])

    def owner(self, run: str) -> str:
        """Who wrote last, as `host:pid`."""
        with self._reading() as connection:
            return str(
                connection.execute(sql.select(runs.c.owner).where(runs.c.run == run)).scalar()
            )

    def verify(self, run: str) -> list[Record]:
        """Read a run and check its chain. Raises JournalDamaged naming the first bad record."""
        head = sql.select(runs.c.head_seq, runs.c.head_hash).where(runs.c.run == run)
        with self._reading() as connection:
            records = [_record(row) for row in connection.execute(_records_of(run)).mappings()]
            seq, newest = connection.execute(head).one()
        before = verify_chain(records)
        if (len(records), before) != (seq, newest):
            raise JournalDamaged(
                f"the journal of run {run} is shortened: {len(records)} records are there, "
                f"{seq} were acknowledged",
                fix="restore the journal from a backup; the run cannot be trusted as it is",
            )
        return records

    def post(self, run: str, kind: str, body: Any, by: str) -> int:
        """Leave a message for the owner of a run; returns its id."""
        values = {
            "run": run,
            "kind": kind,
            "body": canonical(body),
            "by": by,
            "time": _stamp(self.clock()),
        }
        with self._begin() as connection:
            result = connection.execute(sql.insert(inbox).values(**values))
        return int((result.inserted_primary_key or (0,))[0])

    def messages(self, run: str, *, after: int = 0) -> list[InboxRow]:
        """The messages for a run, oldest first."""
        query = sql.select(inbox).where(inbox.c.run == run, inbox.c.id > after).order_by(inbox.c.id)
        with self._reading() as connection:
            return [_inbox_row(row) for row in connection.execute(query).mappings()]

    def hold(self, run: str, why: str, by: str) -> None:
        """Keep the content of a run from being erased until the hold is released."""
        values = {"run": run, "why": why, "by": by, "time": _stamp(self.clock())}
        with self._begin() as connection:
            connection.execute(sql.insert(holds).values(**values, released="", released_by=""))

    def release(self, run: str, by: str) -> int:
        """Release every hold on a run; how many there were. That there were some stays recorded."""
        with self._begin() as connection:
            released = connection.execute(
                sql.update(holds)
                .where(holds.c.run == run, holds.c.released == "")
                .values(released=_stamp(self.clock()), released_by=by)
            )
        return int(released.rowcount)

    def held(self) -> dict[str, Hold]:
        """The runs whose content has to be kept, each with its newest hold."""
        with self._reading() as connection:
            rows = connection.execute(_in_force(sql.select(holds)).order_by(holds.c.id)).all()
        return {row.run: Hold(row.run, row.why, row.by, row.time) for row in rows}

    def erase(self, run: str) -> None:
        """Drop the content of a run and keep its hashes, so that its chain still verifies. Raises
        UsageError when somebody holds it."""
        with self._begin() as connection:
            if self._engine.dialect.name == "sqlite":  # what is freed is overwritten
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            hold = connection.execute(
                _in_force(sql.select(holds)).where(holds.c.run == run)
            ).first()
            if hold is not None:
                raise UsageError(
                    f"run {run} is held by {hold.by} since {hold.time}: {hold.why}",
                    fix="nothing of it is erased before: quaestor forensics release BATCH CASE",
                )
            connection.execute(sql.update(events).where(events.c.run == run).values(body=None))
            connection.execute(sql.delete(inbox).where(inbox.c.run == run))
        if self._engine.dialect.name == "sqlite":
            self._empty_log()

    def _empty_log(self) -> None:
        """Bring everything out of SQLite's write-ahead log, where erased bytes would stay."""
        with translated(str(self._engine.url)):
            idle = self._engine.raw_connection()
            try:
                idle.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                idle.close()

    def bodies(self) -> Iterable[str]:
        """Every stored body as text, to find which blobs are still named."""
        query = sql.select(events.c.body).where(events.c.body.is_not(None))
        with self._reading() as connection:
            for row in connection.execute(query):
                yield row.body

    @contextmanager
    def _begin(self) -> Iterator[sql.Connection]:
        with translated(str(self._engine.url)), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sql.Connection]:
        """One snapshot: what other processes write meanwhile stays out of it."""
        with translated(str(self._engine.url)), self._engine.connect() as idle:
            yield idle.execution_options(**READING[self._engine.dialect.name])


def _in_force(query: sql.Select[Any]) -> sql.Select[Any]:
    return query.where(holds.c.released == "")


def _records_of(run: str) -> sql.Select[Any]:
    return sql.select(events).where(events.c.run == run).order_by(events.c.seq)


def run_digest(entries: Iterable[tuple[str, str, Any]]) -> str:
    """The sha256 over (key, kind, body) sorted by key: what a replay must reproduce."""
    return sha256_of(sorted([key, kind, canonical(body)] for key, kind, body in entries))


def verify_chain(records: Iterable[Record]) -> str:
    """Check records in their order; the hash of the last. Raises JournalDamaged naming the first
    bad one."""
    before = ""
    for expected, record in enumerate(records, start=1):
        _check(record, expected, before)
        before = record.hash
    return before


def _check(record: Record, expected: int, before: str) -> None:
    place = f"record {record.seq} ({record.key} {record.kind}) of run {record.run}"
    if record.seq != expected:
        raise JournalDamaged(f"record {expected} of run {record.run} is missing")
    if record.body is not None and sha256_of(record.body) != record.body_sha256:
        raise JournalDamaged(f"{place} was altered: its body does not match its hash")
    if chain_hash(before, record) != record.hash:
        raise JournalDamaged(f"{place} was altered: it does not follow from the one before")


def _record(row: Any) -> Record:
    try:
        body = None if row["body"] is None else json.loads(row["body"])
    except ValueError as error:
        raise JournalDamaged(
            f"record {row['seq']} ({row['key']} {row['kind']}) of run {row['run']} is torn: "
            "its body is not JSON"
        ) from error
    return Record(
        run=row["run"],
        seq=row["seq"],
        key=row["key"],
        kind=row["kind"],
        version=row["version"],
        time=row["time"],
        epoch=row["epoch"],
        duration_s=row["duration_s"],
        body=body,
        body_sha256=row["body_sha256"],
        hash=row["hash"],
    )


def _inbox_row(row: Any) -> InboxRow:
    return InboxRow(
        id=row["id"],
        run=row["run"],
        kind=row["kind"],
        body=json.loads(row["body"]),
        by=row["by"],
        time=row["time"],
    )


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
