"""`runs`, `show`, `why`, `watch`: what there is in the journal, for people."""

from __future__ import annotations

from typing import Annotated

import typer

from tasks.cli import options as opt
from tasks.cli.command import command, streams_of


def add_to(app: typer.Typer) -> None:
    """Add this family's commands."""
    command(app, "runs")(runs)
    command(app, "show")(show)
    command(app, "why")(why)
    command(app, "watch")(watch)


def runs(
    context: typer.Context,
    outcome: Annotated[
        str | None, typer.Option("--outcome", metavar="X", help="Only runs with this outcome.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="2d", help="Only runs of the last 90m, 2d, ...")
    ] = None,
    problems: Annotated[
        bool, typer.Option("--problems", help="Only runs that did not end answered.")
    ] = False,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="At most so many.")] = 50,
    json: opt.Json = False,
    home: opt.Home = None,
) -> int:
    """List the newest runs: how each stands, and its task."""
    from tasks.cli.listing import Choice, list_runs

    choice = Choice(outcome, since, problems, number)
    return list_runs(choice, home, streams_of(context), as_json=json)


def show(
    context: typer.Context,
    run: opt.Run,
    round_number: Annotated[
        int | None, typer.Option("--round", metavar="N", min=1, help="One round only.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Every event, as it is stored.")] = False,
    home: opt.Home = None,
) -> int:
    """Check the journal of a run and show its task, ledger, rounds and outcome."""
    from tasks.cli.listing import show_run

    return show_run(run, round_number, home, streams_of(context), raw=raw)


def why(
    context: typer.Context,
    run: opt.Run,
    claim: Annotated[
        str | None, typer.Argument(metavar="CLAIM", help="Words of the answer or of a fact.")
    ] = None,
    home: opt.Home = None,
) -> int:
    """Show what an answer rests on: facts, evidence, the step that saw it, the stored bytes."""
    from tasks.cli.reasons import explain

    return explain(run, claim, home, streams_of(context))


def watch(
    context: typer.Context, run: opt.Run, json: opt.Json = False, home: opt.Home = None
) -> int:
    """Follow a run of another process until it ends. Ctrl-C stops watching, not the run."""
    from tasks.cli.watching import follow

    return follow(run, home, streams_of(context), as_json=json)
