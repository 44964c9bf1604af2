"""What `quaestor bench report`, `compare`, `estimate` and `gate` do with finished results."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import NotReady, QuaestorError, UsageError
from tasks.benchmark.comparison import Comparison, compare
from tasks.benchmark.estimate import estimate
from tasks.benchmark.gate import COULD_NOT_JUDGE, PASS, Verdict, gate
from tasks.benchmark.intervals import Interval
from tasks.benchmark.manifest import System
from tasks.benchmark.measures import summarize
from tasks.benchmark.order import find_place
from tasks.benchmark.published import (
    AgainstPublished,
    against_published,
    published,
    published_score,
)
from tasks.benchmark.recorded import add_run
from tasks.benchmark.report import write_report
from tasks.benchmark.results import Results, read_results
from tasks.benchmark.rows import UnitResult
from tasks.benchmark.scorers.registry import check_name
from tasks.cli.bench_running import Ordered, carried_suite, suite_of
from tasks.cli.benching import BoxSettings
from tasks.cli.exits import ANSWERED
from tasks.cli.given import Show
from tasks.cli.opening import home_of, open_journal
from tasks.cli.streams import Streams, clean

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Against:
    """What a run is compared with: other results, or a published score."""

    second: Path | None
    published: str | None
    other_split: bool = False
    force: bool = False


def results_place(text: str, home: Path | None) -> Path:
    """The folder or report that is meant: a path, or the start of a benchmark run's id."""
    path = Path(text).expanduser()
    if path.exists():
        return path
    return find_place(home_of(home, os.environ), text).folder


def report_results(place: Path, out: Path, streams: Streams) -> int:
    """Write the three files and say where they are."""
    try:
        written = write_report(read_results(place), out)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}") from error
    for file in (written.html, written.markdown, written.json_file):
        streams.out.line(str(file))
    return ANSWERED


def compare_results(place: Path, against: Against, streams: Streams, *, as_json: bool) -> int:
    """Two runs, or a run and a published score."""
    if (against.second is None) == (against.published is None):
        raise UsageError("give a second run, or --published NAME, and not both")
    if against.published == "list":
        for score in published().scores:
            streams.out.line(f"{score.name}: {score.score:.2%} of {score.n}, {score.published}")
        return ANSWERED
    first = read_results(place)
    found: Comparison | AgainstPublished
    if against.second is not None:
        left, right = _pair(first, read_results(against.second))
        found = compare(left, right, force=against.force)
        lines = _comparison_lines(found)
    else:
        theirs = published_score(against.published or "")
        summary = summarize(first, _single(first))
        found = against_published(first.manifest, summary, theirs, other_split=against.other_split)
        lines = _published_lines(found)
    if as_json:
        streams.records.write(found.model_dump(mode="json"))
        return ANSWERED
    for line in lines:
        streams.out.line(clean(line))
    return ANSWERED


def estimate_units(
    pilot: Path, units: int | None, parallel: int, streams: Streams, *, as_json: bool
) -> int:
    """Cost and hours with their intervals, from a run that is there."""
    if units is None:
        raise UsageError(
            "how many units will there be?",
            fix="--units N; or --pilot N with a suite, which is then run first",
        )
    return _estimated(read_results(pilot).rows, units, parallel, streams, as_json=as_json)


def estimate_suite(
    pilot: tuple[Ordered, int], settings: BoxSettings, streams: Streams, show: Show
) -> int:
    """Run a few cases of a suite, then say what all of it will take at so many repeats."""
    ordered, repeats = pilot
    whole = suite_of(ordered.order.model_copy(update={"sample": None}), settings)
    scored = carried_suite(ordered, settings, streams, Show(quiet=show.quiet, plain=True))
    if isinstance(scored, int):
        return scored
    units = len(whole.cases) * repeats
    rows = scored.results.rows
    return _estimated(rows, units, ordered.parallel, streams, as_json=show.json)


