"""Lists runs and shows one, as plain text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

from orchestrator import events as ev
from orchestrator.attempt import is_over
from orchestrator.errors import UsageError
from orchestrator.journal import Journal, Record
from orchestrator.limits import Limits, parse_limits
from tasks.cli.ending import code_of, money_text, outcome_record, time_text
from tasks.cli.exits import ANSWERED
from tasks.cli.opening import open_journal, short_id
from tasks.cli.streams import Streams, clean, one_line
from tasks.history import Summary, state_of, summaries
from tasks.liveness import is_alive
from tasks.transcript import ledger_text, outcome_text, round_text, task_text

STATUSES = (*get_args(ev.OutcomeName), "running", "interrupted", "purged")
LOOKED_AT = 5_000


@dataclass(frozen=True, slots=True)
class Choice:
    """Which runs are wanted."""

    outcome: str | None
    since: str | None
    problems: bool
    number: int


def list_runs(choice: Choice, home: Path | None, streams: Streams, *, as_json: bool) -> int:
    """One line per run, the newest first."""
    if choice.outcome is not None and choice.outcome not in STATUSES:
        raise UsageError(
            f"there is no outcome {choice.outcome!r}", fix=f"one of {', '.join(STATUSES)}"
        )
    earliest = _earliest(choice.since)
    with open_journal(home, os.environ) as journal:
        is_filtered = choice.outcome or choice.problems or choice.since
        looked_at = summaries(journal, LOOKED_AT if is_filtered else choice.number)
        found = [item for item in looked_at if _fits(item, choice, earliest)][: choice.number]
        for item in found:
            if as_json:
                streams.records.write(_record(item))
            else:
                streams.out.line(_line(item, short_id(journal, item.run)))
    if not found and not as_json:
        streams.err.line("no run fits" if looked_at else "no run yet; try: quaestor run --demo")
    return ANSWERED


def show_run(
    prefix: str, number: int | None, home: Path | None, streams: Streams, *, raw: bool
) -> int:
    """A run as text. Raises JournalDamaged when its records do not add up."""
    with open_journal(home, os.environ) as journal:
        run = journal.find(prefix)
        records = journal.verify(run)
        if raw:
            for record in records:
                streams.records.write(raw_record(record))
            return ANSWERED
        for block in _blocks(journal, run, records, number):
            streams.out.line(clean(block))
            streams.out.line()
    return ANSWERED


def raw_record(record: Record) -> dict[str, object]:
    """A stored event with all that is stored beside it."""
    return {
        "run": record.run,
        "seq": record.seq,
        "path": record.key,
        "event": record.kind,
        "version": record.version,
        "time": record.time,
        "epoch": record.epoch,
        "duration_s": record.duration_s,
        "body_sha256": record.body_sha256,
        "hash": record.hash,
        "body": record.body,
    }


def _blocks(journal: Journal, run: str, records: list[Record], number: int | None) -> Iterator[str]:
    state = state_of(records)
    if records and records[0].body is None:
        yield f"run {run}: the content was purged; {len(records)} hashes are intact"
        return
    if number is not None:
        if number > len(state.turns):
            raise UsageError(f"run {run} has {len(state.turns)} rounds")
        yield round_text(state.turns[number - 1])
        return
    ended = is_over(records)
    yield _head(journal, run, records, ended)
    yield task_text(state)
    yield ledger_text(state)
    for turn in state.turns:
        yield round_text(turn)
    if ended is not None:
        yield outcome_text(ended.outcome)


def _head(journal: Journal, run: str, records: list[Record], ended: ev.RunEnded | None) -> str:
    name = short_id(journal, run)
    begun = records[0].time if records else "never"
    if ended is not None:
        spent = ended.outcome.spent
        cost = f"{spent.calls} calls, {money_text(spent.usd_micros)}"
        status = f"{ended.outcome.outcome}, {cost}, {time_text(ended.outcome.seconds)}"
        status += f"; go on: quaestor resume {name}" if ended.resumable else ""
    elif is_alive(journal.owner(run)):
        status = f"running in {journal.owner(run)}"
    else:
        status = f"interrupted; go on: quaestor resume {name}"
    return f"run {run}, begun {begun}: {status}\n{len(records)} events, the chain is intact"


def _fits(item: Summary, choice: Choice, earliest: datetime | None) -> bool:
    if choice.outcome is not None and item.status != choice.outcome:
        return False
    if choice.problems and item.status in ("answered", "running"):
        return False
    return earliest is None or datetime.fromisoformat(item.created) >= earliest


def _earliest(since: str | None) -> datetime | None:
    if since is None:
        return None
    try:
        seconds = parse_limits(f"time={since}", Limits()).time_s or 0.0
    except UsageError as error:
        raise UsageError(
            f"--since {since} is no span of time", fix="for example 90m, 2d"
        ) from error
    return datetime.now(UTC) - timedelta(seconds=seconds)


def _line(item: Summary, name: str) -> str:
    created = datetime.fromisoformat(item.created).astimezone()
    more = " *" if item.resumable and item.status != "answered" else ""
    return (
        f"{name:<12} {created:%Y-%m-%d %H:%M}  {item.status + more:<14} {one_line(item.task, 90)}"
    )


def _record(item: Summary) -> dict[str, object]:
    ended = item.ended
    return {
        "run": item.run,
        "created": item.created,
        "status": item.status,
        "resumable": item.resumable,
        "task": item.task,
        "outcome": outcome_record(ended.outcome, code_of(ended.outcome), None) if ended else None,
    }
