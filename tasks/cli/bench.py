"""`quaestor bench`: run suites, score answers, read and compare results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tasks.cli import bench_options as bo
from tasks.cli import options as opt
from tasks.cli.bench_runs import add, estimate, export, gate, resume, run
from tasks.cli.command import group, streams_of
from tasks.cli.given import Where


def add_to(app: typer.Typer) -> None:
    """Add this family's commands."""
    about = "Benchmarks: run suites, score, report, compare."
    functions = (run, resume, score, check, report, compare, estimate, gate, add, export)
    group(app, "bench", about, *functions)


def score(
    context: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="A benchmark run by the start of its id, or last."),
    ] = None,
    scorer: Annotated[
        str | None,
        typer.Option("--scorer", metavar="NAME", help="gaia/2023, exact, ...: see the docs."),
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option(
            "--pairs", metavar="FILE|-", help="JSON lines with prediction and gold; - for stdin."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="The judge, for rules with one.")
    ] = None,
    base_url: opt.BaseUrl = None,
    sandbox: opt.Sandbox = None,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
) -> int:
    """Score a run anew from what it has recorded, or bare pairs: one JSON line out per line in.

    A bad line is named, gets a line without a score, and does not stop the others; the exit code
    is then 3, as it is when something could not be judged. No unit is ever run again.
    """
    from orchestrator.errors import UsageError
    from tasks.cli.bench_scoring import score_again
    from tasks.cli.scoring import score_pairs

    if (run is None) == (pairs is None) or (pairs is not None and scorer is None):
        raise UsageError(
            "say what is to be scored", fix="a RUN, or --scorer NAME with --pairs FILE"
        )
    given = {"sandbox.launcher": sandbox, "models.name": model, "models.base_url": base_url}
    flags = opt.flags_given(given, None)
    where = Where(home, config, trust_project)
    if run is not None:
        return score_again(run, scorer or "", model or "", (flags, where), streams_of(context))
    return score_pairs(scorer or "", pairs or "", (flags, where), streams_of(context))


def check(
    context: typer.Context,
    suite: bo.Suite,
    split: bo.Split = "validation",
    level: bo.Level = None,
    sandbox: opt.Sandbox = None,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
) -> int:
    """Read a whole suite and name every fault in it, by file, line and field."""
    from tasks.cli.benching import check_suite

    flags = opt.flags_given({"sandbox.launcher": sandbox}, None)
    where = Where(home, config, trust_project)
    return check_suite((suite, split, level or []), (flags, where), streams_of(context))


def report(
    context: typer.Context,
    results: bo.Results,
    out: bo.Out = None,
    home: opt.Home = None,
) -> int:
    """Write the report of a benchmark run: JSON, Markdown and one HTML file with plots."""
    from tasks.cli.judging import report_results, results_place

    place = results_place(results, home)
    folder = place if place.is_dir() else place.parent
    return report_results(place, out or folder, streams_of(context))


def compare(
    context: typer.Context,
    first: bo.Results,
    second: Annotated[
        str | None,
        typer.Argument(metavar="[SECOND]", help="The run or results to compare with."),
    ] = None,
    published: Annotated[
        str | None,
        typer.Option("--published", metavar="NAME", help="A published score, or list for all."),
    ] = None,
    other_split: Annotated[
        bool, typer.Option("--other-split", help="Compare although the splits differ.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Compare although suite or scorer differ.")
    ] = False,
    json: opt.Json = False,
    home: opt.Home = None,
) -> int:
    """Compare two runs task by task, or one run with a published score."""
    from tasks.cli.judging import Against, compare_results, results_place

    other = None if second is None else results_place(second, home)
    against = Against(other, published, other_split=other_split, force=force)
    listed = published == "list"
    place = Path(first) if listed else results_place(first, home)
    return compare_results(place, against, streams_of(context), as_json=json)
