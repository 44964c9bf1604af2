"""`quaestor batch`: many tasks, each in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tasks.cli import options as opt
from tasks.cli.command import command, streams_of
from tasks.cli.given import Show, Where

Batch = Annotated[
    str, typer.Argument(metavar="BATCH", help="The start of a batch's id, or `last`.")
]


def add_to(app: typer.Typer) -> None:
    """Add this family's commands."""
    batch = typer.Typer(help="Batches: many tasks, resumable.", rich_markup_mode=None)
    command(batch, "run")(run)
    command(batch, "status")(status)
    command(batch, "list")(list_batches)
    command(batch, "resume")(resume)
    command(batch, "retry")(retry)
    command(batch, "cancel")(cancel)
    command(batch, "results")(results)
    app.add_typer(batch, name="batch")


def run(
    context: typer.Context,
    tasks: Annotated[
        Path, typer.Argument(metavar="TASKS.jsonl", help="One task per line: see the docs.")
    ],
    parallel: opt.Parallel = None,
    model: opt.Models = None,
    repeat: Annotated[
        int, typer.Option("--repeat", metavar="R", min=1, help="How often each task is run.")
    ] = 1,
    engine: opt.Engine = "local",
    limit: opt.Limit = None,
    batch_limit: opt.BatchLimit = None,
    wall: opt.Wall = "1h",
    lead_model: opt.LeadModel = None,
    base_url: opt.BaseUrl = None,
    allow_host: opt.AllowHost = None,
    only_host: opt.OnlyHost = None,
    no_web: opt.NoWeb = False,
    code_host: opt.CodeHost = None,
    approvals: opt.Approvals = None,
    i_accept_irreversible: opt.Accept = False,
    on_question: opt.ParkOnQuestion = None,
    require_evidence: opt.RequireEvidence = False,
    classic: opt.Classic = False,
    prompts: opt.Prompts = None,
    no_verify: opt.NoVerify = False,
    without: opt.Without = None,
    sandbox: opt.Sandbox = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    plain: opt.Plain = False,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
    verbose: opt.Verbose = False,
) -> int:
    """Run every task of a file, N at a time, each in a process of its own.

    The whole file is checked first. A batch that is killed or stopped goes on with
    `quaestor batch resume`; nothing is paid twice."""
    from tasks.cli.batching import Ordered, run_batch

    flags = opt.system_flags(locals(), limit)
    ordered = Ordered(
        tasks=tasks,
        models=tuple(model or ()),
        repeats=repeat,
        parallel=parallel or 1,
        engine=engine,
        limits=tuple(batch_limit or ()),
        wall=wall,
        accepts_irreversible=i_accept_irreversible,
    )
    where = Where(home, config, trust_project)
    show = Show(json, quiet, plain, verbose)
    return run_batch(ordered, (flags, where), streams_of(context), show)


def status(
    context: typer.Context, batch: Batch = "last", json: opt.Json = False, home: opt.Home = None
) -> int:
    """Say how a batch stands: states, outcomes, spend."""
    from tasks.cli.batch_reading import show_status

    return show_status(batch, home, streams_of(context), as_json=json)


def list_batches(context: typer.Context, json: opt.Json = False, home: opt.Home = None) -> int:
    """List the newest batches."""
    from tasks.cli.batch_reading import list_newest

    return list_newest(home, streams_of(context), as_json=json)


def resume(
    context: typer.Context,
    batch: Batch = "last",
    parallel: opt.Parallel = None,
    batch_limit: opt.BatchLimit = None,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Even if a live process carries the batch.")
    ] = False,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    plain: opt.Plain = False,
    home: opt.Home = None,
    verbose: opt.Verbose = False,
) -> int:
    """Go on with a batch after a kill, a stop, a limit or an answer."""
    from tasks.cli.batching import GoOn, resume_batch

    go_on = GoOn(batch, parallel, tuple(batch_limit or ()), take_over=take_over)
    return resume_batch(go_on, home, streams_of(context), Show(json, quiet, plain, verbose))


def retry(
    context: typer.Context,
    batch: Batch = "last",
    only: Annotated[
        str,
        typer.Option(
            "--only",
            metavar="CLASS",
            help="infra (endpoint, engine or disk failed), crashed, or wall.",
        ),
    ] = "infra",
    parallel: opt.Parallel = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    plain: opt.Plain = False,
    home: opt.Home = None,
    verbose: opt.Verbose = False,
) -> int:
    """Run again what failed for a reason that is not the task's, from where each has stopped."""
    from tasks.cli.batching import GoOn, retry_batch

    go_on = GoOn(batch, parallel, ())
    show = Show(json, quiet, plain, verbose)
    return retry_batch(go_on, only, home, streams_of(context), show)


def cancel(context: typer.Context, batch: Batch = "last", home: opt.Home = None) -> int:
    """End a batch: what runs is stopped, what waits is not started."""
    from tasks.cli.batch_reading import cancel_batch

    return cancel_batch(batch, home, streams_of(context))


def results(
    context: typer.Context,
    batch: Batch = "last",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Write a folder that `quaestor bench report` reads."
        ),
    ] = None,
    home: opt.Home = None,
) -> int:
    """Write a JSON line for every unit: outcome, answer, score where there is gold, cost."""
    from tasks.cli.batch_results import write_batch

    return write_batch(batch, out, home, streams_of(context))
