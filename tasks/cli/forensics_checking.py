"""What `quaestor forensics init` and `check` do."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tasks.cli.exits import ANSWERED, PARTIAL
from tasks.cli.given import Where
from tasks.cli.opening import load_settings
from tasks.cli.streams import Streams, clean
from tasks.config_file import Given
from tasks.forensics.batch_file import Batch, load_batch
from tasks.forensics.beginning import SCHEMA, begin
from tasks.forensics.checking import check_cases, estimate, lines_of
from tasks.team import box_settings


def begin_batch(folder: Path, question: str | None, streams: Streams) -> int:
    """Write a manifest. Raises UsageError."""
    target, count = begin(folder, question)
    streams.out.line(f"{target}: {count} cases; its JSON Schema is {SCHEMA} beside it")
    streams.err.line(
        f"complete the questions (and subject, period, time_zone), then: quaestor forensics check "
        f"{target}"
    )
    return ANSWERED


def check_batch(
    manifest: Path, skip_invalid: bool, settings: tuple[list[Given], Where], streams: Streams
) -> int:
    """Say what every case holds. Raises UsageError that names every fault of the manifest."""
    batch = load_batch(manifest, skip_invalid=skip_invalid)
    for fault in batch.faults:
        streams.error(f"left out: {manifest.name} {fault}", None)
    return asyncio.run(_check(batch, settings, streams))


async def _check(batch: Batch, settings: tuple[list[Given], Where], streams: Streams) -> int:
    resolved = load_settings(*settings).settings
    resolved.home.mkdir(mode=0o700, parents=True, exist_ok=True)  # for the log of what ran
    failed = 0
    box = box_settings(resolved, "forensics-check")
    async for checked in check_cases(batch.cases, batch.root, box, resolved.forensics):
        failed += checked.intake is None
        for line in lines_of(checked):
            streams.out.line(clean(line))
    streams.out.line(estimate(len(batch.cases) - failed))
    return PARTIAL if failed else ANSWERED
