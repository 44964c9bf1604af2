"""What `quaestor batch run`, `resume` and `retry` do: check everything, then carry the batch."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast, get_args

from orchestrator.errors import UsageError
from orchestrator.journal import Journal
from orchestrator.limits import Limits, parse_limits
from orchestrator.settings import Settings
from tasks.batch.engines import open_engine
from tasks.batch.preparing import (
    BATCH_LIMITS,
    plan_of,
    planned_of,
    settings_of,
    source_of,
    systems_by_model,
    tasks_of,
)
from tasks.batch.results import scored
from tasks.batch.rules import AGAIN, Again, wanted_again
from tasks.batch.scheduler import Desk, Ended, Scheduler, claim
from tasks.batch.store import Batch, Store
from tasks.batch.task_file import Tasks, read_tasks
from tasks.batch.values import EngineName, Totals
from tasks.benchmark.rows import UnitResult
from tasks.cli.batch_lines import status_lines, totals_record
from tasks.cli.batch_reading import is_carried
from tasks.cli.batch_table import Progress
from tasks.cli.exits import ANSWERED, INTERRUPTED, NEEDS_HUMAN, PARTIAL
from tasks.cli.given import Show, Where
from tasks.cli.opening import home_of, load_settings
from tasks.cli.signals import Interrupts
from tasks.cli.streams import Streams, clean
from tasks.config_file import Given
from tasks.configuration import journal_url
from tasks.readiness import ready_settings


@dataclass(frozen=True, slots=True)
class Ordered:
    """What `quaestor batch run` was asked to do, beside its settings."""

    tasks: Path
    models: tuple[str, ...]
    repeats: int
    parallel: int
    engine: str
    limits: tuple[str, ...]
    wall: str
    accepts_irreversible: bool = False


@dataclass(frozen=True, slots=True)
class GoOn:
    """What `resume` and `retry` were asked to do; what is not given stays as planned."""

    batch: str
    parallel: int | None
    limits: tuple[str, ...]
    take_over: bool = False


@dataclass(frozen=True, slots=True)
class Carried:
    """A batch that is about to be carried."""

    batch: Batch
    tasks: Tasks
    systems: Mapping[str, Settings]


def run_batch(
    ordered: Ordered, settings: tuple[list[Given], Where], streams: Streams, show: Show
) -> int:
    """Check tasks and settings, write the plan, carry it; the exit code."""
    resolved = load_settings(*settings)
    one = resolved.settings
    if one.approvals == "allow-all" and not ordered.accepts_irreversible:
        raise UsageError(
            "approvals = allow-all lets irreversible acts happen without asking",
            fix="add --i-accept-irreversible, or use --approvals ask-risky",
        )
    if resolved.origin("on_question") == "default":
        one = one.model_copy(update={"on_question": "deny"})
    tasks = read_tasks(ordered.tasks)
    systems = asyncio.run(ready_systems(systems_by_model(one, ordered.models), streams))
    plan = plan_of(
        tasks,
        systems,
        repeats=ordered.repeats,
        parallel=ordered.parallel,
        limits=added_limits(ordered.limits, BATCH_LIMITS),
        wall_s=parse_limits(f"time={ordered.wall}", Limits()).time_s or 0.0,
        engine=engine_named(ordered.engine),
    )
    store = Store.open(one.home, one.journal_url)
    try:
        batch = store.read(store.create(plan, planned_of(tasks, plan)))
        return _carry(store, Carried(batch, tasks, systems), streams, show)
    finally:
        store.close()


def resume_batch(go_on: GoOn, home: Path | None, streams: Streams, show: Show) -> int:
    """Go on with a batch that nobody carries; the exit code."""
    store = Store.open(home_of(home, os.environ), journal_url(os.environ))
    try:
        batch = store.find(go_on.batch)
        totals = store.totals(batch.batch)
        if is_carried(batch, totals) and not go_on.take_over:
            raise UsageError(
                f"batch {batch.batch} is carried by {batch.owner}",
                fix=f"quaestor batch status {batch.batch}, or, if that process cannot be alive: "
                f"quaestor batch resume {batch.batch} --take-over",
            )
        return _carry(store, _again(batch, go_on, home), streams, show)
    finally:
        store.close()


def retry_batch(go_on: GoOn, only: str, home: Path | None, streams: Streams, show: Show) -> int:
    """Queue the units that failed so, then go on; the exit code."""
    if only not in AGAIN:
        raise UsageError(f"there is no class {only!r}", fix=f"--only {', '.join(AGAIN)}")
    store = Store.open(home_of(home, os.environ), journal_url(os.environ))
    try:
        batch = store.find(go_on.batch)
        is_wanted = wanted_again(cast(Again, only))
        chosen = [unit.unit for unit in store.all(batch.batch) if is_wanted(unit)]
        store.requeue(batch.batch, chosen)
    finally:
        store.close()
    if not chosen:
        streams.out.line(f"batch {batch.batch} has no unit that failed so")
        return ANSWERED
    streams.err.line(f"{len(chosen)} units go on")
    return resume_batch(go_on, home, streams, show)


def _again(batch: Batch, go_on: GoOn, home: Path | None) -> Carried:
    plan = batch.plan.model_copy(
        update={
            "parallel": go_on.parallel or batch.plan.parallel,
            "limits": added_limits(go_on.limits, batch.plan.limits),
        }
    )
    systems = settings_of(plan, home_of(home, os.environ), journal_url(os.environ))
    return Carried(replace(batch, plan=plan), tasks_of(plan), systems)


async def ready_systems(systems: Mapping[str, Settings], streams: Streams) -> dict[str, Settings]:
    """The systems as far as they can be kept here. Raises before anything is written."""
    ready: dict[str, Settings] = {}
    told: set[str] = set()
    for name, settings in systems.items():
        ready[name], warnings = await ready_settings(settings, "")
        for warning in warnings:
            if warning not in told:
                streams.err.line(clean(f"warning: {warning}"))
        told.update(warnings)
    return ready


def _carry(store: Store, carried: Carried, streams: Streams, show: Show) -> int:
    batch = carried.batch
    if show.json:
        planned = store.totals(batch.batch).planned
        started = {"event": "started", "batch": batch.batch, "planned": planned}
        streams.records.write(started)
    elif not show.quiet:
        streams.err.line(f"batch {batch.batch}; if it is stopped: quaestor batch resume")
    ended = asyncio.run(_carried(store, carried, streams, show))
    totals = store.totals(batch.batch)
    code = ended if isinstance(ended, int) else _code(ended, totals)
    if show.json:
        why = "stopped" if isinstance(ended, int) else ended
        record = {"event": "ended", "batch": batch.batch, "why": why, "exit_code": code}
        streams.records.write({**record, **totals_record(totals)})
        return code
    for line in status_lines(batch, totals, is_live=False):
        streams.out.line(clean(line))
    return code


async def _carried(store: Store, carried: Carried, streams: Streams, show: Show) -> Ended | int:
    """Carry the batch; the exit code of a signal that stopped it."""
    plan, settings = carried.batch.plan, next(iter(carried.systems.values()))
    source = source_of(carried.tasks.assigned(), carried.systems, os.environ)
    journal = Journal.open(settings.home, url=settings.journal_url)

    def finished(result: UnitResult) -> None:
        if show.json:
            one = scored(result, carried.tasks.cases[result.task])
            streams.records.write({"event": "unit", **one.model_dump(mode="json")})

    async with AsyncExitStack() as stack:
        stack.callback(journal.close)
        watch = stack.enter_context(Progress(streams, show))
        engine = await stack.enter_async_context(open_engine(plan.engine))
        desk = Desk(store, journal, engine, plan, source, watch, finished)
        scheduler = Scheduler(desk, claim(store, carried.batch.batch))
        return await unless_stopped(scheduler, streams)


async def unless_stopped(scheduler: Scheduler, streams: Streams) -> Ended | int:
    """Where a signal stops it, units are ended and stay as they are: `resume` goes on."""

    def last_words(_code: int) -> None:
        streams.err.line("left at once; the journal holds everything that was finished")

    interrupts = Interrupts(lambda: False, last_words)
    carrying = asyncio.ensure_future(scheduler.carry())
    interrupts.install(asyncio.get_running_loop(), carrying)
    try:
        return await carrying
    except asyncio.CancelledError:
        if not carrying.cancelled():
            raise
        return interrupts.code or INTERRUPTED


def _code(ended: Ended, totals: Totals) -> int:
    if ended == "cancelled":
        return INTERRUPTED
    if ended == "parked":
        return NEEDS_HUMAN
    is_whole = totals.done == totals.planned and not totals.failures
    return ANSWERED if is_whole else PARTIAL


def added_limits(texts: tuple[str, ...], limits: Limits) -> Limits:
    """Limits with those of a command line over them."""
    for text in texts:
        limits = parse_limits(text, limits)
    return limits


def engine_named(name: str) -> EngineName:
    """The engine of this name. Raises UsageError."""
    if name not in get_args(EngineName):
        names = ", ".join(get_args(EngineName))
        raise UsageError(f"there is no engine {name!r}", fix=f"one of {names}")
    return cast(EngineName, name)
