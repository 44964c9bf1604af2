"""How a batch is shown: lines for a status, a live table on a terminal, records for programs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from tasks.batch.store import Batch
from tasks.batch.values import Totals, Unit
from tasks.cli.ending import count_text, money_text, time_text
from tasks.cli.given import Show
from tasks.cli.streams import Streams, one_line

PLAIN_S = 15.0
SHOWN_UNITS = 8


def status_lines(batch: Batch, totals: Totals, *, is_live: bool) -> list[str]:
    """How a batch stands, for people."""
    name = batch.batch
    lines = [f"batch {name}: {totals.done} of {totals.planned} units done, {_at_work(totals)}"]
    lines += [f"  {_counts(totals.outcomes)}"] if totals.outcomes else []
    lines += [f"  not the tasks' fault: {_counts(totals.failures)}"] if totals.failures else []
    lines.append(f"  {_spent(totals)}, {time_text(totals.active_s)} of work")
    if is_live:
        lines.append(f"  carried by {batch.owner}")
    elif totals.states.get("parked") and totals.done + totals.states["parked"] == totals.planned:
        lines.append(f"  questions wait: quaestor inbox; then: quaestor batch resume {name}")
    elif totals.done < totals.planned:
        lines.append(f"  nobody carries it; go on: quaestor batch resume {name}")
    if totals.failures.get("infra"):
        lines.append(f"  once that is mended: quaestor batch retry {name} --only infra")
    return lines


def batch_record(batch: Batch, totals: Totals, *, is_live: bool) -> dict[str, Any]:
    """The same for programs."""
    return {
        "batch": batch.batch,
        "created": batch.created,
        "tasks": str(batch.plan.tasks),
        "systems": sorted(batch.plan.systems),
        "repeats": batch.plan.repeats,
        "cancelled": batch.cancelled,
        "live": is_live,
        **totals_record(totals),
    }


def totals_record(totals: Totals) -> dict[str, Any]:
    """The counts of a batch."""
    return {
        "planned": totals.planned,
        "done": totals.done,
        "states": dict(totals.states),
        "outcomes": dict(totals.outcomes),
        "failures": dict(totals.failures),
        "calls": totals.calls,
        "tokens": totals.tokens,
        "usd": None if totals.usd_micros is None else totals.usd_micros / 1e6,
        "active_s": round(totals.active_s, 3),
    }


@dataclass(slots=True)
class Progress:
    """Shows a batch while it is carried: a table on a terminal, else a line now and then."""

    streams: Streams
    show: Show
    began: float = field(default_factory=time.monotonic)
    done_before: int | None = None
    told: float = 0.0
    live: Live | None = None

    def __enter__(self) -> Progress:
        err, show = self.streams.err, self.show
        if err.is_terminal and not (show.quiet or show.plain):
            console = Console(file=err.file, highlight=False, markup=False, emoji=False)
            self.live = Live(console=console, refresh_per_second=4, transient=True)
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()

    def __call__(self, totals: Totals, running: Sequence[Unit]) -> None:
        """What the scheduler sees."""
        if self.done_before is None:
            self.done_before = totals.done
        if self.live is not None:
            self.live.update(self._table(totals, running))
        elif not self.show.quiet and time.monotonic() - self.told >= PLAIN_S:
            self.told = time.monotonic()
            self.streams.err.line(f"{self._head(totals)}; {_spent(totals)}")

    def _head(self, totals: Totals) -> str:
        text = f"{totals.done} of {totals.planned} done, {_at_work(totals)}"
        per_s = self._rate(totals)
        if per_s:
            left = (totals.planned - totals.done) / per_s
            text += f"; {60 * per_s:.1f} per minute, {time_text(left)} left"
        return text

    def _rate(self, totals: Totals) -> float:
        """Units per second since this process began to carry the batch."""
        seconds = time.monotonic() - self.began
        return (totals.done - (self.done_before or 0)) / seconds if seconds else 0.0

    def _table(self, totals: Totals, running: Sequence[Unit]) -> Table:
        table = Table(box=None, pad_edge=False, caption=_spent(totals), caption_justify="left")
        table.add_column(self._head(totals), no_wrap=True)
        table.add_column("repeat", justify="right")
        table.add_column("attempt", justify="right")
        table.add_column("since", justify="right")
        for unit in sorted(running, key=lambda item: item.started or 0.0)[:SHOWN_UNITS]:
            since = time_text(time.time() - (unit.started or time.time()))
            table.add_row(one_line(unit.task, 60), str(unit.repeat), str(unit.attempt), since)
        return table


def _at_work(totals: Totals) -> str:
    states = totals.states
    parts = [f"{states[name]} {name}" for name in ("running", "queued", "parked") if name in states]
    return ", ".join(parts) or "nothing left"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _spent(totals: Totals) -> str:
    calls, tokens = count_text(totals.calls), count_text(totals.tokens)
    return f"{calls} calls, {tokens} tokens, {money_text(totals.usd_micros)}"