def _estimated(
    rows: Sequence[UnitResult], units: int, parallel: int, streams: Streams, *, as_json: bool
) -> int:
    found = estimate(rows, units, parallel)
    if as_json:
        streams.records.write(found.model_dump(mode="json"))
        return ANSWERED
    money = "unknown: the pilot has units without a known price"
    if found.usd is not None:
        money = f"${found.usd.value:,.2f} [{found.usd.low:,.2f}, {found.usd.high:,.2f}]"
    hours = found.hours
    streams.out.line(f"from {found.pilot} pilot units, for {units} units, {parallel} at a time")
    streams.out.line(f"cost   {money}")
    streams.out.line(f"hours  {hours.value:.2f} [{hours.low:.2f}, {hours.high:.2f}]")
    if found.not_finished:
        streams.out.line(f"left out of the pilot, did not run: {found.not_finished}")
    return ANSWERED


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a gate judges: results that are there, or a suite that is run now."""

    results: str | None
    ordered: Ordered | None
    settings: BoxSettings


def gate_runs(
    baseline: str, candidate: Candidate, max_drop: float, streams: Streams, show: Show
) -> int:
    """The verdict as an exit code. What cannot be run or read cannot be judged either: 2."""
    if not baseline or (candidate.results is None) == (candidate.ordered is None):
        raise UsageError("give --baseline RUN, and a RUN to judge or --suite SUITE to run now")
    try:
        before = read_results(results_place(baseline, candidate.settings[1].home))
        after = _candidate(candidate, streams, show)
        verdict = gate(before, after, max_drop=max_drop)
    except UsageError:
        raise
    except QuaestorError as error:
        verdict = Verdict(code=COULD_NOT_JUDGE, reasons=(error.message,))
    if show.json:
        streams.records.write(verdict.model_dump(mode="json"))
        return verdict.code
    word = {PASS: "pass", COULD_NOT_JUDGE: "could not judge"}.get(verdict.code, "worse")
    for reason in verdict.reasons:
        streams.out.line(clean(f"{word}: {reason}"))
    return verdict.code


def _candidate(candidate: Candidate, streams: Streams, show: Show) -> Results:
    if candidate.ordered is None:
        place = results_place(candidate.results or "", candidate.settings[1].home)
        return read_results(place)
    shown = Show(quiet=show.quiet, plain=True)
    scored = carried_suite(candidate.ordered, candidate.settings, streams, shown)
    if isinstance(scored, int):
        raise NotReady("the run was stopped before its end", fix="quaestor bench resume last")
    return scored.results


def add_case(
    prefix: str, suite: Path, judged: tuple[str, str | None], home: Path | None, streams: Streams
) -> int:
    """Make a finished run a case."""
    scorer, gold = judged
    with open_journal(home, os.environ) as journal:
        run = journal.find(prefix)
        try:
            archive = add_run(journal, run, suite, scorer=check_name(scorer), gold=gold)
        except OSError as error:
            raise UsageError(f"{suite} cannot be written: {error.strerror}") from error
    streams.out.line(f"{suite}: a case more, {run}; recorded in {archive}")
    return ANSWERED


def _single(results: Results) -> System:
    systems = results.manifest.systems
    if len(systems) != 1:
        raise UsageError(f"these results hold {len(systems)} systems; compare needs one")
    return systems[0]


def _pair(first: Results, second: Results) -> tuple[tuple[Results, System], ...]:
    """One system of each; the same results given twice hold the two to compare."""
    both = first.manifest.systems
    if first == second and len(both) == 2:
        return (first, both[0]), (second, both[1])
    return (first, _single(first)), (second, _single(second))


def _comparison_lines(found: Comparison) -> Iterator[str]:
    yield f"{found.tasks} tasks in common, left out: {len(found.left_out)}"
    yield f"first {found.first:.1%}, second {found.second:.1%}"
    yield f"difference {_points(found.difference)}; {found.test} p = {found.p:.4f}"
    yield found.smallest
    for name, tasks in (("gained", found.gained), ("lost", found.lost)):
        more = f" and {len(tasks) - SHOWN} more" if len(tasks) > SHOWN else ""
        yield f"{name} {len(tasks)}: {', '.join(tasks[:SHOWN])}{more}"
    costs = ["unknown" if cost is None else f"${cost / 1e6:,.2f}" for cost in found.micros]
    yield f"cost {costs[0]} and {costs[1]}"
    yield f"wall time {found.seconds[0]:,.0f} s and {found.seconds[1]:,.0f} s"
    for warning in found.warnings:
        yield f"warning: {warning}"


def _published_lines(found: AgainstPublished) -> Iterator[str]:
    theirs = found.published
    yield f"{theirs.name}: {theirs.source}, {theirs.published} (collected {found.dated})"
    for line in found.lines:
        yield (
            f"{line.name}: ours {line.ours.value:.1%} [{line.ours.low:.1%}, {line.ours.high:.1%}], "
            f"theirs {line.theirs.value:.1%} [{line.theirs.low:.1%}, {line.theirs.high:.1%}], "
            f"difference {_points(line.difference)}"
        )
    yield "what differs:"
    for item in found.differs:
        yield f"  {item}"


def _points(interval: Interval) -> str:
    value, low, high = (100 * item for item in (interval.value, interval.low, interval.high))
    return f"{value:+.1f} points [{low:+.1f}, {high:+.1f}]"
