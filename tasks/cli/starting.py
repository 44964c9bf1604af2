"""From a command line to a run: reads the task, resolves settings, checks that all is there."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator import events as ev
from orchestrator.errors import UsageError
from orchestrator.settings import Settings
from tasks import api
from tasks.cli.given import Show, Where
from tasks.cli.live import Attempt, carry
from tasks.cli.opening import load_settings
from tasks.cli.streams import Streams
from tasks.config_file import Given
from tasks.output import make_folder
from tasks.readiness import ready_settings

MAX_TASK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Order:
    """What `quaestor run` was asked to do, beside its settings."""

    task: str | None
    attachments: tuple[Path, ...] = ()
    after: str | None = None
    demo_material: Path | None = None
    accepts_irreversible: bool = False
    only_plan: bool = False


def start(order: Order, flags: Sequence[Given], where: Where, streams: Streams, show: Show) -> int:
    """Start a run and carry it to its outcome; the exit code."""
    settings = load_settings(flags, where).settings
    if settings.approvals == "allow-all" and not order.accepts_irreversible:
        raise UsageError(
            "approvals = allow-all lets irreversible acts happen without asking",
            fix="add --i-accept-irreversible, or use --approvals ask-risky",
        )
    if order.task is None and not settings.demo:
        raise UsageError("there is no task", fix='quaestor run "What ...?", or quaestor run --demo')
    make_folder(settings.out)
    return asyncio.run(_start(order, settings, streams, show))


async def _start(order: Order, settings: Settings, streams: Streams, show: Show) -> int:
    async with _task(order) as (task, attached, hosts):
        web = settings.web.model_copy(update={"allow_hosts": (*settings.web.allow_hosts, *hosts)})
        settings = settings.model_copy(update={"web": web})
        settings, warnings = await ready_settings(settings, task)
        for warning in warnings:
            streams.err.line(f"warning: {warning}")

        async def work(quaestor: api.Quaestor) -> ev.Outcome:
            after = quaestor.journal.find(order.after) if order.after else None
            return await quaestor.run(task, attached, after=after)

        return await carry(Attempt(settings, work, only_plan=order.only_plan), streams, show)


@asynccontextmanager
async def _task(order: Order) -> AsyncIterator[tuple[str, list[Path], tuple[str, ...]]]:
    """The task's text, its attachments, and hosts that the demo serves on."""
    attached = [path.expanduser() for path in order.attachments]
    if order.task is not None:
        yield read_task(order.task), attached, ()
        return
    from tasks.demo.play import demo_task

    async with demo_task(order.demo_material) as (text, material, hosts):
        yield text, [*attached, *material], hosts


def read_task(given: str) -> str:
    """The task: as it was typed, from stdin (`-`), or from a file (`@FILE`)."""
    if given == "-":
        raw = sys.stdin.buffer.read(MAX_TASK_BYTES + 1)
    elif given.startswith("@"):
        try:
            raw = Path(given[1:]).expanduser().read_bytes()
        except OSError as error:
            raise UsageError(
                f"the task file {given[1:]} cannot be read: {error.strerror}"
            ) from error
    else:
        raw = given.encode("utf-8", "surrogateescape")
    if len(raw) > MAX_TASK_BYTES:
        raise UsageError("the task is longer than 1 MiB", fix="put the material into --attach FILE")
    text = raw.decode("utf-8", "replace").strip()
    if not text:
        raise UsageError("the task is empty", fix='quaestor run "What ...?"')
    return text
