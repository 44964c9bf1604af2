"""One attempt at a run: the lifecycle events around the loop, and messages that stop it.

An attempt always ends with `RunEnded`, unless the process is killed or the journal refuses the
write; then the next attempt finds the run as it was acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from orchestrator import events as ev
from orchestrator.canonical import sha256_of
from orchestrator.errors import JournalError, JournalUnavailable
from orchestrator.journal import Journal, Record
from orchestrator.loop import Orchestrator
from orchestrator.outcome import Ending, build_outcome
from orchestrator.recorder import Recorder

LOG = logging.getLogger(__name__)
POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class About:
    """What an attempt writes down about itself; `prompts` has a hash per file, `measured` tells, at
    its end, what its box was seen to hold."""

    owner: str
    versions: Mapping[str, str]
    prompts: Mapping[str, str]
    protections: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    measured: Callable[[], ev.Protections | None] = lambda: None


async def run_attempt(
    orchestrator: Orchestrator, task: ev.TaskReceived, about: About
) -> ev.Outcome:
    """Run the loop to an outcome and record how it ended. Raises JournalError, and
    CancelledError never: a cancelled run is an outcome."""
    recorder = orchestrator.recorder
    number = 1 + sum(record.kind == "RunStarted" for record in recorder.records)
    started = ev.RunStarted(
        attempt=number,
        owner=about.owner,
        limits=orchestrator.limits,
        versions=dict(about.versions),
        prompts=sha256_of(dict(about.prompts)),
        prompt_files=dict(about.prompts),
        protections=dict(about.protections),
    )
    begun = asyncio.ensure_future(_begin(recorder, task, started))
    try:
        await asyncio.shield(begun)
    except asyncio.CancelledError:
        await begun  # from its first record on, a run can be resumed
        outcome, resumable = _ended(orchestrator, "cancelled", "stopped by a signal"), True
    else:
        outcome, resumable = await _outcome(orchestrator, task)
    warnings = (*about.warnings, *outcome.warnings)
    update = {"warnings": warnings, "protections": about.measured()}
    outcome = outcome.model_copy(update=update)
    ended = ev.RunEnded(
        attempt=number, outcome=outcome, resumable=resumable, digest=recorder.digest()
    )
    with suppress(JournalUnavailable):  # the outcome already says that the disk refused
        await recorder.emit(f"attempt/{number}/end", ended)
    return outcome


async def _begin(recorder: Recorder, task: ev.TaskReceived, started: ev.RunStarted) -> None:
    await recorder.emit("task", task)
    await recorder.emit(f"attempt/{started.attempt}", started)


async def _outcome(orchestrator: Orchestrator, task: ev.TaskReceived) -> tuple[ev.Outcome, bool]:
    loop = asyncio.ensure_future(orchestrator.run(task))
    watch = asyncio.ensure_future(_watch(orchestrator))
    try:
        await asyncio.wait({loop, watch}, return_when=asyncio.FIRST_COMPLETED)
        if loop.done():
            outcome = loop.result()
            return outcome, outcome.outcome != "answered"
        return _ended(orchestrator, "cancelled", "by `quaestor cancel`"), False
    except asyncio.CancelledError:
        return _ended(orchestrator, "cancelled", "stopped by a signal"), True
    except JournalUnavailable as error:
        return _ended(orchestrator, "needs_human", error.message), True
    except JournalError:
        raise
    except Exception as error:
        LOG.exception("run %s ended by a bug", orchestrator.recorder.run)
        return _ended(orchestrator, "failed", f"{type(error).__name__}: {error}"), True
    finally:
        for task_ in (loop, watch):
            task_.cancel()
        await asyncio.gather(loop, watch, return_exceptions=True)


def _ended(orchestrator: Orchestrator, outcome: ev.OutcomeName, reason: str) -> ev.Outcome:
    recorder = orchestrator.recorder
    return build_outcome(
        recorder.run,
        recorder.state,
        Ending(outcome, reason),
        spent=recorder.spent,
        seconds=orchestrator.elapsed_s(),
    )


async def _watch(orchestrator: Orchestrator) -> None:
    """Come back when somebody asks to cancel; hold and release the run on pause and continue."""
    journal, run = orchestrator.recorder.journal, orchestrator.recorder.run
    seen = newest_message(journal, run)
    while True:
        await asyncio.sleep(POLL_S)
        for row in await asyncio.to_thread(journal.messages, run, after=seen):
            seen = row.id
            if row.kind == "cancel":
                return
            if row.kind == "pause":
                orchestrator.going.clear()
            if row.kind == "continue":
                orchestrator.going.set()


def newest_message(journal: Journal, run: str) -> int:
    """The id of the newest message of a run, 0 when there is none."""
    return max((row.id for row in journal.messages(run)), default=0)


def elapsed_before(records: list[Record]) -> float:
    """Seconds that earlier attempts ran, from their first to their last record."""
    total, began, newest = 0.0, None, None
    for record in records:
        moment = datetime.fromisoformat(record.time)
        if record.kind == "RunStarted":
            if began is not None and newest is not None:
                total += (newest - began).total_seconds()
            began = moment
        newest = moment
    if began is not None and newest is not None:
        total += (newest - began).total_seconds()
    return total


def changed_prompts(records: list[Record], about: About) -> list[str]:
    """The prompt files that differ from those of the attempt before, or are not in both."""
    begun = [record for record in records if record.kind == "RunStarted" and record.body]
    known = begun[-1].body.get("prompt_files", {}) if begun and begun[-1].body else {}
    if not known:  # a run of a version that did not record them
        return []
    names = sorted({*known, *about.prompts})
    return [name for name in names if known.get(name) != about.prompts.get(name)]


def is_over(records: list[Record]) -> ev.RunEnded | None:
    """How the newest attempt ended, or None while it runs or after a kill."""
    lifecycle = [record for record in records if record.kind in ev.LIFECYCLE]
    if not lifecycle or lifecycle[-1].kind != "RunEnded" or lifecycle[-1].body is None:
        return None
    return ev.RunEnded.model_validate(lifecycle[-1].body)
