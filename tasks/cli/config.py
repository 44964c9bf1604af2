"""`quaestor config`: what is in force here, and where it comes from."""

from __future__ import annotations

from typing import Annotated

import typer

from tasks.cli import options as opt
from tasks.cli.command import group, streams_of
from tasks.cli.given import Where


def add_to(app: typer.Typer) -> None:
    """Add this family's commands."""
    group(app, "config", "The configuration in force.", show, path, check)


def show(
    context: typer.Context,
    origin: Annotated[
        bool, typer.Option("--origin", help="Say where each value comes from.")
    ] = False,
    json: opt.Json = False,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
) -> int:
    """Show every setting with its value."""
    from tasks.cli.configuring import show_settings

    where = Where(home, config, trust_project)
    return show_settings(where, streams_of(context), origin=origin, as_json=json)


def path(context: typer.Context, home: opt.Home = None, config: opt.Config = None) -> int:
    """Show which files are read, and where journal and stored bytes are."""
    from tasks.cli.configuring import show_paths

    return show_paths(Where(home, config), streams_of(context))


def check(
    context: typer.Context,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
) -> int:
    """Check the configuration; exit code 2 names what is wrong with it."""
    from tasks.cli.configuring import check_settings

    return check_settings(Where(home, config, trust_project), streams_of(context))
