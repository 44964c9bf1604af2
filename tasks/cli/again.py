"""`resume` and `replay`: a run that is already in the journal goes on, or is checked."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from orchestrator import events as ev
from orchestrator.attempt import is_over
from orchestrator.errors import UsageError
from orchestrator.journal import Journal, Record
from orchestrator.limits import Limits, parse_limits
from orchestrator.settings import Settings
from tasks import api
from tasks.cli.exits import ANSWERED, GAVE_UP
from tasks.cli.given import Show
from tasks.cli.live import Attempt, carry
from tasks.cli.opening import home_of, open_journal, short_id, user_name
from tasks.cli.streams import Streams
from tasks.configuration import journal_url
from tasks.liveness import is_alive
from tasks.output import make_folder
from tasks.readiness import ready_settings

EXAMINER = "Examiner"
"""The agent that only the team on a case has; importing the forensics modules takes longer."""


@dataclass(frozen=True, slots=True)
class Again:
    """What `quaestor resume` was asked to do."""

    run: str
    limits: tuple[str, ...] = ()
    out: Path | None = None
    take_over: bool = False
    trust_history: bool = False
    demo_material: Path | None = None


def go_on(again: Again, home: Path | None, streams: Streams, show: Show) -> int:
    """Go on with a run, or tell a live process that has paused it to go on; the exit code."""
    make_folder(again.out)
    with open_journal(home, os.environ) as journal:
        run = journal.find(again.run)
        records = journal.verify(run)
        ended = is_over(records)
        if ended is None and is_alive(journal.owner(run)) and not again.take_over:
            return _wake(journal, run, streams)
        _check_not_cancelled(journal, run, ended)
        received = api.received_task(run, records)
        _check_no_case(received, "resume BATCH")
    places = {
        "home": home_of(home, os.environ),
        "journal_url": journal_url(os.environ),
        "out": again.out,
    }
    recorded = Settings.model_validate(received.settings)
    limits = _limits(again.limits, records) if again.limits else None
    settings = recorded.model_copy(update={**places, "limits": limits or received.limits})
    resuming = _Resuming(run, settings, limits, again, demo_port(received))
    return asyncio.run(_go_on(resuming, streams, show))


@dataclass(frozen=True, slots=True)
class _Resuming:
    run: str
    settings: Settings
    limits: Limits | None
    again: Again
    demo_port: int | None


async def _go_on(resuming: _Resuming, streams: Streams, show: Show) -> int:
    await ready_settings(resuming.settings, "")

    async def work(quaestor: api.Quaestor) -> ev.Outcome:
        trust = resuming.again.trust_history
        return await quaestor.resume(resuming.run, limits=resuming.limits, trust=trust)

    async with AsyncExitStack() as stack:
        if resuming.demo_port is not None:
            from tasks.demo.play import demo_task

            site = demo_task(resuming.again.demo_material, port=resuming.demo_port)
            await stack.enter_async_context(site)
        attempt = Attempt(resuming.settings, work, resuming.run)
        return await carry(attempt, streams, show)


def demo_port(received: ev.TaskReceived) -> int | None:
    """Where the demo's site has to be served again: its task names the address."""
    recorded = Settings.model_validate(received.settings)
    for host in recorded.web.allow_hosts if recorded.demo else ():
        name, _, port = host.rpartition(":")
        if name == "127.0.0.1" and port.isdigit() and f"http://{host}" in received.task:
            return int(port)
    return None


def again_offline(prefix: str, home: Path | None, streams: Streams) -> int:
    """Replay a run and say whether it came out the same; the exit code."""
    with open_journal(home, os.environ) as journal:
        run = journal.find(prefix)
        name = short_id(journal, run)
        _check_no_case(api.received_task(run, journal.read(run)), "replay BATCH CASE")
    settings = Settings(home=home_of(home, os.environ), journal_url=journal_url(os.environ))

    async def offline() -> api.Replay:
        async with api.open(settings) as quaestor:
            return await quaestor.replay(run)

    return tell_replay(asyncio.run(offline()), name, streams)


def tell_replay(found: api.Replay, name: str, streams: Streams) -> int:
    """Say whether a run came out the same; the exit code."""
    if found.same:
        streams.out.line(f"run {name} replays to the same digest {found.digest}")
        return ANSWERED
    streams.out.line(
        f"run {name} replays differently: {found.digest}, recorded {found.recorded_digest}"
    )
    streams.error(
        found.divergence or "the replay ended before all that is recorded had come up again",
        "use the version and the prompts that made the run",
    )
    return GAVE_UP


def _wake(journal: Journal, run: str, streams: Streams) -> int:
    """A live process owns the run: only a paused one can be told to go on."""
    name = short_id(journal, run)
    held = [row.kind for row in journal.messages(run) if row.kind in ("pause", "continue")]
    if not held or held[-1] != "pause":
        raise UsageError(
            f"run {name} is being worked on by {journal.owner(run)}",
            fix=f"quaestor watch {name}, quaestor pause {name}, or, if that process cannot be "
            f"alive: quaestor resume {name} --take-over",
        )
    journal.post(run, "continue", {}, user_name())
    streams.out.line(f"run {name} goes on in the process {journal.owner(run)}")
    return ANSWERED


def _check_no_case(received: ev.TaskReceived, command: str) -> None:
    """A case has a team and a lab of its own."""
    if any(member.name == EXAMINER for member in received.roster):
        raise UsageError(
            f"this run works on a forensics case ({received.task.partition(':')[0]})",
            fix=f"quaestor forensics {command}",
        )


def _check_not_cancelled(journal: Journal, run: str, ended: ev.RunEnded | None) -> None:
    if ended is None or ended.resumable or ended.outcome.outcome == "answered":
        return
    name = short_id(journal, run)
    raise UsageError(
        f"run {name} was cancelled for good",
        fix=f'start a follow-up: quaestor run --after {name} "..."',
    )


def _limits(texts: Sequence[str], records: Sequence[Record]) -> Limits:
    """New limits over those of the newest attempt."""
    started = [record.body for record in records if record.kind == "RunStarted"]
    limits = Limits.model_validate(started[-1]["limits"]) if started else Limits()
    for text in texts:
        limits = parse_limits(text, limits)
    return limits
