"""`quaestor bench run`, `resume` and what else starts units: read the command line, hand over."""

from __future__ import annotations

from typing import Annotated

import typer

from tasks.cli import bench_options as bo
from tasks.cli import options as opt
from tasks.cli.command import streams_of
from tasks.cli.given import Show, Where


def run(
    context: typer.Context,
    suite: bo.Suite,
    split: bo.Split = "validation",
    level: bo.Level = None,
    only: bo.Only = None,
    sample: bo.Sample = None,
    parallel: bo.Parallel = None,
    repeat: bo.Repeat = None,
    model: bo.Models = None,
    grader: bo.Grader = None,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Replay recorded cases offline: no model, no cost."),
    ] = False,
    engine: bo.Engine = "local",
    limit: opt.Limit = None,
    batch_limit: bo.BatchLimit = None,
    wall: bo.Wall = "1h",
    force: bo.Force = False,
    open_answers: bo.OpenAnswers = False,
    lead_model: opt.LeadModel = None,
    base_url: opt.BaseUrl = None,
    allow_host: opt.AllowHost = None,
    only_host: opt.OnlyHost = None,
    no_web: opt.NoWeb = False,
    code_host: opt.CodeHost = None,
    approvals: opt.Approvals = None,
    i_accept_irreversible: opt.Accept = False,
    on_question: bo.OnQuestion = None,
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
    """Run a suite, N units at a time, each in a process of its own; then score and report.

    The whole suite is checked first. A run that is killed or stopped goes on with
    `quaestor bench resume`; nothing is paid twice. Exit code 3: something could not be judged."""
    from tasks.cli.bench_running import Ordered, chosen, run_suite

    given = locals()
    order = chosen(suite, split=split, levels=level or [], only=only or [], sample=sample)
    ordered = Ordered(
        order=order.model_copy(update={"grader": grader or "", "again": replay}),
        models=tuple(model or ()),
        repeats=repeat or 1,
        parallel=parallel or 1,
        engine=engine,
        limits=tuple(batch_limit or ()),
        wall=wall,
        force=force,
        open_answers=open_answers,
        accepts_irreversible=i_accept_irreversible,
    )
    settings = (bo.system_flags(given, limit), Where(home, config, trust_project))
    show = Show(json, quiet, plain, verbose)
    return run_suite(ordered, settings, streams_of(context), show)


def resume(
    context: typer.Context,
    run: bo.BenchRun = "last",
    model: bo.Models = None,
    repeat: bo.Repeat = None,
    limit: opt.Limit = None,
    parallel: bo.Parallel = None,
    batch_limit: bo.BatchLimit = None,
    fork: Annotated[
        bool,
        typer.Option("--fork", help="Start a run of its own under the configuration of now."),
    ] = False,
    retry: Annotated[
        str | None,
        typer.Option("--retry", metavar="CLASS", help="infra: run again what an outage ended."),
    ] = None,
    force: bo.Force = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Even if a live process carries the run.")
    ] = False,
    sandbox: opt.Sandbox = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    plain: opt.Plain = False,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
    verbose: opt.Verbose = False,
) -> int:
    """Go on with a benchmark run; --repeat with a larger number extends it.

    Another configuration (model, limits, prompts, program, suite) is refused, since two would be
    mixed into one figure; --fork begins a run of its own with it."""
    from orchestrator.errors import UsageError
    from tasks.cli.bench_running import GoOn, resume_suite

    if retry not in (None, "infra"):
        raise UsageError(f"there is no class {retry!r}", fix="--retry infra")
    go_on = GoOn(
        run=run,
        models=tuple(model or ()),
        repeats=repeat,
        parallel=parallel,
        limits=tuple(batch_limit or ()),
        retry_infra=retry is not None,
        take_over=take_over,
        fork=fork,
        force=force,
    )
    flags = opt.flags_given({"sandbox.launcher": sandbox}, limit)
    where = Where(home, config, trust_project)
    show = Show(json, quiet, plain, verbose)
    return resume_suite(go_on, (flags, where), streams_of(context), show)
