"""`quaestor bench run`, `resume` and what else starts units: read the command line, hand over."""

from __future__ import annotations

from pathlib import Path
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
    parallel: opt.Parallel = None,
    repeat: bo.Repeat = None,
    model: opt.Models = None,
    grader: bo.Grader = None,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Replay recorded cases offline: no model, no cost."),
    ] = False,
    engine: opt.Engine = "local",
    limit: opt.Limit = None,
    batch_limit: opt.BatchLimit = None,
    wall: opt.Wall = "1h",
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
    settings = (opt.system_flags(given, limit), Where(home, config, trust_project))
    show = Show(json, quiet, plain, verbose)
    return run_suite(ordered, settings, streams_of(context), show)


def resume(
    context: typer.Context,
    run: bo.BenchRun = "last",
    model: opt.Models = None,
    repeat: bo.Repeat = None,
    limit: opt.Limit = None,
    parallel: opt.Parallel = None,
    batch_limit: opt.BatchLimit = None,
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


def estimate(
    context: typer.Context,
    pilot: Annotated[
        str,
        typer.Argument(metavar="RUN|SUITE", help="A run as pilot; or, with --pilot, a suite."),
    ],
    units: Annotated[
        int | None, typer.Option("--units", metavar="N", help="How many units there will be.")
    ] = None,
    pilot_units: Annotated[
        int | None,
        typer.Option("--pilot", metavar="N", min=3, help="Run N cases of the suite first."),
    ] = None,
    split: bo.Split = "validation",
    level: bo.Level = None,
    model: opt.Model = None,
    repeat: bo.Repeat = None,
    parallel: opt.Parallel = None,
    limit: opt.Limit = None,
    base_url: opt.BaseUrl = None,
    no_web: opt.NoWeb = False,
    no_verify: opt.NoVerify = False,
    sandbox: opt.Sandbox = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
) -> int:
    """Say from a pilot what a whole benchmark will cost and how long it takes, with intervals."""
    from tasks.cli.bench_running import Ordered, chosen
    from tasks.cli.judging import estimate_suite, estimate_units, results_place

    streams, at_once = streams_of(context), parallel or 1
    if pilot_units is None:
        place = results_place(pilot, home)
        return estimate_units(place, units, at_once, streams, as_json=json)
    order = chosen(pilot, split=split, levels=level or [], only=[], sample=pilot_units)
    models = (model,) if model else ()
    ordered = Ordered(order, models, repeats=1, parallel=at_once)
    flags = opt.system_flags(
        {"base_url": base_url, "no_web": no_web, "no_verify": no_verify, "sandbox": sandbox}, limit
    )
    where = Where(home, config, trust_project)
    show = Show(json, quiet, True)
    return estimate_suite((ordered, repeat or 1), (flags, where), streams, show)


def gate(
    context: typer.Context,
    results: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="The run to judge, when it is not to be made now."),
    ] = None,
    baseline: Annotated[
        str, typer.Option("--baseline", metavar="RUN", help="The run to hold against it.")
    ] = "",
    suite: Annotated[
        str | None,
        typer.Option("--suite", metavar="SUITE", help="Run this suite now, and judge that."),
    ] = None,
    max_drop: bo.MaxDrop = 0.0,
    replay: Annotated[
        bool, typer.Option("--replay", help="Replay recorded cases offline: no model, no cost.")
    ] = False,
    split: bo.Split = "validation",
    level: bo.Level = None,
    sample: bo.Sample = None,
    model: opt.Model = None,
    grader: bo.Grader = None,
    repeat: bo.Repeat = None,
    parallel: opt.Parallel = None,
    limit: opt.Limit = None,
    base_url: opt.BaseUrl = None,
    no_web: opt.NoWeb = False,
    prompts: opt.Prompts = None,
    no_verify: opt.NoVerify = False,
    without: opt.Without = None,
    sandbox: opt.Sandbox = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
) -> int:
    """Exit 0 when a change did not make it worse, 1 when it did, 2 when nobody can say.

    A unit that is missing, or that an outage ended, is "could not judge", never a pass."""
    from tasks.cli.bench_running import Ordered, chosen
    from tasks.cli.judging import Candidate, gate_runs

    given = locals()
    ordered = None
    if suite is not None:
        order = chosen(suite, split=split, levels=level or [], only=[], sample=sample)
        order = order.model_copy(update={"grader": grader or "", "again": replay})
        models = (model,) if model else ()
        ordered = Ordered(order, models, repeats=repeat or 1, parallel=parallel or 1)
    where = Where(home, config, trust_project)
    candidate = Candidate(results, ordered, (opt.system_flags(given, limit), where))
    show = Show(json, quiet, True)
    return gate_runs(baseline, candidate, max_drop, streams_of(context), show)


def add(
    context: typer.Context,
    run: opt.Run,
    suite: Annotated[
        Path, typer.Option("--suite", metavar="FILE", help="The suite that it becomes a case of.")
    ],
    gold: Annotated[
        str | None, typer.Option("--gold", metavar="TEXT", help="What is right, if not its answer.")
    ] = None,
    scorer: Annotated[
        str, typer.Option("--scorer", metavar="NAME", help="How answers are judged.")
    ] = "exact",
    home: opt.Home = None,
) -> int:
    """Make a finished run a case of a suite: replayed offline for free, or run live."""
    from tasks.cli.judging import add_case

    return add_case(run, suite, (scorer, gold), home, streams_of(context))


def export(
    context: typer.Context,
    run: bo.BenchRun = "last",
    inspect: Annotated[
        Path | None,
        typer.Option("--inspect", metavar="DIR", help="Write logs for Inspect there, with gold."),
    ] = None,
    sandbox: opt.Sandbox = None,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
) -> int:
    """Write a run as logs that Inspect's viewer opens and `inspect score` scores again."""
    from orchestrator.errors import UsageError
    from tasks.cli.bench_scoring import export_logs

    if inspect is None:
        raise UsageError("say in which form", fix="--inspect DIR")
    flags = opt.flags_given({"sandbox.launcher": sandbox}, None)
    where = Where(home, config, trust_project)
    return export_logs(run, inspect, (flags, where), streams_of(context))
