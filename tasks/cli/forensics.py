"""`quaestor forensics`: cases in, explanations that can be checked claim by claim out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tasks.cli import options as opt
from tasks.cli.command import command, streams_of
from tasks.cli.given import Where

Manifest = Annotated[
    Path, typer.Argument(metavar="BATCH", help="The manifest: batch.jsonl, or batch.yaml.")
]
SkipInvalid = Annotated[
    bool, typer.Option("--skip-invalid", help="Leave faulty cases out instead of refusing all.")
]


def add_to(app: typer.Typer) -> None:
    """Add this family's commands."""
    forensics = typer.Typer(
        help="Forensics: cases in, explanations that can be checked out.", rich_markup_mode=None
    )
    command(forensics, "init")(init)
    command(forensics, "check")(check)
    app.add_typer(forensics, name="forensics")


def init(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder with one sub-folder for each case.")
    ],
    question: Annotated[
        str | None, typer.Option("--question", metavar="TEXT", help="The question of every case.")
    ] = None,
) -> int:
    """Write batch.jsonl from a folder of folders, with its JSON Schema beside it."""
    from tasks.cli.forensics_checking import begin_batch

    return begin_batch(folder, question, streams_of(context))


def check(
    context: typer.Context,
    manifest: Manifest,
    skip_invalid: SkipInvalid = False,
    sandbox: opt.Sandbox = None,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
) -> int:
    """Check a whole batch without a model: every fault by line and field, then every exhibit.

    Exit code 2 when the manifest is refused, 3 when a case cannot be worked on.
    """
    from tasks.cli.forensics_checking import check_batch

    flags = opt.flags_given({"sandbox.launcher": sandbox}, None)
    where = Where(home, config, trust_project)
    return check_batch(manifest, skip_invalid, (flags, where), streams_of(context))
