"""`quaestor run`, `resume`, `replay` and `plan`: what starts or goes on with work."""

from __future__ import annotations

from typing import Annotated

import typer

from tasks.cli import options as opt
from tasks.cli.command import command, streams_of
from tasks.cli.given import Show, Where

Task = Annotated[
    str | None, typer.Argument(metavar="TASK|-|@FILE", help="The task, - for stdin, or @FILE.")
]


def add_to(app: typer.Typer) -> None:
    """Add this family's commands."""
    command(app, "run")(run)
    command(app, "resume")(resume)
    command(app, "replay")(replay)
    command(app, "plan")(plan)


def run(
    context: typer.Context,
    task: Task = None,
    attach: opt.Attach = None,
    after: opt.After = None,
    out: opt.Out = None,
    model: opt.Model = None,
    lead_model: opt.LeadModel = None,
    audio_model: opt.AudioModel = None,
    base_url: opt.BaseUrl = None,
    limit: opt.Limit = None,
    allow_host: opt.AllowHost = None,
    only_host: opt.OnlyHost = None,
    tell_host: opt.TellHost = None,
    no_web: opt.NoWeb = False,
    code_host: opt.CodeHost = None,
    approvals: opt.Approvals = None,
    i_accept_irreversible: opt.Accept = False,
    on_question: opt.OnQuestion = None,
    require_evidence: opt.RequireEvidence = False,
    classic: opt.Classic = False,
    prompts: opt.Prompts = None,
    no_verify: opt.NoVerify = False,
    without: opt.Without = None,
    sandbox: opt.Sandbox = None,
    demo: opt.Demo = False,
    demo_material: opt.DemoMaterial = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    plain: opt.Plain = False,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
    verbose: opt.Verbose = False,
) -> int:
    """Work on a task to its outcome. The answer is on stdout, progress on stderr."""
    from tasks.cli.starting import Order, start

    values = {
        "models.name": model,
        "models.audio": audio_model,
        "web.tell_hosts": tell_host,
        "demo": True if demo or demo_material else None,
        "out": out,
    }
    flags = [*opt.system_flags(locals(), limit), *opt.flags_given(values, None)]
    order = Order(
        task=task,
        attachments=tuple(attach or ()),
        after=after,
        demo_material=demo_material,
        accepts_irreversible=i_accept_irreversible,
    )
    where = Where(home, config, trust_project)
    show = Show(json, quiet, plain, verbose)
    return start(order, flags, where, streams_of(context), show)


def resume(
    context: typer.Context,
    run: opt.Run,
    limit: opt.Limit = None,
    out: opt.Out = None,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Even if a live process owns the run.")
    ] = False,
    trust_history: Annotated[
        bool,
        typer.Option("--trust-history", help="Keep results though prompts or version changed."),
    ] = False,
    demo_material: opt.DemoMaterial = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    plain: opt.Plain = False,
    home: opt.Home = None,
    verbose: opt.Verbose = False,
) -> int:
    """Go on with a run from its last finished step. Nothing is paid twice.

    A run that another process has paused is told to go on."""
    from tasks.cli.again import Again, go_on

    again = Again(run, tuple(limit or ()), out, take_over, trust_history, demo_material)
    show = Show(json, quiet, plain, verbose)
    return go_on(again, home, streams_of(context), show)


def replay(
    context: typer.Context, run: opt.Run, home: opt.Home = None, verbose: opt.Verbose = False
) -> int:
    """Run the loop again from the journal alone, and compare. No model is asked."""
    from tasks.cli.again import again_offline

    return again_offline(run, home, streams_of(context))


def plan(
    context: typer.Context,
    task: Task = None,
    attach: opt.Attach = None,
    model: opt.Model = None,
    lead_model: opt.LeadModel = None,
    base_url: opt.BaseUrl = None,
    limit: opt.Limit = None,
    no_web: opt.NoWeb = False,
    sandbox: opt.Sandbox = None,
    demo: opt.Demo = False,
    quiet: opt.Quiet = False,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
    verbose: opt.Verbose = False,
) -> int:
    """Ask the lead for facts and plan, show them, act on nothing.

    `quaestor resume` then acts on this plan, and does not pay for it again."""
    from tasks.cli.starting import Order, start

    values = {
        "models.name": model,
        "models.lead": lead_model,
        "models.base_url": base_url,
        "web.enabled": False if no_web else None,
        "sandbox.launcher": sandbox,
        "demo": True if demo else None,
    }
    order = Order(task=task, attachments=tuple(attach or ()), only_plan=True)
    where = Where(home, config, trust_project)
    show = Show(quiet=quiet, verbose=verbose)
    return start(order, opt.flags_given(values, limit), where, streams_of(context), show)
