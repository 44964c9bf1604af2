"""Ctrl-C and the other ways to be told to stop.

At a terminal the first Ctrl-C pauses, the second stops cleanly, the third leaves at once.
Elsewhere any signal stops cleanly. A clean stop that takes too long is cut short: the journal
holds everything anyway.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tasks.cli.exits import INTERRUPTED, TERMINATED

PATIENCE_S = 10.0
REPEAT_S = 1.0
"""`timeout` and process groups deliver one request to stop twice; that is not impatience."""


@dataclass(slots=True)
class Interrupts:
    """Turns signals into pause, stop and leave. `pause` says whether it could; `last_words` are
    said when there is no time for an outcome."""

    pause: Callable[[], bool]
    last_words: Callable[[int], None]
    code: int | None = None
    _work: asyncio.Future[Any] | None = None
    _stopping_since: float = 0.0

    def install(self, loop: asyncio.AbstractEventLoop, work: asyncio.Future[Any]) -> None:
        """Listen until the loop is closed; to stop is to cancel `work`. A SIGINT that was
        ignored is listened to as well: scripts start background jobs so, and mean it when they
        send one."""
        self._work = work
        loop.add_signal_handler(signal.SIGINT, self._interrupted)
        loop.add_signal_handler(signal.SIGTERM, self._terminated)
        loop.add_signal_handler(signal.SIGHUP, self._terminated)

    def stop_now(self, code: int) -> None:
        """Stop cleanly, with a time limit."""
        if self.code is not None:
            self._leave_if_impatient()
            return
        self.code = code
        self._stopping_since = time.monotonic()
        last_resort = threading.Timer(PATIENCE_S, self._leave)
        last_resort.daemon = True
        last_resort.start()
        self.cancel_work()

    def cancel_work(self) -> None:
        """End the attempt so that it can be resumed; no signal asked for it."""
        if self._work is not None:
            self._work.cancel()

    def _interrupted(self) -> None:
        if self.code is None and self.pause():
            return
        self.stop_now(INTERRUPTED)

    def _terminated(self) -> None:
        self.stop_now(TERMINATED)

    def _leave_if_impatient(self) -> None:
        if time.monotonic() - self._stopping_since >= REPEAT_S:
            self._leave()

    def _leave(self) -> None:
        code = self.code or INTERRUPTED
        self.last_words(code)
        os._exit(code)
