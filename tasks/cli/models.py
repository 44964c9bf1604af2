"""`quaestor models`: what the models at hand can do."""

from __future__ import annotations

from typing import Annotated

import typer

from tasks.cli import options as opt
from tasks.cli.command import group, streams_of
from tasks.cli.given import Where


def add_to(app: typer.Typer) -> None:
    """Add this family's commands."""
    group(app, "models", "The models and what they can do.", probe, presets)


def probe(
    context: typer.Context,
    model: opt.Model = None,
    base_url: opt.BaseUrl = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Ask again, whatever is remembered.")
    ] = False,
    json: opt.Json = False,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
) -> int:
    """Ask a model's endpoint what it can do, and remember it for a week.

    A handful of short requests, and one of about 6,000 tokens where the window is unknown."""
    from tasks.cli.probing import probe_models

    given = opt.flags_given({"models.name": model, "models.base_url": base_url}, None)
    where = Where(home, config, trust_project)
    return probe_models(given, where, streams_of(context), fresh=fresh, as_json=json)


def presets(context: typer.Context, json: opt.Json = False) -> int:
    """Show the endpoints that have a name: `--model NAME:model`."""
    from tasks.cli.probing import show_presets

    return show_presets(streams_of(context), as_json=json)
