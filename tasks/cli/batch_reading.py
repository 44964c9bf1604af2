"""What the `batch` commands do that start nothing: status, list, cancel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.batch.store import Batch, Store
from tasks.batch.values import Totals
from tasks.cli.batch_lines import batch_record, status_lines
from tasks.cli.exits import ANSWERED
from tasks.cli.opening import home_of
from tasks.cli.streams import Streams, clean
from tasks.configuration import journal_url
from tasks.liveness import is_alive


@contextmanager
def open_store(home: Path | None) -> Iterator[Store]:
    """The batches of a home folder, or of its journal's database."""
    store = Store.open(home_of(home, os.environ), journal_url(os.environ))
    try:
        yield store
    finally:
        store.close()


def show_status(prefix: str, home: Path | None, streams: Streams, *, as_json: bool) -> int:
    """How a batch stands."""
    with open_store(home) as store:
        batch = store.find(prefix)
        totals = store.totals(batch.batch)
    if as_json:
        streams.records.write(batch_record(batch, totals, is_live=is_carried(batch, totals)))
        return ANSWERED
    for line in status_lines(batch, totals, is_live=is_carried(batch, totals)):
        streams.out.line(clean(line))
    return ANSWERED


def list_newest(home: Path | None, streams: Streams, *, as_json: bool) -> int:
    """One line per batch, the newest first."""
    with open_store(home) as store:
        found = [(batch, store.totals(batch.batch)) for batch in store.newest()]
    for batch, totals in found:
        if as_json:
            streams.records.write(batch_record(batch, totals, is_live=is_carried(batch, totals)))
        else:
            done = f"{totals.done} of {totals.planned} done"
            streams.out.line(clean(f"{batch.batch}  {done:<20} {batch.plan.tasks}"))
    if not found and not as_json:
        streams.err.line("no batch yet; try: quaestor batch run TASKS.jsonl")
    return ANSWERED


def cancel_batch(prefix: str, home: Path | None, streams: Streams) -> int:
    """Ask for the end of a batch. Without a live scheduler it is cancelled at the next resume."""
    with open_store(home) as store:
        batch = store.find(prefix)
        totals = store.totals(batch.batch)
        if totals.done == totals.planned:
            streams.out.line(f"batch {batch.batch} is over already")
            return ANSWERED
        store.cancel(batch.batch)
    if is_carried(batch, totals):
        streams.out.line(f"batch {batch.batch} is being cancelled")
    else:
        streams.out.line(f"batch {batch.batch} is cancelled; nothing of it runs")
    return ANSWERED


def is_carried(batch: Batch, totals: Totals) -> bool:
    """Whether a live process carries the batch."""
    is_open = totals.done < totals.planned
    return is_open and bool(batch.owner) and is_alive(batch.owner)
