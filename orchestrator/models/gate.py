"""The gate in front of an endpoint: a request waits here for its turn. Open unless somebody who
shares the endpoint among many processes closes it. Knows no clock and no other process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Pace:
    """What an endpoint takes from all of us together; None where it is not limited."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    at_once: int | None = None


NO_PACE = Pace()


class Gate(Protocol):
    """Lets requests through one by one."""

    def turn(self, tokens: int) -> AbstractAsyncContextManager[None]:
        """Wait until a request with a prompt of so many tokens may be sent; it is over when the
        block is left."""
        ...

    async def hold(self, seconds: float | None) -> None:
        """Let nobody through for so long, as the endpoint has asked; None changes nothing."""
        ...


class OpenGate:
    """Nothing waits."""

    @asynccontextmanager
    async def turn(self, tokens: int) -> AsyncIterator[None]:
        yield

    async def hold(self, seconds: float | None) -> None:
        """Whoever was refused waits by itself."""


OPEN = OpenGate()
