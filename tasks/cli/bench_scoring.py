"""What `quaestor bench score RUN` does, and what every run ends with: scores, files, a summary."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import UsageError
from orchestrator.journal import Journal
from orchestrator.models.llm import LLM
from orchestrator.settings import Settings
from tasks.batch.preparing import settings_of
from tasks.batch.results import result_of, write_results
from tasks.batch.store import Store
from tasks.benchmark.cases import Suite
from tasks.benchmark.inspect_log import write_logs
from tasks.benchmark.manifest import Manifest
from tasks.benchmark.measures import Summary, summarize
from tasks.benchmark.order import Order, Place, find_place, narrowed
from tasks.benchmark.outcomes import NOT_THE_SYSTEM, class_of
from tasks.benchmark.planning import ALSO, needs_judge
from tasks.benchmark.report import Written, write_report
from tasks.benchmark.results import Results, complete, read_results
from tasks.benchmark.rows import UnitResult
from tasks.benchmark.scorers.registry import check_name
from tasks.benchmark.submissions import FIELDS, submission_lines
from tasks.benchmark.suites.loading import load_suite, wanted_from
from tasks.benchmark.verdicts import Judges, scored_rows
from tasks.cli.batch_reading import is_carried
from tasks.cli.benching import BoxSettings, open_box
from tasks.cli.exits import ANSWERED, PARTIAL
from tasks.cli.opening import home_of, load_settings, open_journal
from tasks.cli.scoring import no_pictures
from tasks.cli.streams import Streams, clean
from tasks.configuration import journal_url
from tasks.model_pool import ModelPool


@dataclass(frozen=True, slots=True)
class Scored:
    """A run with its scores, and the files that say so."""

    place: Place
    results: Results
    summaries: tuple[Summary, ...]
    written: Written
    submission: Path | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every unit ran and was judged, but for answers that are hidden."""
        return not self.unjudged

    @property
    def unjudged(self) -> Counter[str]:
        """How many units say nothing about the system, by class; hidden answers aside."""
        kinds = Counter(
            class_of(row)
            for row in self.results.rows
            if row.score is None or not row.score.detail.get("hidden")
        )
        return Counter({name: kinds[name] for name in sorted(NOT_THE_SYSTEM) if kinds[name]})

    def record(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "planned": self.results.manifest.planned,
            "unjudged": dict(self.unjudged),
            "systems": {
                item.system.name: {
                    "score": item.score.value,
                    "low": item.score.low,
                    "high": item.score.high,
                    "also": {name: rule.share.value for name, rule in item.also.items()},
                    "classes": {name: count for name, count in item.classes.items() if count},
                }
                for item in self.summaries
            },
            "results": str(self.place.folder),
            "report": str(self.written.html),
            "submission": str(self.submission) if self.submission else None,
        }


def score_again(
    prefix: str, scorer: str, grader: str, settings: BoxSettings, streams: Streams
) -> int:
    """Score a run anew from what it has recorded: no unit runs, no answer is asked for again."""
    home = home_of(settings[1].home, os.environ)
    place = find_place(home, prefix)
    order = _changed(place.order(), scorer, grader)
    wanted = wanted_from(order.suite, order.split, order.levels)
    whole = asyncio.run(load_suite(wanted, lambda: open_box(settings)))
    manifest = place.manifest()
    if narrowed(whole, place.order()).sha256 != manifest.suite_sha256:
        raise UsageError(
            f"{wanted.place} has changed since run {place.run} began",
            fix="put the old suite back, or run the new one",
        )
    suite = narrowed(whole, order)
    place.write(order, _rescored(manifest, suite, order))
    scored = _scored_again(place, suite, home, settings)
    for line in ending_lines(scored):
        streams.out.line(clean(line))
    return ANSWERED if scored.is_whole else PARTIAL


def _scored_again(place: Place, suite: Suite, home: Path, settings: BoxSettings) -> Scored:
    if place.order().again:
        one = load_settings(*settings).settings
        return score_units(place, read_results(place.folder).rows, suite, (one, settings))
    store = Store.open(home, journal_url(os.environ))
    try:
        if is_carried(store.find(place.run), store.totals(place.run)):
            raise UsageError(
                f"run {place.run} is going on, and scores hold gold",
                fix="wait for its end; it is scored then",
            )
        return score_place(place, store, suite, settings)
    finally:
        store.close()


def score_place(place: Place, store: Store, suite: Suite, settings: BoxSettings) -> Scored:
    """Score every unit of a run from its batch."""
    batch = store.find(place.run)
    systems = settings_of(batch.plan, place.folder.parents[1], journal_url(os.environ))
    rows = [result_of(unit) for unit in store.all(place.run)]
    return score_units(place, rows, suite, (next(iter(systems.values())), settings))


