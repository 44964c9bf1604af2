"""The one thread that writes events: it drains a queue and commits what it finds in one go.

An event of a run that has lost its ownership fails alone. An event that is there already spoils its
batch, which is then written one by one, so that it fails alone, too.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import sqlalchemy as sql
from sqlalchemy import exc

from orchestrator.canonical import canonical, sha256_bytes, sha256_of
from orchestrator.errors import Divergence, Fenced, JournalDamaged, JournalUnavailable
from orchestrator.journal_schema import events, runs

MAX_BATCH = 256
# Built once: building a statement costs more than running it.
LOCK_HEAD = (
    sql.select(runs.c.epoch, runs.c.head_seq, runs.c.head_hash)
    .where(runs.c.run == sql.bindparam("of"))
    .with_for_update()
)
INSERT_EVENT = sql.insert(events)
MOVE_HEAD = (
    sql.update(runs)
    .where(runs.c.run == sql.bindparam("of"))
    .values(head_seq=sql.bindparam("seq"), head_hash=sql.bindparam("hash"))
)
_Written = dict[str, Any] | Exception
"""What became of an event: its stored fields, or why it is not there."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An event on its way into the journal."""

    key: str
    kind: str
    version: int
    body: Any
    duration_s: float = 0.0


class Linked(Protocol):
    """The fields that a record's hash covers."""

    @property
    def run(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def key(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def time(self) -> str: ...
    @property
    def epoch(self) -> int: ...
    @property
    def duration_s(self) -> float: ...
    @property
    def body_sha256(self) -> str: ...


def chain_hash(before: str, record: Linked) -> str:
    """The hash of a record: it covers the one before, so nothing can be changed in between."""
    return sha256_of(
        [
            before, record.run, record.seq, record.key, record.kind, record.version,
            record.time, record.epoch, record.duration_s, record.body_sha256,
        ]
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Row:
    run: str
    seq: int
    key: str
    kind: str
    version: int
    time: str
    epoch: int
    duration_s: float
    body_sha256: str


@dataclass(frozen=True, slots=True)
class _Job:
    run: str
    epoch: int
    draft: Draft
    done: Future[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Head:
    """A run's owner, and its newest record."""

    epoch: int
    seq: int
    hash: str


class Writer:
    """Accepts drafts from any thread; a draft's future resolves once it is committed."""

    def __init__(self, engine: sql.Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def submit(self, run: str, epoch: int, draft: Draft) -> Future[dict[str, Any]]:
        """Queue one event for the next commit."""
        done: Future[dict[str, Any]] = Future()
        self._queue.put(_Job(run, epoch, draft, done))
        return done

    def close(self) -> None:
        """Write what is queued, then stop."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, last = self._drain(first)
            self._commit(batch)
            if last:
                return

    def _drain(self, first: _Job) -> tuple[list[_Job], bool]:
        batch = [first]
        while len(batch) < MAX_BATCH:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
            if job is None:
                return batch, True
            batch.append(job)
        return batch, False

    def _commit(self, batch: list[_Job]) -> None:
        try:
            with translated(str(self._engine.url)):
                outcomes = self._written(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, every waiting caller must learn it
            outcomes = [error] * len(batch)
        if outcomes is None:
            for job in batch:
                self._commit([job])
            return
        for job, outcome in zip(batch, outcomes, strict=True):
            _settle(job, outcome)

    def _written(self, batch: list[_Job]) -> Sequence[_Written] | None:
        """Write a batch in one transaction; None when that has to be done one by one."""
        try:
            with self._engine.begin() as connection:
                return self._insert(connection, batch)
        except exc.IntegrityError:
            if len(batch) > 1:
                return None
            key, run = batch[0].draft.key, batch[0].run
            return [Divergence(f"{key} is recorded already in run {run}", key=key)]

    def _insert(self, connection: sql.Connection, batch: list[_Job]) -> Sequence[_Written]:
        """Check each run's ownership under lock, and chain its events to its head."""
        outcomes: list[_Written] = []
        rows: list[dict[str, Any]] = []
        heads: dict[str, _Head | None] = {}
        for job in batch:
            if job.run not in heads:
                heads[job.run] = _head(connection, job.run)
            head = heads[job.run]
            if head is None or head.epoch != job.epoch:
                outcomes.append(_fenced(job.run))
                continue
            body = canonical(job.draft.body)
            stored = self._row(job, head, body)
            rows.append({"run": job.run, "epoch": job.epoch, "body": body, **stored})
            heads[job.run] = _Head(head.epoch, stored["seq"], stored["hash"])
            outcomes.append(stored)
        if rows:
            connection.execute(INSERT_EVENT, rows)
            newest = {row["run"]: row for row in rows}.values()
            moves = [{"of": r["run"], "seq": r["seq"], "hash": r["hash"]} for r in newest]
            connection.execute(MOVE_HEAD, moves)
        return outcomes

    def _row(self, job: _Job, head: _Head, body: str) -> dict[str, Any]:
        draft = job.draft
        row = _Row(
            run=job.run,
            seq=head.seq + 1,
            key=draft.key,
            kind=draft.kind,
            version=draft.version,
            time=self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            epoch=job.epoch,
            duration_s=round(draft.duration_s, 4),
            body_sha256=sha256_bytes(body.encode("utf-8", "surrogatepass")),
        )
        return {
            "seq": row.seq, "key": row.key, "kind": row.kind, "version": row.version,
            "time": row.time, "duration_s": row.duration_s, "body_sha256": row.body_sha256,
            "hash": chain_hash(head.hash, row),
        }  # fmt: skip


def _head(connection: sql.Connection, run: str) -> _Head | None:
    found = connection.execute(LOCK_HEAD, {"of": run}).one_or_none()
    return _Head(found.epoch, int(found.head_seq), str(found.head_hash)) if found else None


def _fenced(run: str) -> Fenced:
    return Fenced(
        f"run {run} was taken over by another process; this one stops",
        fix=f"quaestor watch {run}",
    )


def _settle(job: _Job, outcome: dict[str, Any] | Exception) -> None:
    if job.done.cancelled():
        return
    if isinstance(outcome, Exception):
        job.done.set_exception(outcome)
    else:
        job.done.set_result(outcome)


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn the database's errors into ours, with what to do."""
    try:
        yield
    except exc.DatabaseError as error:
        text = str(error.orig or error)
        if "full" in text:
            raise JournalUnavailable(
                f"the disk is full: the journal at {place} takes no more writes. "
                "Everything acknowledged so far is safe.",
                fix="free some space (`quaestor gc` removes what no run needs), then resume",
            ) from error
        if "malformed" in text or "not a database" in text:
            raise JournalDamaged(
                f"the journal at {place} is torn: {text}",
                fix="restore it from a backup, or move it away and start a new one",
            ) from error
        raise JournalUnavailable(
            f"the journal at {place} refused: {text}",
            fix="check that QUAESTOR_HOME is writable and that the database server answers",
        ) from error
