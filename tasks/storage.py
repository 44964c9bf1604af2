"""Exports runs, and removes what no run needs: bundles, unnamed bytes, purged content."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

from orchestrator.attempt import is_over
from orchestrator.blobs import Blobs
from orchestrator.errors import JournalUnavailable, UsageError
from orchestrator.events import LIFECYCLE
from orchestrator.journal import Journal, Record, run_digest
from tasks.liveness import is_alive

NAME = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
EVERY_RUN = 1_000_000


@dataclass(frozen=True, slots=True)
class Freed:
    """What a collection removed and kept."""

    removed: int
    bytes: int
    kept: int


def named_blobs(bodies: Iterable[str], blobs: Blobs) -> set[str]:
    """Every stored blob that these bodies name, also by way of other blobs."""
    found: set[str] = set()
    texts = [body.encode() for body in bodies]
    while texts:
        names = {match.decode() for text in texts for match in NAME.findall(text)}
        fresh = {name for name in names - found if blobs.has(name)}
        found |= fresh
        texts = [blobs.get(name) for name in fresh]
    return found


def collect(journal: Journal) -> Freed:
    """Delete the blobs that no event names. Raises UsageError while a run is being worked on,
    since its newest bytes are stored before the event that names them."""
    live = live_runs(journal)
    if live:
        raise UsageError(
            f"run {live[0]} is being worked on, and its newest bytes are not named yet",
            fix=f"wait until it has ended, or stop it: quaestor cancel {live[0]}",
        )
    named = named_blobs(journal.bodies(), journal.blobs)
    removed = freed = 0
    for name in list(journal.blobs.names()):
        if name not in named:
            freed += journal.blobs.delete(name)
            removed += 1
    return Freed(removed, freed, len(named))


def live_runs(journal: Journal) -> list[str]:
    """The runs whose owner lives."""
    newest = journal.newest(EVERY_RUN)
    owners = {run: owner for run, _, owner in newest if owner and is_alive(owner)}
    by_run: dict[str, list[Record]] = {run: [] for run in owners}
    for record in journal.read_kinds(tuple(LIFECYCLE), list(owners)):
        by_run[record.run].append(record)
    return [run for run, records in by_run.items() if records and is_over(records) is None]


def older_runs(journal: Journal, age: timedelta) -> list[str]:
    """The runs that were created longer ago, and whose content is still there."""
    limit = datetime.now(UTC) - age
    old = [
        run
        for run, created, _ in journal.newest(EVERY_RUN)
        if datetime.fromisoformat(created) < limit
    ]
    first = journal.read_kinds(("TaskReceived",), old)
    return [record.run for record in first if record.body is not None]


def write_events(records: Iterable[dict[str, object]], target: Path) -> None:
    """One event per line. Raises JournalUnavailable when the file cannot be written."""
    try:
        with target.open("w", encoding="utf-8") as file:
            file.writelines(_line(record) for record in records)
    except OSError as error:
        raise _unwritable(target, error) from error


def write_bundle(
    journal: Journal, run: str, events: Iterable[dict[str, object]], target: Path
) -> int:
    """Events, the bytes they name and what to verify them by, as a zip; the number of blobs."""
    records = journal.verify(run)
    lines = "".join(_line(record) for record in events)
    names = sorted(named_blobs([lines], journal.blobs))
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr("events.jsonl", lines)
            bundle.writestr("verify.json", json.dumps(_verification(run, records)))
            for name in names:
                bundle.writestr(f"blobs/{name}", journal.blobs.get(name))
    except OSError as error:
        raise _unwritable(target, error) from error
    return len(names)


def _line(record: dict[str, object]) -> str:
    return json.dumps(record, separators=(",", ":")) + "\n"


def _verification(run: str, records: list[Record]) -> dict[str, object]:
    digest = run_digest(
        (record.key, record.kind, record.body) for record in records if record.kind not in LIFECYCLE
    )
    return {
        "run": run,
        "head": {"seq": len(records), "hash": records[-1].hash if records else ""},
        "digest": digest,
        "quaestor": metadata.version("quaestor"),
    }


def _unwritable(target: Path, error: OSError) -> JournalUnavailable:
    return JournalUnavailable(
        f"{target} cannot be written: {error.strerror}", fix="name another file"
    )
