"""What `quaestor forensics run`, `add` and `resume` do: check everything, then carry the cases."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.journal import Journal
from orchestrator.settings import Settings
from sandbox.base import ready
from tasks.batch import store as rows
from tasks.batch.engines import open_engine
from tasks.batch.preparing import BATCH_LIMITS, settings_of, source_of
from tasks.batch.scheduler import Desk, Ended, Scheduler, claim
from tasks.benchmark.rows import UnitResult
from tasks.cli.batch_lines import at_work, spent_text
from tasks.cli.batch_reading import is_carried
from tasks.cli.batch_table import Progress
from tasks.cli.batching import added_limits, engine_named, unless_stopped
from tasks.cli.exits import ANSWERED, GAVE_UP, INTERRUPTED, NEEDS_HUMAN, PARTIAL
from tasks.cli.forensics_running import SettingsGiven, results_of, state_line
from tasks.cli.given import Show
from tasks.cli.opening import home_of, load_settings
from tasks.cli.streams import Streams, clean
from tasks.configuration import journal_url
from tasks.forensics.batch_file import load_batch, read_batch
from tasks.forensics.batch_results import write_batch_page
from tasks.forensics.carrying import (
    FINISHED,
    SYSTEM,
    Cases,
    Standing,
    Terms,
    alone,
    find_row,
    plan_of_cases,
)
from tasks.forensics.erasing import refuse_erased
from tasks.forensics.folder import State
from tasks.readiness import check_models
from tasks.team import box_settings

SCRIPTED = "the team is played by a shipped script, not by a language model"
PAGE_S = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What `run` was asked to do, beside its settings. `again` names cases to be worked on anew."""

    manifest: Path
    out: Path | None = None
    skip_invalid: bool = False
    demo: bool = False
    again: tuple[str, ...] = ()
    parallel: int = 1
    engine: str = "local"
    limits: tuple[str, ...] = ()
    wall: str = "1d"


@dataclass(frozen=True, slots=True)
class GoOn:
    """What `resume` was asked to do; what is not given stays as it was planned."""

    manifest: Path
    out: Path | None = None
    parallel: int | None = None
    limits: tuple[str, ...] = ()
    take_over: bool = False


@dataclass(frozen=True, slots=True)
class Carried:
    """A batch of cases that is about to be carried."""

    row: rows.Batch
    standing: Standing
    settings: Settings


def run_cases(asked: Asked, settings: SettingsGiven, streams: Streams, show: Show) -> int:
    """Work on every case of a manifest that is not finished. Raises UsageError that names every
    fault of the manifest."""
    batch = load_batch(asked.manifest, skip_invalid=asked.skip_invalid)
    for fault in batch.faults:
        streams.error(f"left out: {asked.manifest.name} {fault}", None)
    standing = Standing(batch, results_of(batch, asked.out))
    _check_again(standing, asked.again)
    resolved = load_settings(*settings).settings.model_copy(update={"demo": asked.demo})
    if asked.demo:
        streams.err.line(f"note: {SCRIPTED}")
    check_models(resolved, os.environ)
    asyncio.run(ready(box_settings(resolved, "forensics")))
    terms = Terms(
        parallel=asked.parallel,
        limits=added_limits(asked.limits, BATCH_LIMITS),
        wall_s=added_limits((f"time={asked.wall}",), BATCH_LIMITS).time_s or 0.0,
        engine=engine_named(asked.engine),
    )
    store = rows.Store.open(resolved.home, resolved.journal_url)
    try:
        with alone(standing.results):
            row = _planned(store, standing, resolved, terms, asked.again)
            return _carry(store, Carried(row, standing, resolved), streams, show)
    finally:
        store.close()


def resume_cases(go_on: GoOn, home: Path | None, streams: Streams, show: Show) -> int:
    """Go on with a batch on the terms that it was begun with."""
    batch = read_batch(go_on.manifest)
    standing = Standing(batch, results_of(batch, go_on.out))
    store = rows.Store.open(home_of(home, os.environ), journal_url(os.environ))
    try:
        row = _row(store, standing)
        plan = row.plan.model_copy(
            update={
                "parallel": go_on.parallel or row.plan.parallel,
                "limits": added_limits(go_on.limits, row.plan.limits),
            }
        )
        settings = settings_of(plan, home_of(home, os.environ), journal_url(os.environ))[SYSTEM]
        asyncio.run(ready(box_settings(settings, "forensics")))
        if is_carried(row, store.totals(row.batch)) and not go_on.take_over:
            raise UsageError(
                f"the batch is carried by {row.owner}",
                fix="wait for it, or, if that process cannot be alive: --take-over",
            )
        with alone(standing.results):
            store.requeue(row.batch, standing.reopened(store.all(row.batch)))
            carried = Carried(replace(row, plan=plan), standing, settings)
            return _carry(store, carried, streams, show)
    finally:
        store.close()


def add_cases(manifest: Path, out: Path | None, home: Path | None, streams: Streams) -> int:
    """Take up cases that were written into the manifest since. Raises UsageError."""
    batch = load_batch(manifest)
    standing = Standing(batch, results_of(batch, out))
    where = home_of(home, os.environ), journal_url(os.environ)
    store, journal = rows.Store.open(*where), Journal.open(where[0], url=where[1])
    try:
        row = _row(store, standing)
        planned = standing.planned(journal, store.all(row.batch), ())
        store.extend(row.batch, row.plan, planned)
        is_live = is_carried(row, store.totals(row.batch))
    finally:
        journal.close()
        store.close()
    streams.out.line(f"{len(planned)} cases were added")
    if planned and is_live:
        streams.err.line(f"{row.owner} carries the batch and takes them up")
    elif planned:
        streams.err.line(f"to work on them: quaestor forensics resume {manifest}")
    return ANSWERED


