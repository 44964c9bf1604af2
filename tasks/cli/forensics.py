"""`quaestor forensics`: cases in, explanations that can be checked claim by claim out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tasks.cli import options as opt
from tasks.cli.command import command, streams_of
from tasks.cli.given import Show, Where

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
    command(forensics, "add")(add)
    command(forensics, "resume")(resume)
    command(forensics, "status")(status)
    command(forensics, "report")(report)
    command(forensics, "verify")(verify)
    command(forensics, "replay")(replay)
    command(forensics, "bundle")(bundle)
    command(forensics, "review")(review)
    command(forensics, "share")(share)
    command(forensics, "calibrate")(calibrate)
    command(forensics, "hold")(hold)
    command(forensics, "release")(release)
    command(forensics, "purge")(purge)
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
    again: Annotated[
        list[str] | None,
        typer.Option(
            "--again", metavar="CASE", help="Work on it anew, as a further version; repeatable."
        ),
    ] = None,
    parallel: opt.Parallel = None,
    engine: opt.Engine = "local",
    model: opt.Model = None,
    lead_model: opt.LeadModel = None,
    base_url: opt.BaseUrl = None,
    limit: opt.Limit = None,
    batch_limit: opt.BatchLimit = None,
    wall: opt.Wall = "1d",
    sandbox: opt.Sandbox = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    plain: opt.Plain = False,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
    verbose: opt.Verbose = False,
) -> int:
    """Work on every case that is not finished, N at a time, each in a process of its own.

    One failing case stops no other. Exit code 0 when all are done, 1 when one failed, 2 when the
    manifest is refused, 3 when a limit was reached, 4 when a person has to look at a case.
    """
    from tasks.cli.forensics_carrying import Asked, run_cases

    given = {
        "sandbox.launcher": sandbox,
        "models.name": model,
        "models.lead": lead_model,
        "models.base_url": base_url,
    }
    settings = (opt.flags_given(given, limit), Where(home, config, trust_project))
    asked = Asked(
        manifest,
        out,
        skip_invalid=skip_invalid,
        demo=demo,
        again=tuple(again or ()),
        parallel=parallel or 1,
        engine=engine,
        limits=tuple(batch_limit or ()),
        wall=wall,
    )
    return run_cases(asked, settings, streams_of(context), Show(json, quiet, plain, verbose))


def add(context: typer.Context, manifest: Manifest, out: Out = None, home: opt.Home = None) -> int:
    """Take up cases that were written into the manifest since, also while it is worked on."""
    from tasks.cli.forensics_carrying import add_cases

    return add_cases(manifest, out, home, streams_of(context))


def resume(
    context: typer.Context,
    manifest: Manifest,
    out: Out = None,
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
    """Go on with every case that is not finished, with the model and settings it was begun with."""
    from tasks.cli.forensics_carrying import GoOn, resume_cases

    go_on = GoOn(manifest, out, parallel, tuple(batch_limit or ()), take_over=take_over)
    return resume_cases(go_on, home, streams_of(context), Show(json, quiet, plain, verbose))


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
    signers: Annotated[
        Path | None,
        typer.Option(
            "--signers", metavar="FILE", help="Who may have signed it: ssh's allowed_signers."
        ),
    ] = None,
    sandbox: opt.Sandbox = None,
    trust_project: opt.TrustProject = False,
    home: opt.Home = None,
    config: opt.Config = None,
) -> int:
    """Check evidence, journal, every claim and the report again: offline, without key or model.

    Exit code 0 when everything is as it was, 1 when something differs, 2 when nobody of those who
    may have signed it, 3 when its content was erased.
    """
    from tasks.cli.forensics_running import say_signer, verify_place

    if signers is not None:
        say_signer(place, signers, streams_of(context))
    flags = opt.flags_given({"sandbox.launcher": sandbox}, None)
    return verify_place(place, (flags, Where(home, config, trust_project)), streams_of(context))


def replay(
    context: typer.Context,
    manifest: Manifest,
    case: CaseName,
    out: Out = None,
    home: opt.Home = None,
) -> int:
    """Run the team of a finished case again from the journal alone: no model, no box.

    Exit code 1 names the first difference."""
    from tasks.cli.forensics_running import replay_case

    return replay_case(manifest, case, out, home, streams_of(context))


def bundle(
    context: typer.Context,
    manifest: Manifest,
    case: CaseName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The zip file to write.")],
    key: Annotated[
        Path | None,
        typer.Option("--sign", metavar="KEY", help="Sign it with this ssh key, into FILE.sig."),
    ] = None,
    out: Out = None,
) -> int:
    """Pack a finished case with its evidence, journal and report into one file that verifies."""
    from tasks.cli.forensics_running import bundle_case, sign_bundle

    code = bundle_case(manifest, case, file, out, streams_of(context))
    return sign_bundle(file, key, streams_of(context)) if key is not None else code


def review(
    context: typer.Context,
    manifest: Manifest,
    case: Annotated[str | None, typer.Argument(metavar="CASE", help="The case's id.")] = None,
    verb: Annotated[
        str | None,
        typer.Argument(
            metavar="ACT",
            help="submit | start | judge | accept | dispute | approve | request | reject.",
        ),
    ] = None,
    claim: Annotated[
        str, typer.Argument(metavar="CLAIM", help="The claim to accept or to dispute.")
    ] = "",
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who does it (default: your login).")
    ] = None,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="Why.")] = "",
    word: Annotated[
        str | None, typer.Option("--word", metavar="VERDICT", help="A verdict, for judge.")
    ] = None,
    sample: Annotated[
        float | None,
        typer.Option("--sample", metavar="PERCENT", help="Draw cases to be judged blind instead."),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="What the draw starts from.")
    ] = 1,
    out: Out = None,
) -> int:
    """Say where the review of a case stands, or do something in it; or draw a blind sample.

    Nothing is approved over a dispute, or with a claim unread that the verdict rests on. An
    approved report is frozen by its hash; a new run makes a second version.
    """
    from tasks.cli.forensics_reviewing import Done, Place, review_case, sample_cases

    place = Place(manifest, out)
    if sample is not None or case is None:
        return sample_cases(place, 5.0 if sample is None else sample, seed, streams_of(context))
    done = Done(verb, claim, by, note, word) if verb else None
    return review_case(place, case, done, streams_of(context))


def share(
    context: typer.Context,
    manifest: Manifest,
    case: CaseName,
    target: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder for the copy.")],
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="TEXT", help="A further value to replace; repeatable."),
    ] = None,
    out: Out = None,
) -> int:
    """Write a copy of a report without personal data and secrets; the same value gets the same
    pseudonym in the whole batch."""
    from tasks.cli.forensics_reviewing import Place, share_case

    return share_case(Place(manifest, out), case, target, name or [], streams_of(context))


By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who does it (default: your login).")
]


def hold(
    context: typer.Context,
    manifest: Manifest,
    case: CaseName,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Why it has to be kept.")],
    by: By = None,
    out: Out = None,
    home: opt.Home = None,
    config: opt.Config = None,
) -> int:
    """Keep a case from being erased: by purge here, by `quaestor purge`, and by its age."""
    from tasks.cli.forensics_keeping import OneCase, hold_case
    from tasks.cli.forensics_reviewing import Place

    one = OneCase(Place(manifest, out), case, Where(home, config, False))
    return hold_case(one, why, by, streams_of(context))


def release(
    context: typer.Context,
    manifest: Manifest,
    case: CaseName,
    by: By = None,
    out: Out = None,
    home: opt.Home = None,
    config: opt.Config = None,
) -> int:
    """Let go of a case that was held; that it was held stays recorded."""
    from tasks.cli.forensics_keeping import OneCase, release_case
    from tasks.cli.forensics_reviewing import Place

    one = OneCase(Place(manifest, out), case, Where(home, config, False))
    return release_case(one, by, streams_of(context))


def purge(
    context: typer.Context,
    manifest: Manifest,
    case: CaseName,
    by: By = None,
    out: Out = None,
    home: opt.Home = None,
    config: opt.Config = None,
) -> int:
    """Erase the content of a case for good; a tombstone keeps who did it, when, and the hashes.

    Copies of evidence, stored bytes, reports, versions and review notes are removed, and the run's
    events lose their content. Not what was handed out. A purge that was broken off is repeated.
    """
    from tasks.cli.forensics_keeping import OneCase, purge_case
    from tasks.cli.forensics_reviewing import Place

    one = OneCase(Place(manifest, out), case, Where(home, config, False))
    return purge_case(one, by, streams_of(context))


def calibrate(
    context: typer.Context,
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS", help="CSV: case_id, label (supported, not_supported), mechanism."
        ),
    ],
    manifest: Manifest,
    second: Annotated[
        Path | None,
        typer.Option("--second", metavar="DIR", help="Results of a second run, to be compared."),
    ] = None,
    out: Out = None,
) -> int:
    """Measure verdicts against cases whose truth is known, with 95 % Wilson bounds."""
    from tasks.cli.forensics_reviewing import Place, calibrate_batch

    return calibrate_batch(labels, Place(manifest, out), second, streams_of(context))
