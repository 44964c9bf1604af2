"""Lines typed at the terminal, given to whoever asked last. Nobody asks, nothing is read."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

Aside = Callable[[], AbstractContextManager[None]]


@dataclass(slots=True)
class Keyboard:
    """Reads a terminal line by line. `aside` makes room on the screen while a person types."""

    descriptor: int
    aside: Aside
    _waiting: list[asyncio.Future[str | None]] = field(default_factory=list)

    async def line(self) -> str | None:
        """The next line, without its end; None when the terminal is at its end."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str | None] = loop.create_future()
        self._waiting.append(answer)
        loop.add_reader(self.descriptor, self._read)
        try:
            with self.aside():
                return await answer
        finally:
            self._waiting.remove(answer)
            if not self._waiting:
                loop.remove_reader(self.descriptor)

    def _read(self) -> None:
        """A terminal hands over whole lines, since it is left in its ordinary mode."""
        try:
            raw = os.read(self.descriptor, 65536)
        except OSError:
            raw = b""
        asking = [answer for answer in self._waiting if not answer.done()]
        if asking:
            asking[-1].set_result(raw.decode("utf-8", "replace").rstrip("\r\n") if raw else None)
