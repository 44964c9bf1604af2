"""What the maintenance commands do."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.limits import Limits, parse_limits
from tasks.cli.exits import ANSWERED
from tasks.cli.listing import raw_record
from tasks.cli.opening import open_journal, short_id
from tasks.cli.streams import Streams, clean
from tasks.storage import collect, live_runs, older_runs, write_bundle, write_events


def export_run(
    prefix: str, file: Path | None, bundle: Path | None, home: Path | None, streams: Streams
) -> int:
    """Write a run as JSON lines, or as a bundle. Raises JournalDamaged when it does not add up."""
    with open_journal(home, os.environ) as journal:
        run = journal.find(prefix)
        events = [raw_record(record) for record in journal.verify(run)]
        if bundle is not None:
            blobs = write_bundle(journal, run, events, bundle)
            streams.err.line(f"{bundle}: {len(events)} events, {blobs} blobs, the chain is intact")
        if file is not None and str(file) != "-":
            write_events(events, file)
            streams.err.line(f"{file}: {len(events)} events, the chain is intact")
        elif bundle is None:
            for event in events:
                streams.records.write(event)
    return ANSWERED


def collect_garbage(home: Path | None, streams: Streams) -> int:
    """Delete unnamed bytes and say how much that was."""
    with open_journal(home, os.environ) as journal:
        freed = collect(journal)
    streams.out.line(
        f"removed {freed.removed} blobs, {freed.bytes} bytes; {freed.kept} are still named"
    )
    return ANSWERED


def purge_runs(
    prefix: str | None, older_than: str | None, home: Path | None, streams: Streams
) -> int:
    """Erase one run, or all that are older than a span."""
    if (prefix is None) == (older_than is None):
        raise UsageError(
            "name one RUN, or give --older-than", fix="quaestor purge --older-than 30d"
        )
    with open_journal(home, os.environ) as journal:
        live, held = live_runs(journal), journal.held()
        if prefix is not None:
            chosen = [journal.find(prefix)]
        else:
            older = older_runs(journal, _span(older_than or ""))
            chosen = [run for run in older if run not in live and run not in held]
            for run in sorted(set(older) & set(held)):
                streams.err.line(clean(f"kept {run}: held by {held[run].by}: {held[run].why}"))
        if set(chosen) & set(live):
            raise UsageError(
                f"run {chosen[0]} is being worked on", fix=f"quaestor cancel {chosen[0]}"
            )
        names = [short_id(journal, run) for run in chosen]
        for run in chosen:
            journal.erase(run)
        streams.out.line(f"erased {len(chosen)} run{'' if len(chosen) == 1 else 's'}: {names}")
        if live:
            streams.err.line("the stored bytes follow once no run is being worked on: quaestor gc")
        else:
            freed = collect(journal)
            streams.out.line(f"removed {freed.removed} blobs, {freed.bytes} bytes")
    return ANSWERED


def build_sandbox(packages: str | None, streams: Streams, *, air_gapped: bool) -> int:
    """Build the sandbox, telling each step."""
    from sandbox.image.build import build

    wanted = tuple(name.strip() for name in (packages or "").split(",") if name.strip())
    built = asyncio.run(
        build(
            packages=wanted,
            air_gapped=True if air_gapped else None,
            progress=lambda text: streams.err.line(clean(text)),
        )
    )
    streams.out.line(f"tree {built.tree}")
    if built.image is not None:
        streams.out.line(f"image {built.image}")
    return ANSWERED


def _span(text: str) -> timedelta:
    try:
        return timedelta(seconds=parse_limits(f"time={text}", Limits()).time_s or 0.0)
    except UsageError as error:
        raise UsageError(f"{text!r} is no span of time", fix="for example 90m, 30d") from error
