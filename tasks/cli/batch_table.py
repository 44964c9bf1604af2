"""Shows a batch while it is carried: a live table on a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table

from tasks.batch.values import Totals, Unit
from tasks.cli.batch_lines import at_work, spent_text
from tasks.cli.ending import time_text
from tasks.cli.given import Show
from tasks.cli.streams import Streams, one_line

PLAIN_S = 15.0
SHOWN_UNITS = 8


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
            self.streams.err.line(f"{self._head(totals)}; {spent_text(totals)}")

    def _head(self, totals: Totals) -> str:
        text = f"{totals.done} of {totals.planned} done, {at_work(totals)}"
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
        table = Table(box=None, pad_edge=False, caption=spent_text(totals), caption_justify="left")
        table.add_column(self._head(totals), no_wrap=True)
        table.add_column("repeat", justify="right")
        table.add_column("attempt", justify="right")
        table.add_column("since", justify="right")
        for unit in sorted(running, key=lambda item: item.started or 0.0)[:SHOWN_UNITS]:
            since = time_text(time.time() - (unit.started or time.time()))
            table.add_row(one_line(unit.task, 60), str(unit.repeat), str(unit.attempt), since)
        return table
