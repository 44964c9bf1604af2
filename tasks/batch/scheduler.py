"""Carries a batch: starts units, watches the clock, settles what has ended, until nothing is left.

What follows from what was seen is decided in `rules.py`; this is the one place that acts on it.
Everything it knows is in SQL, so that killing it at any moment loses nothing: the next one reads
the journal of the units that were running, and goes on.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from orchestrator.journal import Journal, Record
from orchestrator.limits import LimitHit, Limits, parse_limits
from tasks.batch.measuring import Run, measured, seen_of
from tasks.batch.port import Engine, Order
from tasks.batch.rules import Died, Seen, Settled, batch_limit, settle, wall_of
from tasks.batch.store import Hold, Store
from tasks.batch.values import Plan, Source, State, Totals, Unit
from tasks.benchmark.rows import UnitResult
from tasks.questions import posted_answer

TICK_S = 0.5
ANSWERS_S = 2.0
GRACE_S = 10.0
Ended = Literal["done", "limit", "cancelled", "parked"]
Watch = Callable[[Totals, Sequence[Unit]], None]
Finished = Callable[[UnitResult], None]
Look = Callable[[Unit, Sequence[Record]], Seen]


def _journal_alone(unit: Unit, records: Sequence[Record]) -> Seen:
    """A unit has come to its end when its run has."""
    return seen_of(records, unit.head)


@dataclass(frozen=True, slots=True)
class Desk:
    """What a scheduler works with. `look` says what an attempt has left, `finished` is told of
    each unit that is done."""

    store: Store
    journal: Journal
    engine: Engine
    plan: Plan
    source: Source
    watch: Watch = lambda _totals, _running: None
    finished: Finished = lambda _result: None
    look: Look = _journal_alone


@dataclass(slots=True)
class Running:
    """A unit whose process runs, and until when it may."""

    unit: Unit
    until: float
    is_asked: bool = False


@dataclass(slots=True)
class Scheduler:
    """The one scheduler of a batch. `hit` is the limit of the batch that ended it, if one did."""

    desk: Desk
    hold: Hold
    running: dict[str, Running] = field(default_factory=dict)
    hit: LimitHit | None = None
    counted: float = field(default_factory=time.monotonic)
    looked: float = 0.0

    async def carry(self) -> Ended:
        """Carry the batch as far as it goes. Raises Fenced when somebody else took it over."""
        await asyncio.to_thread(self._recover)
        while True:
            row = await asyncio.to_thread(self.desk.store.read, self.hold.batch)
            if row.cancelled:
                await self._cancel_all()
            else:
                await asyncio.to_thread(self._unpark)
                await self._fill()
            totals = await asyncio.to_thread(self.desk.store.totals, self.hold.batch)
            self.desk.watch(totals, [item.unit for item in self.running.values()])
            if not self.running:
                return self._ended(totals, row.cancelled)
            for died in await self.desk.engine.wait(TICK_S):
                await asyncio.to_thread(self._settle, died)
            await self._enforce_walls()

    def _ended(self, totals: Totals, is_cancelled: bool) -> Ended:
        if is_cancelled:
            return "cancelled"
        if self.hit is not None and totals.states.get("queued"):
            return "limit"
        return "parked" if totals.states.get("parked") else "done"

    def _recover(self) -> None:
        """Settle what an earlier scheduler left running: it may have ended meanwhile."""
        for unit in self.desk.store.in_state(self.hold.batch, "running"):
            self._settle_unit(unit, Died(unit.unit, killed="stop"))

    async def _fill(self) -> None:
        """Start units while there is room, money and time."""
        room = self.desk.plan.parallel - len(self.running)
        if room <= 0:
            return
        totals = await asyncio.to_thread(self.desk.store.totals, self.hold.batch)
        active_s = totals.active_s + time.monotonic() - self.counted
        self.hit = batch_limit(self.desk.plan.limits, totals, active_s)
        if self.hit is not None:
            return
        for unit in await asyncio.to_thread(self.desk.store.next_queued, self.hold.batch, room):
            await self._start(unit)

    async def _start(self, unit: Unit) -> None:
        begun, limits = await asyncio.to_thread(self._begin, unit)
        until = time.monotonic() + self._wall(limits)
        self.running[unit.unit] = Running(begun, until)
        await self.desk.engine.submit(self._order(begun, limits))

    def _wall(self, limits: Limits) -> float:
        """Seconds that an attempt may take; a case takes in and checks evidence besides its run."""
        wall_s = self.desk.plan.wall_s
        return wall_s if self.desk.source.job == "case" else wall_of(limits, wall_s)

    def _begin(self, unit: Unit) -> tuple[Unit, Limits]:
        """Write down that an attempt begins, under which run, before its process exists."""
        run = unit.run or self.desk.journal.create()
        records = self.desk.journal.read(run) if unit.run else []
        begun = replace(
            unit,
            state="running",
            run=run,
            head=records[-1].seq if records else 0,
            attempt=unit.attempt + 1,
            started=time.time(),
        )
        changed = ("state", "run", "head", "attempt", "started")
        values = {name: getattr(begun, name) for name in changed}
        self.desk.store.change(self.hold, unit.unit, values)
        own = self.desk.source.tasks[unit.task].limits
        return begun, parse_limits(own, self.desk.source.systems[unit.system].limits)

    def _order(self, unit: Unit, limits: Limits) -> Order:
        source = self.desk.source
        task, settings = source.tasks[unit.task], source.systems[unit.system]
        return Order(
            job=source.job,
            unit=unit.unit,
            run=unit.run,
            head=unit.head,
            task=task.text,
            attachments=task.attachments,
            settings=settings.model_copy(update={"limits": limits}).model_dump(mode="json"),
            environ=dict(source.environ),
        )

    def _settle(self, died: Died) -> None:
        running = self.running.pop(died.unit, None)
        if running is not None:
            self._settle_unit(running.unit, died)

    def _settle_unit(self, unit: Unit, died: Died) -> None:
        records = self.desk.journal.read(unit.run)
        seen = self.desk.look(unit, records)
        settled = settle(unit, seen, died)
        now = time.time()
        result = measured(
            replace(unit, ended=now), settled, seen, Run(records, self.desk.journal.blobs)
        )
        self.desk.store.change(
            self.hold, unit.unit, _row(settled, seen.steps, result, now), self._active_s()
        )
        if settled.state == "done":
            self.desk.finished(result)

    def _active_s(self) -> float:
        """Seconds since this was asked last."""
        before, self.counted = self.counted, time.monotonic()
        return self.counted - before

    def _unpark(self) -> None:
        """Queue the units whose question was answered meanwhile."""
        if time.monotonic() - self.looked < ANSWERS_S:
            return
        self.looked = time.monotonic()
        for unit in self.desk.store.in_state(self.hold.batch, "parked"):
            if is_answered(self.desk.journal, unit.run):
                values = {"state": "queued", "queued": time.time()}
                self.desk.store.change(self.hold, unit.unit, values)

    async def _enforce_walls(self) -> None:
        for name, item in list(self.running.items()):
            if time.monotonic() > item.until:
                await self.desk.engine.cancel(name, "cancel" if item.is_asked else "wall")

    async def _cancel_all(self) -> None:
        """Ask what runs to end, kill it when it does not, and start nothing any more."""
        await asyncio.to_thread(self._cancel_waiting)
        for item in self.running.values():
            if not item.is_asked:
                item.is_asked, item.until = True, time.monotonic() + GRACE_S
                await asyncio.to_thread(
                    self.desk.journal.post, item.unit.run, "cancel", {}, "quaestor batch"
                )

    def _cancel_waiting(self) -> None:
        values = {"state": "done", "outcome": "cancelled", "ended": time.time()}
        waiting: tuple[State, ...] = ("queued", "parked")
        for state in waiting:
            self.desk.store.change_all(self.hold, state, values)


def claim(store: Store, batch: str) -> Hold:
    """Become the scheduler of a batch."""
    return store.claim(batch, f"{socket.gethostname()}:{os.getpid()}")


def is_answered(journal: Journal, run: str) -> bool:
    """Whether an answer waits for a question of this run."""
    kinds = ("QuestionAsked", "QuestionAnswered")
    ids: dict[str, set[str]] = {kind: set() for kind in kinds}
    for record in journal.read_kinds(kinds, [run]):
        if record.body is not None:
            ids[record.kind].add(record.body["id"])
    rows = journal.messages(run)
    return any(posted_answer(rows, name) for name in ids[kinds[0]] - ids[kinds[1]])


def _row(settled: Settled, steps: int, result: UnitResult, now: float) -> dict[str, Any]:
    usage, is_done = result.usage, settled.state == "done"
    return {
        "state": settled.state,
        "strikes": settled.strikes,
        "steps": steps,
        "outcome": settled.outcome if settled.state != "queued" else "",
        "failure": settled.failure,
        "calls": usage.calls,
        "tokens": usage.prompt_tokens + usage.completion_tokens,
        "usd_micros": usage.usd_micros,
        "ended": now if is_done else None,
        "result": result.model_dump_json() if is_done else None,
    }
