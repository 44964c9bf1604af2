"""What `quaestor bench check` does, and the box that benchmark commands share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sandbox.base import Box, Sandbox
from tasks.benchmark.cases import Suite
from tasks.benchmark.suites.loading import load_suite, wanted_from
from tasks.cli.exits import ANSWERED
from tasks.cli.given import Where
from tasks.cli.opening import load_settings
from tasks.cli.streams import Streams
from tasks.config_file import Given
from tasks.team import box_settings

BoxSettings = tuple[list[Given], Where]


@asynccontextmanager
async def open_box(settings: BoxSettings) -> AsyncIterator[Box]:
    """A box as configured."""
    resolved = load_settings(*settings).settings
    resolved.home.mkdir(mode=0o700, parents=True, exist_ok=True)  # for the log of what ran
    async with Sandbox.open(box_settings(resolved, "bench")) as box:
        yield box


def check_suite(wanted: tuple[str, str, list[str]], settings: BoxSettings, streams: Streams) -> int:
    """Say what a suite holds. Raises UsageError that names every fault."""
    chosen = wanted_from(*wanted)
    suite = asyncio.run(load_suite(chosen, lambda: open_box(settings)))
    for line in _lines(suite):
        streams.out.line(line)
    return ANSWERED


def _lines(suite: Suite) -> list[str]:
    levels = Counter(case.level for case in suite.cases if case.level)
    scorers = Counter(case.scorer for case in suite.cases)
    hidden = sum(case.gold is None for case in suite.cases)
    attachments = sum(len(case.attachments) for case in suite.cases)
    lines = [f"ok: {suite.name} {suite.split}".rstrip() + f", {len(suite.cases)} cases"]
    lines += [f"level {level}: {count}" for level, count in sorted(levels.items())]
    lines += [f"scorer {name}: {count}" for name, count in sorted(scorers.items())]
    lines += [f"attachments: {attachments}"] if attachments else []
    lines += [f"hidden answers: {hidden}; these can be submitted, not scored"] if hidden else []
    reasons = Counter(item.why for item in suite.left_out)
    lines += [f"left out, {why}: {count}" for why, count in sorted(reasons.items())]
    return [*lines, f"sha256: {suite.sha256}"]
