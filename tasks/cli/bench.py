"""`quaestor bench`: score answers, check suites, read and compare results."""

from __future__ import annotations

from typing import Annotated

import typer

from tasks.cli import options as opt
from tasks.cli.command import command, streams_of
from tasks.cli.given import Where


def add_to(app: typer.Typer) -> None:
    """Add this family's commands."""
    bench = typer.Typer(help="Benchmarks: scores, suites, reports.", rich_markup_mode=None)
    command(bench, "score")(score)
    app.add_typer(bench, name="bench")


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

    flags = opt.flags_given({"sandbox.launcher": sandbox}, None)
    where = Where(home, config, trust_project)
    return score_pairs(scorer, pairs, (flags, where), streams_of(context))
