"""`watch`: the lines of a run that another process is working on, read from the journal."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from orchestrator import events as ev
from orchestrator.attempt import is_over
from orchestrator.journal import Journal, Record
from tasks.cli.ending import closing_lines, code_of, outcome_record
from tasks.cli.exits import ANSWERED, INTERRUPTED
from tasks.cli.opening import open_journal, short_id
from tasks.cli.progress import JsonLines, Step, Steps, describe
from tasks.cli.streams import Streams, clean
from tasks.history import state_of
from tasks.liveness import is_alive

POLL_S = 0.5


def follow(prefix: str, home: Path | None, streams: Streams, *, as_json: bool) -> int:
    """Show the events so far and then each new one, until the run ends; its exit code."""
    with open_journal(home, os.environ) as journal:
        run = journal.find(prefix)
        name = short_id(journal, run)
        if as_json:
            streams.records.start(run)
        steps, records = Steps(), JsonLines(streams.records)
        seen: list[Record] = []
        try:
            for record in _records(journal, run):
                seen.append(record)
                if record.body is None:
                    continue
                event = ev.read_event(record.kind, record.body)
                if as_json:
                    records.event(record.key, event, True)
                else:
                    _tell(record, event, steps, streams)
        except KeyboardInterrupt:
            streams.err.line(f"no longer watching; run {name} goes on")
            return INTERRUPTED
        return _ending(seen, name, streams, as_json=as_json)


def _records(journal: Journal, run: str) -> Iterator[Record]:
    """Every record of a run, waiting for more as long as somebody writes them."""
    after = 0
    lifecycle: list[Record] = []
    while True:
        alive = is_alive(journal.owner(run))
        fresh = journal.read(run, after=after)
        for record in fresh:
            after = record.seq
            yield record
        lifecycle += [item for item in fresh if item.kind in ev.LIFECYCLE]
        if not fresh and (not alive or is_over(lifecycle) is not None):
            return
        time.sleep(POLL_S)


def _tell(record: Record, event: ev.Event, steps: Steps, streams: Streams) -> None:
    steps.event(record.key, event, seq=record.seq)
    step = None
    if isinstance(event, ev.StepDone | ev.StepUnknown):
        began = time.monotonic() - record.duration_s
        step = Step(record.key, steps.ended(record.key).what, began)
    clock = f"{datetime.fromisoformat(record.time).astimezone():%H:%M:%S}"
    for text in describe(record.key, event, step):
        streams.err.line(f"{clock} {text}")


def _ending(seen: list[Record], name: str, streams: Streams, *, as_json: bool) -> int:
    ended = is_over(seen)
    if ended is None:
        streams.err.line(f"run {name} was interrupted; go on: quaestor resume {name}")
        return ANSWERED
    state, outcome = state_of(seen), ended.outcome
    question = state.questions.get(outcome.question) if outcome.question else None
    code = code_of(outcome)
    if as_json:
        streams.records.end(outcome_record(outcome, code, question))
        return code
    if outcome.answer:
        streams.out.line(clean(outcome.answer))
    for line in closing_lines(outcome, state, name, question):
        streams.err.line(line)
    return code
