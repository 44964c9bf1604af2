"""`quaestor doctor`: what works on this machine, and how to repair what does not."""

from __future__ import annotations

from typing import Annotated

import typer

from tasks.cli import options as opt
from tasks.cli.command import command, streams_of


def add_to(app: typer.Typer) -> None:
    """Add this family's commands."""
    command(app, "doctor")(doctor)


def doctor(
    context: typer.Context,
    fix: Annotated[
        bool, typer.Option("--fix", help="Install and start what is missing, or say how.")
    ] = False,
    json: opt.Json = False,
    home: opt.Home = None,
) -> int:
    """Check everything that a run needs, by using it. Spends nothing.

    Changes the machine only with --fix, as root in a container, a virtual machine or CI, or with
    QUAESTOR_SETUP=1."""
    from tasks.cli.examining import examine_machine

    return examine_machine(home, streams_of(context), fix=fix, as_json=json)
