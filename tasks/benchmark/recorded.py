"""Recorded runs as cases: a finished run becomes a line of a suite and an archive beside it.

The archive holds every record of the run and every byte that they name, so that the run can be
replayed offline, for free, by whatever version is under test. A replay that comes to another digest
says that this version would have done something else; whether that is worse only a live run tells.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from orchestrator import events as ev
from orchestrator.attempt import is_over
from orchestrator.canonical import canonical
from orchestrator.errors import QuaestorError, UsageError
from orchestrator.journal import Journal, Record
from orchestrator.journal_schema import connect, events, migrate, runs
from orchestrator.settings import Settings
from tasks import api
from tasks.benchmark.cases import Case
from tasks.benchmark.rows import Times, UnitResult
from tasks.benchmark.signals import seen_in
from tasks.storage import named_blobs

RECORDS = "records.jsonl"
MOST_BYTES = 1 << 30


def add_run(journal: Journal, run: str, suite: Path, *, scorer: str, gold: Any = None) -> Path:
    """Append a finished run to a suite of one's own; the archive that was written. The gold is the
    answer that it gave, unless another one is given. Raises UsageError."""
    records = journal.verify(run)
    received, ended = api.received_task(run, records), is_over(records)
    answer = ended.outcome.answer if ended and ended.outcome.outcome == "answered" else None
    wanted = answer if gold is None else gold
    if ended is None or wanted is None:
        raise UsageError(
            f"run {run} has no answer to hold others against", fix="say what is right: --gold TEXT"
        )
    if run in _ids(suite):
        raise UsageError(f"run {run} is in {suite} already")
    folder = suite.parent / f"{suite.stem}.recorded"
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{run}.zip"
    _write(archive, journal, records)
    row = {
        "id": run,
        "input": received.task,
        "gold": wanted,
        "scorer": scorer,
        "files": _unpacked(journal, received, folder / run, suite.parent),
        "recording": f"{folder.name}/{archive.name}",
    }
    with suite.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return archive


async def replayed(case: Case, unit: UnitResult) -> UnitResult:
    """The unit as the replay of its recording ends it. Where this version takes another way, it is
    an error of infrastructure: nobody can say what would have come of it."""
    if case.recording is None:
        return unit.model_copy(
            update={"ended": "infra", "reason": "the case has no recording", "attempts": 1}
        )
    with tempfile.TemporaryDirectory(prefix="quaestor-replay-") as folder:
        home = Path(folder)
        try:
            run = restore(case.recording, home)
            async with api.open(Settings(home=home)) as quaestor:
                found = await quaestor.replay(run)
                records = quaestor.journal.read(run)
                seen = seen_in(records, quaestor.journal.blobs)
        except (QuaestorError, OSError, zipfile.BadZipFile, ValueError, KeyError) as error:
            why = f"the recording cannot be replayed: {error}"
            return unit.model_copy(update={"ended": "infra", "reason": why, "attempts": 1})
    if not found.same:
        why = f"this version does otherwise: {found.divergence or 'the digests differ'}"
        return unit.model_copy(update={"ended": "infra", "reason": why, "attempts": 1})
    outcome = _outcome(records)
    return unit.model_copy(
        update={
            "ended": outcome.outcome,
            "answer": outcome.answer,
            "reason": outcome.reason,
            "attempts": 1,
            "rounds": sum(record.kind == "RoundOpened" for record in records),
            "times": Times(),
            "signals": dict(seen.signals),
            "failed_agent": seen.failed_agent,
            "failed_step": seen.failed_step,
        }
    )


def restore(archive: Path, home: Path) -> str:
    """Put an archive's run into a new journal in `home`, row for row; its id."""
    with zipfile.ZipFile(archive) as bundle:
        if sum(entry.file_size for entry in bundle.infolist()) > MOST_BYTES:
            raise UsageError(f"{archive} holds more than {MOST_BYTES >> 20} MiB")
        rows = [json.loads(line) for line in bundle.read(RECORDS).decode("utf-8").splitlines()]
        blobs = [bundle.read(name) for name in bundle.namelist() if name != RECORDS]
    engine = connect(home, None)
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(
            sql.insert(runs).values(
                run=rows[0]["run"],
                created=rows[0]["time"],
                epoch=rows[-1]["epoch"],
                head_seq=rows[-1]["seq"],
                head_hash=rows[-1]["hash"],
                owner="",
            )
        )
        stored = [{**row, "body": canonical(row["body"])} for row in rows]
        connection.execute(sql.insert(events), stored)
    engine.dispose()
    journal = Journal.open(home)
    try:
        for content in blobs:
            journal.blobs.put(content)
    finally:
        journal.close()
    return str(rows[0]["run"])


def _write(archive: Path, journal: Journal, records: Sequence[Record]) -> None:
    lines = "".join(json.dumps(asdict(record)) + "\n" for record in records)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr(RECORDS, lines)
        for name in sorted(named_blobs([lines], journal.blobs)):
            bundle.writestr(f"blobs/{name}", journal.blobs.get(name))


def _unpacked(journal: Journal, received: ev.TaskReceived, folder: Path, root: Path) -> list[str]:
    """The attachments as files beside the suite, for a live run of the case."""
    names = []
    for item in received.attachments:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / item.name).write_bytes(journal.blobs.get(item.sha256))
        names.append((folder / item.name).relative_to(root).as_posix())
    return names


def _ids(suite: Path) -> set[str]:
    if not suite.is_file():
        return set()
    lines = suite.read_text(encoding="utf-8").splitlines()
    try:
        return {str(json.loads(line)["id"]) for line in lines if line.strip()}
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{suite} is no suite of JSON lines", fix=f"quaestor bench check {suite}"
        ) from error


def _outcome(records: Sequence[Record]) -> ev.Outcome:
    ended = is_over(list(records))
    return ended.outcome if ended else ev.Outcome(run="", outcome="cancelled")
