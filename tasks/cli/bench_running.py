"""What `quaestor bench run` and `resume` do: freeze the plan, carry its batch, score, report."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.journal import Journal
from orchestrator.settings import Settings
from sandbox.base import ready
from tasks.batch.engines import open_engine
from tasks.batch.preparing import BATCH_LIMITS, settings_of, source_of, systems_by_model
from tasks.batch.rules import wanted_again
from tasks.batch.scheduler import Desk, Ended, Scheduler, claim
from tasks.batch.store import Batch, Store
from tasks.benchmark.cases import Suite
from tasks.benchmark.manifest import Manifest, check_resume, check_search
from tasks.benchmark.order import Order, Place, find_place, narrowed, place_of
from tasks.benchmark.planning import closed, manifest_of, needs_judge, plan_of, planned_of, tasks_in
from tasks.benchmark.recorded import replayed
from tasks.benchmark.results import complete
from tasks.benchmark.rows import UnitResult
from tasks.benchmark.scorers.registry import FUNCTIONAL
from tasks.benchmark.suites.loading import load_suite, wanted_from
from tasks.cli.batch_reading import is_carried
from tasks.cli.batch_table import Progress
from tasks.cli.batching import added_limits, engine_named, ready_systems, unless_stopped
from tasks.cli.bench_scoring import Scored, ending_lines, score_place, score_units
from tasks.cli.benching import BoxSettings, open_box
from tasks.cli.exits import ANSWERED, INTERRUPTED, NEEDS_HUMAN, PARTIAL
from tasks.cli.given import Show, Where
from tasks.cli.opening import home_of, load_settings
from tasks.cli.streams import Streams, clean
from tasks.config_file import Given
from tasks.configuration import journal_url
from tasks.readiness import check_models
from tasks.team import box_settings


@dataclass(frozen=True, slots=True)
class Ordered:
    """What `quaestor bench run` was asked to do, beside its settings."""

    order: Order
    models: tuple[str, ...] = ()
    repeats: int = 1
    parallel: int = 1
    engine: str = "local"
    limits: tuple[str, ...] = ()
    wall: str = "1h"
    force: bool = False
    open_answers: bool = False
    accepts_irreversible: bool = False


@dataclass(frozen=True, slots=True)
class GoOn:
    """What `quaestor bench resume` was asked to do; None or empty stays as it was planned."""

    run: str
    models: tuple[str, ...] = ()
    repeats: int | None = None
    parallel: int | None = None
    limits: tuple[str, ...] = ()
    retry_infra: bool = False
    take_over: bool = False
    fork: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that is about to be carried."""

    place: Place
    order: Order
    manifest: Manifest
    suite: Suite
    batch: Batch
    systems: Mapping[str, Settings]


def run_suite(ordered: Ordered, settings: BoxSettings, streams: Streams, show: Show) -> int:
    """Run a suite to its end, score it and say what came out; the exit code."""
    return told(carried_suite(ordered, settings, streams, show), streams, show)


def carried_suite(
    ordered: Ordered, settings: BoxSettings, streams: Streams, show: Show
) -> Scored | int:
    """Run a suite to its end and score it; or the exit code of what stopped it."""
    suite = suite_of(ordered.order, settings)
    if ordered.order.again:
        return _replayed(ordered, suite, settings)
    systems = _systems(ordered, suite, (settings, streams))
    manifest = manifest_of(
        suite, ordered.order, systems, repeats=ordered.repeats, parallel=ordered.parallel
    )
    store = _store(systems)
    try:
        prepared = _begun(store, ordered, manifest, suite, systems)
        return _carry(store, prepared, (settings, streams), show)
    finally:
        store.close()


def _replayed(ordered: Ordered, suite: Suite, settings: BoxSettings) -> Scored:
    """Replay the recordings of a suite here, one after the other: no model, no browser, no box."""
    one = load_settings(*settings).settings
    name = one.models.name or "replay"
    manifest = manifest_of(suite, ordered.order, {name: one}, repeats=1, parallel=1)
    run = f"r{secrets.token_hex(5)}"
    place = place_of(one.home, run)
    place.write(ordered.order, manifest.model_copy(update={"run": run}))

    async def units() -> list[UnitResult]:
        planned = complete(manifest, ()).rows
        cases = {case.id: case for case in suite.cases}
        return [await replayed(cases[unit.task], unit) for unit in planned]

    return score_units(place, asyncio.run(units()), suite, (one, settings))


def resume_suite(
    go_on: GoOn, settings: tuple[list[Given], Where], streams: Streams, show: Show
) -> int:
    """Go on with a run, under the configuration that it was begun with; the exit code."""
    home = home_of(settings[1].home, os.environ)
    store = Store.open(home, journal_url(os.environ))
    try:
        prepared = _again(store, find_place(home, go_on.run), go_on, settings)
        return told(_carry(store, prepared, (settings, streams), show), streams, show)
    finally:
        store.close()