def _row(store: rows.Store, standing: Standing) -> rows.Batch:
    row = find_row(store, standing.batch.file, standing.results)
    if row is None:
        raise UsageError(
            f"no work on {standing.batch.file} was begun here",
            fix=f"quaestor forensics run {standing.batch.file}",
        )
    return row


def _check_again(standing: Standing, again: Sequence[str]) -> None:
    known = {case.case_id for case in standing.batch.cases}
    strange = [name for name in again if name not in known]
    if strange:
        raise UsageError(f"there is no case {', '.join(strange)} in {standing.batch.file}")
    for name in again:
        refuse_erased(standing.folder(name))
    changed = [name for name in standing.changed() if name not in again]
    if changed:
        named = " ".join(f"--again {name}" for name in changed[:20])
        raise UsageError(
            f"the lines of {', '.join(changed[:20])} have changed since the work on them began",
            fix=f"put them back, or work on them anew, as a further version: {named}",
        )


def _planned(
    store: rows.Store, standing: Standing, settings: Settings, terms: Terms, again: Sequence[str]
) -> rows.Batch:
    """The row of the batch, begun or gone on with, with a unit for everything there is to do."""
    plan = plan_of_cases(standing.batch, standing.results, settings, terms)
    known = find_row(store, standing.batch.file, standing.results)
    journal = Journal.open(settings.home, url=settings.journal_url)
    try:
        units = store.all(known.batch) if known else []
        planned = standing.planned(journal, units, again)
    finally:
        journal.close()
    if known is None:
        return store.read(store.create(plan, planned))
    store.extend(known.batch, plan, planned)
    store.cancel(known.batch, cancelled=False)
    store.requeue(known.batch, standing.reopened(store.all(known.batch)))
    return store.read(known.batch)


@dataclass(slots=True)
class _Teller:
    """Tells of each case that is done, and keeps the page of the batch up to date."""

    standing: Standing
    streams: Streams
    show: Show
    told: float = field(default_factory=time.monotonic)

    def finished(self, result: UnitResult) -> None:
        state = self.standing.settle(result)
        if self.show.json:
            record = {"event": "case", **state.model_dump(mode="json")}
            self.streams.records.write(record)
        else:
            self.streams.out.line(clean(state_line(state)))
        if time.monotonic() - self.told > PAGE_S:
            self.write_page()

    def write_page(self) -> None:
        batch = self.standing.batch
        write_batch_page(batch.file.stem, batch.cases, self.standing.results)
        self.told = time.monotonic()


def _carry(store: rows.Store, carried: Carried, streams: Streams, show: Show) -> int:
    row, standing = carried.row, carried.standing
    totals = store.totals(row.batch)
    if show.json:
        streams.records.write(
            {"event": "started", "batch": row.batch, "planned": totals.planned - totals.done}
        )
    elif not show.quiet and totals.done < totals.planned:
        streams.err.line(
            f"{totals.planned - totals.done} cases, {row.plan.parallel} at a time; if it is "
            f"stopped: quaestor forensics resume {standing.batch.file}"
        )
    teller = _Teller(standing, streams, show)
    ended = asyncio.run(_carried(store, carried, teller))
    teller.write_page()
    states = [state for _, state in standing.states()]
    code = ended if isinstance(ended, int) else _code(ended, states)
    totals = store.totals(row.batch)
    if show.json:
        record = {"event": "ended", "batch": row.batch, "exit_code": code}
        streams.records.write({**record, "results": str(standing.results)})
        return code
    if totals.done < totals.planned:
        streams.err.line(f"{at_work(totals)}: quaestor forensics resume {standing.batch.file}")
    finished = sum(state is not None and state.state in FINISHED for state in states)
    streams.err.line(
        f"{finished} of {len(states)} cases are done; {spent_text(totals)}; all of them: "
        f"{standing.results / 'index.html'}"
    )
    return code


async def _carried(store: rows.Store, carried: Carried, teller: _Teller) -> Ended | int:
    """Carry the batch; the exit code of a signal that stopped it."""
    plan, standing = carried.row.plan, carried.standing
    cases = Cases(standing.batch, standing.results)
    source = source_of(cases, {SYSTEM: carried.settings}, os.environ, "case")
    journal = Journal.open(carried.settings.home, url=carried.settings.journal_url)
    async with AsyncExitStack() as stack:
        stack.callback(journal.close)
        watch = stack.enter_context(Progress(teller.streams, teller.show))
        engine = await stack.enter_async_context(open_engine(plan.engine, "case"))
        desk = Desk(
            store, journal, engine, plan, source, watch, teller.finished, look=standing.look
        )
        scheduler = Scheduler(desk, claim(store, carried.row.batch))
        return await unless_stopped(scheduler, teller.streams)


def _code(ended: Ended, states: Sequence[State | None]) -> int:
    if ended == "cancelled":
        return INTERRUPTED
    found = {state.state if state else "partial" for state in states}
    for state, code in (("failed", GAVE_UP), ("partial", PARTIAL), ("needs_human", NEEDS_HUMAN)):
        if state in found:
            return code
    return PARTIAL if found & {"begun", "running"} else ANSWERED
