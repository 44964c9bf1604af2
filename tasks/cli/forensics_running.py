"""What `quaestor forensics status`, `report`, `verify`, `replay` and `bundle` do."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.settings import Settings
from tasks import api
from tasks.cli.again import tell_replay
from tasks.cli.exits import ANSWERED, GAVE_UP, PARTIAL
from tasks.cli.given import Where
from tasks.cli.opening import home_of, load_settings
from tasks.cli.streams import Streams, clean
from tasks.config_file import Given
from tasks.configuration import journal_url
from tasks.forensics.batch_file import Batch, read_batch
from tasks.forensics.beginning import RESULTS
from tasks.forensics.carrying import Standing
from tasks.forensics.erasing import hold_of, refuse_erased
from tasks.forensics.folder import Folder, State
from tasks.forensics.running import replay
from tasks.forensics.signing import sign, signer
from tasks.forensics.verifying import verify, write_bundle
from tasks.team import box_settings

SettingsGiven = tuple[list[Given], Where]


def results_of(batch: Batch, out: Path | None) -> Path:
    """The results folder of a manifest. Raises UsageError when it would lie in evidence."""
    place = (out or batch.root / RESULTS).resolve()
    for case in batch.cases:
        for path in case.evidence:
            if place.is_relative_to((batch.root / path).resolve()):
                raise UsageError(
                    f"results would be written into the evidence of {case.case_id}",
                    fix="name another folder with --out",
                )
    return place


def state_line(state: State) -> str:
    """A case's state, in one line."""
    said = f"{state.case_id}: {state.state}"
    if state.verdict:
        said += f", {state.verdict}, {state.verified} of {state.claims} claims verified"
    return f"{said}: {' '.join(state.reason.split())[:300]}" if state.reason else said


def show_status(manifest: Path, out: Path | None, streams: Streams) -> int:
    """One line per case of the manifest."""
    batch = read_batch(manifest)
    standing = Standing(batch, results_of(batch, out))
    for case, state in standing.states():
        held = hold_of(standing.folder(case.case_id))
        kept = f" (held by {held.by}: {held.why})" if held is not None else ""
        said = state_line(state) if state else f"{case.case_id}: not begun"
        streams.out.line(clean(f"{said}{kept}"))
    for name in standing.changed():
        streams.err.line(clean(f"{name}: its line has changed since the work on it began"))
    return ANSWERED


def show_report(manifest: Path, case_id: str, out: Path | None, streams: Streams) -> int:
    """The Markdown of a case's report. Raises UsageError when there is none."""
    folder = _finished(manifest, case_id, out)
    streams.out.line(clean((folder.path / "report.md").read_text(encoding="utf-8").rstrip()))
    streams.err.line(f"also: {folder.path / 'report.html'}, report.json and CSVs beside it")
    return ANSWERED


def replay_case(
    manifest: Path, case_id: str, out: Path | None, home: Path | None, streams: Streams
) -> int:
    """Replay a case's run and say whether it came out the same; the exit code."""
    batch = read_batch(manifest)
    folder, results = _finished(manifest, case_id, out), results_of(batch, out)
    settings = Settings(home=home_of(home, os.environ), journal_url=journal_url(os.environ))

    async def offline() -> api.Replay:
        async with api.open(settings) as quaestor:
            return await replay(quaestor, folder, results)

    return tell_replay(asyncio.run(offline()), case_id, streams)


def bundle_case(
    manifest: Path, case_id: str, file: Path, out: Path | None, streams: Streams
) -> int:
    """Pack a case. Raises UsageError."""
    count = write_bundle(_finished(manifest, case_id, out), file)
    streams.out.line(f"{file}: {count} files; check it with: quaestor forensics verify {file}")
    return ANSWERED


def sign_bundle(file: Path, key: Path, streams: Streams) -> int:
    """Sign a bundle that was just written. Raises UsageError, NotReady."""
    streams.out.line(f"{sign(file, key)}: signed; check it with: verify {file} --signers FILE")
    return ANSWERED


def say_signer(file: Path, allowed: Path, streams: Streams) -> None:
    """Name who has signed a bundle. Raises UsageError when nobody of those allowed has."""
    streams.out.line(clean(f"signed by {signer(file, allowed)}"))


def _finished(manifest: Path, case_id: str, out: Path | None) -> Folder:
    batch = read_batch(manifest)
    known = [case.case_id for case in batch.cases]
    if case_id not in known:
        raise UsageError(f"there is no case {case_id!r} in {manifest}; there is {', '.join(known)}")
    folder = Folder(results_of(batch, out) / "cases" / case_id)
    refuse_erased(folder)
    if not (folder.path / "report.md").exists():
        raise UsageError(
            f"case {case_id} has no report yet", fix=f"quaestor forensics run {manifest}"
        )
    return folder


def verify_place(place: Path, settings: SettingsGiven, streams: Streams) -> int:
    """Say whether a case is what it was. Raises UsageError for what is no case."""
    resolved = load_settings(*settings).settings
    resolved.home.mkdir(mode=0o700, parents=True, exist_ok=True)  # for the log of what ran
    found = asyncio.run(verify(place, box_settings(resolved, "forensics-verify")))
    for problem in found.problems:
        streams.out.line(clean(f"differs: {problem}"))
    if found.problems:
        return GAVE_UP
    if found.erased:
        streams.out.line(clean(f"erased: {found.case_id}: {found.erased}; head {found.head}"))
        return PARTIAL
    streams.out.line(
        f"ok: {found.case_id}, {found.verified} claims verified again, journal head {found.head}"
    )
    return ANSWERED