def told(scored: Scored | int, streams: Streams, show: Show) -> int:
    """Say how a run came out; the exit code."""
    if isinstance(scored, int):
        return scored
    code = ANSWERED if scored.is_whole else PARTIAL
    if show.json:
        ended = {"event": "ended", "run": scored.place.run, "exit_code": code}
        streams.records.write({**ended, **scored.record()})
        return code
    for line in ending_lines(scored):
        streams.out.line(clean(line))
    return code


def suite_of(order: Order, settings: BoxSettings) -> Suite:
    """The cases that an order is about. Raises UsageError that names every fault."""
    wanted = wanted_from(order.suite, order.split, order.levels)
    suite = asyncio.run(load_suite(wanted, lambda: open_box(settings)))
    return narrowed(suite, order)


def _systems(
    ordered: Ordered, suite: Suite, around: tuple[BoxSettings, Streams]
) -> dict[str, Settings]:
    """The systems under test, as they can be kept here. Raises before anything is written."""
    settings, streams = around
    resolved = load_settings(*settings)
    one = closed(resolved.settings, open_answers=ordered.open_answers)
    if one.approvals == "allow-all" and not ordered.accepts_irreversible:
        raise UsageError(
            "approvals = allow-all lets irreversible acts happen without asking",
            fix="add --i-accept-irreversible, or use --approvals ask-risky",
        )
    if needs_judge(suite) and not ordered.order.grader:
        streams.err.line("warning: no --grader: what only a model can judge will not be judged")
    if resolved.origin("on_question") == "default":
        one = one.model_copy(update={"on_question": "deny"})
    systems = systems_by_model(one, ordered.models)
    units = len(suite.cases) * ordered.repeats * len(systems)
    _check_search(systems, units, force=ordered.force)
    _check_judges(ordered.order.grader, suite, one)
    return asyncio.run(ready_systems(systems, streams))


def _check_judges(grader: str, suite: Suite, settings: Settings) -> None:
    """Raise NotReady or UsageError before anything is spent where the scoring at the end of it
    could not be done."""
    if any(case.scorer == FUNCTIONAL for case in suite.cases):
        asyncio.run(ready(box_settings(settings, "bench")))
    if grader and needs_judge(suite):
        models = settings.models.model_copy(update={"name": grader, "lead": None})
        check_models(settings.model_copy(update={"models": models}), os.environ)


def _check_search(systems: Mapping[str, Settings], units: int, *, force: bool) -> None:
    for one in systems.values():
        surfer = one.agents.get("WebSurfer")
        is_on = one.web.enabled and "websurfer" not in one.without
        if is_on and (surfer is None or surfer.enabled):
            check_search(one.web.search, units, force=force)


def _begun(
    store: Store,
    ordered: Ordered,
    manifest: Manifest,
    suite: Suite,
    systems: Mapping[str, Settings],
) -> Prepared:
    """Write plan and manifest, before the first unit starts."""
    one = next(iter(systems.values()))
    plan = plan_of(
        manifest,
        suite,
        systems,
        place=wanted_from(ordered.order.suite).place,
        limits=added_limits(ordered.limits, BATCH_LIMITS),
        wall_s=added_limits((f"time={ordered.wall}",), BATCH_LIMITS).time_s or 0.0,
        engine=engine_named(ordered.engine),
    )
    batch = store.read(store.create(plan, planned_of(manifest)))
    place = place_of(one.home, batch.batch)
    frozen = manifest.model_copy(update={"run": batch.batch})
    place.write(ordered.order, frozen)
    return Prepared(place, ordered.order, frozen, suite, batch, systems)


def _again(
    store: Store, place: Place, go_on: GoOn, settings: tuple[list[Given], Where]
) -> Prepared:
    """The run as it is to go on. Raises UsageError where another configuration is wanted."""
    batch, old, order = store.find(place.run), place.manifest(), place.order()
    if is_carried(batch, store.totals(place.run)) and not (go_on.take_over or go_on.fork):
        raise UsageError(
            f"run {place.run} is carried by {batch.owner}",
            fix="wait for it, or, if that process cannot be alive: --take-over",
        )
    systems = _systems_again(batch, go_on, settings)
    suite = suite_of(order, settings)
    manifest = manifest_of(
        suite,
        order,
        systems,
        repeats=go_on.repeats or old.repeats,
        parallel=go_on.parallel or old.parallel,
    ).model_copy(update={"run": place.run, "created": old.created})
    plan = batch.plan.model_copy(
        update={
            "parallel": manifest.parallel,
            "repeats": manifest.repeats,
            "limits": added_limits(go_on.limits, batch.plan.limits),
        }
    )
    if go_on.fork:
        return _forked(store, replace(batch, plan=plan), (order, manifest, suite), systems)
    check_resume(old, manifest)
    _check_search(systems, manifest.planned, force=go_on.force or manifest.planned <= old.planned)
    store.extend(place.run, plan, planned_of(manifest))
    if go_on.retry_infra:
        is_wanted = wanted_again("infra")
        store.requeue(place.run, [u.unit for u in store.all(place.run) if is_wanted(u)])
    place.write(order, manifest)
    return Prepared(place, order, manifest, suite, replace(batch, plan=plan), systems)


