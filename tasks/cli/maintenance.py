"""`export`, `gc`, `purge` and `sandbox build`: what keeps an installation in order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tasks.cli import options as opt
from tasks.cli.command import command, group, streams_of
from tasks.cli.completion import complete_run


def add_to(app: typer.Typer) -> None:
    """Add this family's commands."""
    command(app, "export")(export)
    command(app, "gc")(gc)
    command(app, "purge")(purge)
    group(app, "sandbox", "The box that untrusted code runs in.", build)


def export(
    context: typer.Context,
    run: opt.Run,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where to; stdout when left out.")
    ] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One event per line (default).")] = False,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", metavar="FILE.zip", help="Events, stored bytes and what to verify them by."
        ),
    ] = None,
    home: opt.Home = None,
) -> int:
    """Check the journal of a run and write it out."""
    from tasks.cli.keeping import export_run

    return export_run(run, file, bundle, home, streams_of(context))


def gc(context: typer.Context, home: opt.Home = None) -> int:
    """Delete stored bytes that no run names any more."""
    from tasks.cli.keeping import collect_garbage

    return collect_garbage(home, streams_of(context))


def purge(
    context: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="The run to erase.", autocompletion=complete_run),
    ] = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="30d", help="Every run older than that.")
    ] = None,
    home: opt.Home = None,
) -> int:
    """Erase the content of runs for good; their hashes stay."""
    from tasks.cli.keeping import purge_runs

    return purge_runs(run, older_than, home, streams_of(context))


def build(
    context: typer.Context,
    packages: Annotated[
        str | None, typer.Option("--packages", metavar="A,B", help="More Python packages.")
    ] = None,
    air_gapped: Annotated[
        bool, typer.Option("--air-gapped", help="Do not try an image registry.")
    ] = False,
) -> int:
    """Build the image (and the tree for bubblewrap) that code runs in; needed once."""
    from tasks.cli.keeping import build_sandbox

    return build_sandbox(packages, streams_of(context), air_gapped=air_gapped)
