"""`quaestor bench`: score answers, check suites, read and compare results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tasks.cli import options as opt
from tasks.cli.command import group, streams_of
from tasks.cli.given import Where

Results = Annotated[
    Path,
    typer.Argument(
        metavar="RESULTS", help="A folder with manifest.json and units.jsonl, or a report.json."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add this family's commands."""
    about = "Benchmarks: scores, suites, reports."
    group(app, "bench", about, score, check, report, compare, estimate, gate)


def score(
    context: typer.Context,
    scorer: Annotated[
        str, typer.Option("--scorer", metavar="NAME", help="gaia/2023, exact, ...: see the docs.")
    ],
    pairs: Annotated[
        str,
        typer.Option(
            "--pairs", metavar="FILE|-", help="JSON lines with prediction and gold; - for stdin."
        ),
    ],
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="The judge, for rules with one.")
    ] = None,
    base_url: opt.BaseUrl = None,
    sandbox: opt.Sandbox = None,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
) -> int:
    """Score pairs of prediction and gold: one JSON line out for each line in.

    A bad line is named, gets a line without a score, and does not stop the others; the exit code
    is then 3, as it is when a line could not be judged.
    """
    from tasks.cli.scoring import score_pairs

    given = {"sandbox.launcher": sandbox, "models.name": model, "models.base_url": base_url}
    flags = opt.flags_given(given, None)
    where = Where(home, config, trust_project)
    return score_pairs(scorer, pairs, (flags, where), streams_of(context))


def check(
    context: typer.Context,
    suite: Annotated[
        str,
        typer.Argument(
            metavar="SUITE",
            help="A JSON lines file of your own, or KIND:PATH with KIND gaia, assistantbench, "
            "humaneval, simpleqa or webarena.",
        ),
    ],
    split: Annotated[
        str, typer.Option("--split", metavar="NAME", help="validation (default) or test.")
    ] = "validation",
    level: Annotated[
        list[str] | None, typer.Option("--level", metavar="N", help="Only this level.")
    ] = None,
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
    results: Results,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where report.json, .md and .html go.")
    ],
) -> int:
    """Write the report of a benchmark run: JSON, Markdown and one HTML file with plots."""
    from tasks.cli.judging import report_results

    return report_results(results, out, streams_of(context))


def compare(
    context: typer.Context,
    first: Results,
    second: Annotated[
        Path | None, typer.Argument(metavar="[SECOND]", help="The results to compare with.")
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
) -> int:
    """Compare two runs task by task, or one run with a published score."""
    from tasks.cli.judging import Against, compare_results

    against = Against(second, published, other_split=other_split, force=force)
    return compare_results(first, against, streams_of(context), as_json=json)


def estimate(
    context: typer.Context,
    pilot: Results,
    units: Annotated[int, typer.Option("--units", metavar="N", help="How many units there are.")],
    parallel: Annotated[
        int, typer.Option("--parallel", metavar="N", help="How many run at a time.")
    ] = 1,
    json: opt.Json = False,
) -> int:
    """Say from a pilot what a whole benchmark will cost and how long it takes."""
    from tasks.cli.judging import estimate_units

    return estimate_units(pilot, units, parallel, streams_of(context), as_json=json)


def gate(
    context: typer.Context,
    results: Results,
    baseline: Annotated[
        Path, typer.Option("--baseline", metavar="RESULTS", help="The results to hold against it.")
    ],
    max_drop: Annotated[
        float, typer.Option("--max-drop", metavar="SHARE", help="What may be lost, such as 0.02.")
    ] = 0.0,
    json: opt.Json = False,
) -> int:
    """Exit 0 when a change did not make it worse, 1 when it did, 2 when nobody can say."""
    from tasks.cli.judging import gate_results

    return gate_results(results, baseline, max_drop, streams_of(context), as_json=json)