def _forked(
    store: Store,
    batch: Batch,
    planned: tuple[Order, Manifest, Suite],
    systems: Mapping[str, Settings],
) -> Prepared:
    """A run of its own under the new configuration."""
    order, manifest, suite = planned
    recorded = {name: one.recorded() for name, one in systems.items()}
    changed = {"systems": recorded, "tasks_sha256": suite.sha256}
    plan = batch.plan.model_copy(update=changed)
    fresh = store.read(store.create(plan, planned_of(manifest)))
    place = place_of(next(iter(systems.values())).home, fresh.batch)
    frozen = manifest.model_copy(update={"run": fresh.batch})
    place.write(order, frozen)
    return Prepared(place, order, frozen, suite, fresh, systems)


def _systems_again(
    batch: Batch, go_on: GoOn, settings: tuple[list[Given], Where]
) -> dict[str, Settings]:
    """The recorded systems, with what the command line says otherwise."""
    home = home_of(settings[1].home, os.environ)
    systems = settings_of(batch.plan, home, journal_url(os.environ))
    limits = [given for given in settings[0] if given.key.startswith("limits.")]
    for given in limits:
        systems = {
            name: one.model_copy(update={"limits": given.lower(one.limits)})
            for name, one in systems.items()
        }
    if not go_on.models:
        return systems
    return systems_by_model(next(iter(systems.values())), go_on.models)


def _carry(
    store: Store, prepared: Prepared, around: tuple[BoxSettings, Streams], show: Show
) -> Scored | int:
    settings, streams = around
    run = prepared.place.run
    if show.json:
        started = {"event": "started", "run": run, "planned": prepared.manifest.planned}
        streams.records.write(started)
    elif not show.quiet:
        streams.err.line(f"run {run}; if it is stopped: quaestor bench resume {run}")
    ended = asyncio.run(_carried(store, prepared, streams, show))
    if isinstance(ended, int):
        return ended
    if ended in ("cancelled", "parked"):
        streams.err.line(f"run {run} is {ended}; quaestor bench resume {run} goes on")
        return INTERRUPTED if ended == "cancelled" else NEEDS_HUMAN
    return score_place(prepared.place, store, prepared.suite, settings)


async def _carried(store: Store, prepared: Prepared, streams: Streams, show: Show) -> Ended | int:
    """Carry the batch; the exit code of a signal that stopped it."""
    totals = store.totals(prepared.batch.batch)
    if totals.done == totals.planned:
        return "done"
    prepared.place.forget_scores()
    plan, settings = prepared.batch.plan, next(iter(prepared.systems.values()))
    tasks = tasks_in(prepared.suite, plan.tasks).assigned()
    source = source_of(tasks, prepared.systems, os.environ)
    journal = Journal.open(settings.home, url=settings.journal_url)

    def finished(result: UnitResult) -> None:
        if show.json:
            streams.records.write({"event": "unit", **result.model_dump(mode="json")})

    async with AsyncExitStack() as stack:
        stack.callback(journal.close)
        watch = stack.enter_context(Progress(streams, show))
        engine = await stack.enter_async_context(open_engine(plan.engine))
        desk = Desk(store, journal, engine, plan, source, watch, finished)
        scheduler = Scheduler(desk, claim(store, prepared.batch.batch))
        return await unless_stopped(scheduler, streams)


def _store(systems: Mapping[str, Settings]) -> Store:
    one = next(iter(systems.values()))
    return Store.open(one.home, one.journal_url)


def chosen(
    suite: str, *, split: str, levels: Sequence[str], only: Sequence[str], sample: int | None
) -> Order:
    """The order of a command line, with the suite's place made absolute."""
    wanted = wanted_from(suite, split, levels)
    head = "" if wanted.kind == "own" else f"{wanted.kind}:"
    place = Path(wanted.place).absolute()
    return Order(
        suite=f"{head}{place}",
        split=split,
        levels=tuple(levels),
        only=tuple(only),
        sample=sample,
    )
