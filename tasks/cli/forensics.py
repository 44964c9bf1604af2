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
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Where results go (default: results beside BATCH)."),
]
CaseName = Annotated[str, typer.Argument(metavar="CASE", help="The case's id.")]
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
    command(forensics, "run")(run)
    command(forensics, "status")(status)
    command(forensics, "report")(report)
    command(forensics, "verify")(verify)
    command(forensics, "bundle")(bundle)
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


def run(
    context: typer.Context,
    manifest: Manifest,
    out: Out = None,
    skip_invalid: SkipInvalid = False,
    demo: Annotated[
        bool,
        typer.Option("--demo", help="Play the team by a shipped script: no model, no key."),
    ] = False,
    model: opt.Model = None,
    lead_model: opt.LeadModel = None,
    base_url: opt.BaseUrl = None,
    limit: opt.Limit = None,
    sandbox: opt.Sandbox = None,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
) -> int:
    """Work on every case that is not finished, one after the other; run it again to go on.

    One failing case stops no other. Exit code 0 when all are done, 1 when one failed, 2 when the
    manifest is refused, 3 when a limit was reached, 4 when a person has to look at a case.
    """
    from tasks.cli.forensics_running import Asked, run_cases

    given = {
        "sandbox.launcher": sandbox,
        "models.name": model,
        "models.lead": lead_model,
        "models.base_url": base_url,
    }
    settings = (opt.flags_given(given, limit), Where(home, config, trust_project))
    asked = Asked(manifest, out, skip_invalid=skip_invalid, demo=demo)
    return run_cases(asked, settings, streams_of(context))


def status(context: typer.Context, manifest: Manifest, out: Out = None) -> int:
    """One line per case: its state, verdict, verified claims."""
    from tasks.cli.forensics_running import show_status

    return show_status(manifest, out, streams_of(context))


def report(context: typer.Context, manifest: Manifest, case: CaseName, out: Out = None) -> int:
    """Print a case's report as Markdown; the other forms lie beside it."""
    from tasks.cli.forensics_running import show_report

    return show_report(manifest, case, out, streams_of(context))


def verify(
    context: typer.Context,
    place: Annotated[
        Path, typer.Argument(metavar="BUNDLE|DIR", help="A bundle, or the folder of a case.")
    ],
    sandbox: opt.Sandbox = None,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
) -> int:
    """Check evidence, journal, every claim and the report again: offline, without key or model.

    Exit code 0 when everything is as it was, 1 when something differs.
    """
    from tasks.cli.forensics_running import verify_place

    flags = opt.flags_given({"sandbox.launcher": sandbox}, None)
    return verify_place(place, (flags, Where(home, config, trust_project)), streams_of(context))


def bundle(
    context: typer.Context,
    manifest: Manifest,
    case: CaseName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The zip file to write.")],
    out: Out = None,
) -> int:
    """Pack a finished case with its evidence, journal and report into one file that verifies."""
    from tasks.cli.forensics_running import bundle_case

    return bundle_case(manifest, case, file, out, streams_of(context))
