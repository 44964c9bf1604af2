"""What `quaestor forensics run`, `status`, `report`, `verify` and `bundle` do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import UsageError
from tasks import api
from tasks.cli.exits import ANSWERED, GAVE_UP, NEEDS_HUMAN, PARTIAL
from tasks.cli.given import Where
from tasks.cli.opening import load_settings
from tasks.cli.streams import Streams, clean
from tasks.config_file import Given
from tasks.forensics.batch_file import Batch, load_batch, read_batch
from tasks.forensics.beginning import RESULTS
from tasks.forensics.folder import Folder, State
from tasks.forensics.running import Work, run_batch
from tasks.forensics.scripted import scripted_team
from tasks.forensics.signing import sign, signer
from tasks.forensics.verifying import verify, write_bundle
from tasks.team import box_settings

SettingsGiven = tuple[list[Given], Where]
SCRIPTED = "the team is played by a shipped script, not by a language model"


@dataclass(frozen=True, slots=True)
class Asked:
    """What `run` was asked to do."""

    manifest: Path
    out: Path | None
    skip_invalid: bool
    demo: bool


def run_cases(asked: Asked, settings: SettingsGiven, streams: Streams) -> int:
    """Work on a batch. Raises UsageError that names every fault of the manifest."""
    batch = load_batch(asked.manifest, skip_invalid=asked.skip_invalid)
    for fault in batch.faults:
        streams.error(f"left out: {asked.manifest.name} {fault}", None)
    if asked.demo:
        streams.err.line(f"note: {SCRIPTED}")
    return asyncio.run(_run(asked, batch, settings, streams))


async def _run(asked: Asked, batch: Batch, settings: SettingsGiven, streams: Streams) -> int:
    resolved = load_settings(*settings).settings
    out = _results(batch, asked.out)
    states: list[State] = []
    async with api.open(resolved) as quaestor:
        model = scripted_team() if asked.demo else None
        work = Work(quaestor, batch, out, model)
        async for state in run_batch(work, lambda text: streams.err.line(clean(text))):
            states.append(state)
            streams.out.line(clean(_line(state)))
    streams.err.line(f"results are in {out / 'cases'}")
    return _code(states)


def _results(batch: Batch, out: Path | None) -> Path:
    place = (out or batch.root / RESULTS).absolute()
    for case in batch.cases:
        for path in case.evidence:
            if place.is_relative_to((batch.root / path).resolve()):
                raise UsageError(
                    f"results would be written into the evidence of {case.case_id}",
                    fix="name another folder with --out",
                )
    return place


def _code(states: Sequence[State]) -> int:
    found = {state.state for state in states}
    for state, code in (("failed", GAVE_UP), ("partial", PARTIAL), ("needs_human", NEEDS_HUMAN)):
        if state in found:
            return code
    return ANSWERED


def _line(state: State) -> str:
    said = f"{state.case_id}: {state.state}"
    if state.verdict:
        said += f", {state.verdict}, {state.verified} of {state.claims} claims verified"
    return f"{said}: {' '.join(state.reason.split())[:300]}" if state.reason else said


def show_status(manifest: Path, out: Path | None, streams: Streams) -> int:
    """One line per case of the manifest."""
    batch = read_batch(manifest)
    for case in batch.cases:
        folder = Folder(_results(batch, out) / "cases" / case.case_id)
        state = folder.state() if folder.path.exists() else None
        streams.out.line(clean(_line(state) if state else f"{case.case_id}: not begun"))
    return ANSWERED


def show_report(manifest: Path, case_id: str, out: Path | None, streams: Streams) -> int:
    """The Markdown of a case's report. Raises UsageError when there is none."""
    folder = _finished(manifest, case_id, out)
    streams.out.line(clean((folder.path / "report.md").read_text(encoding="utf-8").rstrip()))
    streams.err.line(f"also: {folder.path / 'report.html'}, report.json and CSVs beside it")
    return ANSWERED


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
    folder = Folder(_results(batch, out) / "cases" / case_id)
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
    streams.out.line(
        f"ok: {found.case_id}, {found.verified} claims verified again, journal head {found.head}"
    )
    return ANSWERED