def score_units(
    place: Place,
    rows: Sequence[UnitResult],
    suite: Suite,
    around: tuple[Settings, BoxSettings],
) -> Scored:
    """Score these units, write rows and report, and what a leaderboard takes."""
    one, settings = around
    manifest, order = place.manifest(), place.order()
    cases = {case.id: case for case in suite.cases}
    journal = Journal.open(one.home, url=one.journal_url)

    async def score() -> Results:
        async with _judge(one, order.grader) as model:
            judges = Judges(
                lambda: open_box(settings), model, journal.read, journal.blobs, manifest.also
            )
            async with judges:
                return complete(manifest, await scored_rows(rows, cases, judges))

    try:
        results = asyncio.run(score())
    finally:
        journal.close()
    write_results(place.folder, manifest, results.rows)
    written = write_report(results, place.folder)
    summaries = tuple(summarize(results, system) for system in manifest.systems)
    return Scored(place, results, summaries, written, _submission(place, suite, results))


def export_logs(prefix: str, out: Path, settings: BoxSettings, streams: Streams) -> int:
    """Write a run as logs that Inspect reads, with the tasks and gold of its suite."""
    home = home_of(settings[1].home, os.environ)
    place = find_place(home, prefix)
    order, results = place.order(), read_results(place.folder)
    wanted = wanted_from(order.suite, order.split, order.levels)
    whole = asyncio.run(load_suite(wanted, lambda: open_box(settings)))
    suite = narrowed(whole, order)
    if suite.sha256 != results.manifest.suite_sha256:
        raise UsageError(
            f"{wanted.place} has changed since run {place.run} began", fix="put the old suite back"
        )
    cases = {case.id: case for case in suite.cases}
    with open_journal(settings[1].home, os.environ) as journal:
        files = write_logs(results, cases, journal.read, out)
    for file in files:
        streams.out.line(str(file))
    return ANSWERED


def ending_lines(scored: Scored) -> Iterator[str]:
    """What came out, for people."""
    planned = scored.results.manifest.planned
    for item in scored.summaries:
        scorers = ", ".join(scored.results.manifest.scorers)
        yield f"{item.system.name}: {_share(item.score)} by {scorers}, over {item.planned} units"
        for name, rule in item.also.items():
            yield f"  by {name}: {_share(rule.share)}"
        classes = ", ".join(f"{name} {count}" for name, count in item.classes.items() if count)
        yield f"  {classes}"
    if scored.unjudged:
        counts = ", ".join(f"{count} {name}" for name, count in scored.unjudged.items())
        yield f"of {planned} units these say nothing about the system, and count 0: {counts}"
    if scored.submission is not None:
        yield f"for the leaderboard: {scored.submission}"
    yield f"report: {scored.written.html}"


def _share(interval: Any) -> str:
    return f"{interval.value:.1%} [{interval.low:.1%}, {interval.high:.1%}]"


def _changed(order: Order, scorer: str, grader: str) -> Order:
    if scorer:
        check_name(scorer)
    changed = {"scorer": scorer or order.scorer, "grader": grader or order.grader}
    return order.model_copy(update=changed)


def _rescored(manifest: Manifest, suite: Suite, order: Order) -> Manifest:
    """The same run by other rules; which tasks it is about does not change."""
    scorers = tuple(sorted({case.scorer for case in suite.cases}))
    also = dict.fromkeys(name for scorer in scorers for name in ALSO.get(scorer, ()))
    grader = order.grader if needs_judge(suite) else ""
    systems = [system.model_copy(update={"grader": grader}) for system in manifest.systems]
    changed = {"scorers": scorers, "also": tuple(also), "systems": tuple(systems)}
    return manifest.model_copy(update=changed)


@asynccontextmanager
async def _judge(settings: Settings, name: str) -> AsyncIterator[LLM | None]:
    """The model that judges, by its name; None without one."""
    if not name:
        yield None
        return
    models = settings.models.model_copy(update={"name": name, "lead": None})
    pool = ModelPool(settings.home, no_pictures, os.environ)
    try:
        yield pool.lead_and_model(settings.model_copy(update={"models": models}))[1]
    finally:
        await pool.close()


def _submission(place: Place, suite: Suite, results: Results) -> Path | None:
    """The file for the leaderboard, where answers are hidden and there is one system."""
    hidden = any(case.gold is None for case in suite.cases)
    if not hidden or suite.name not in FIELDS or len(results.manifest.systems) != 1:
        return None
    answers = {row.task: row.answer for row in reversed(results.rows)}
    file = place.folder / "submission.jsonl"
    text = "".join(f"{line}\n" for line in submission_lines(suite, answers))
    file.write_text(text, encoding="utf-8")
    return file
