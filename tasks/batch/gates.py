"""Gates in front of endpoints that all processes of all batches share, through rows in SQL.

Before a request is sent it takes its turn (requests and tokens per minute, requests at a time);
what an endpoint asks one process to wait, all wait. Which turn is whose is arithmetic in
`pacing.py`. A process that dies gives its seat back: its mark tells that it is dead.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sql

from orchestrator.canonical import sha256_of
from orchestrator.journal_schema import connect
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.gate import Gate, Pace
from sandbox import owner
from tasks.batch.pacing import take
from tasks.batch.schema import gates, migrate, seats

SEAT_POLL_S = 0.2
SPREAD = 0.05
SPARE_S = 60.0


@asynccontextmanager
async def open_gates(home: Path, url: str | None) -> AsyncIterator[Callable[[Endpoint], Gate]]:
    """A gate for each endpoint, over the database of the journal."""
    engine = await asyncio.to_thread(connect, home, url)
    try:
        await asyncio.to_thread(migrate, engine)
        yield lambda endpoint: SharedGate(
            engine, endpoint_name(endpoint), endpoint.pace, endpoint.timeout_s + SPARE_S
        )
    finally:
        engine.dispose()


def endpoint_name(endpoint: Endpoint) -> str:
    """What shares a limit: model, address and key, none of which is to be read off it."""
    place = urlsplit(endpoint.base_url)._replace(netloc=endpoint.host).geturl()
    return f"{endpoint.model} {sha256_of([place, endpoint.api_key])[:16]}"[-255:]


@dataclass(frozen=True, slots=True)
class SharedGate:
    """The gate of one endpoint."""

    engine: sql.Engine
    name: str
    pace: Pace
    seat_s: float

    @asynccontextmanager
    async def turn(self, tokens: int) -> AsyncIterator[None]:
        """Wait for a turn, and where only so many may be at it at a time, for a seat."""
        await self._wait_until(await asyncio.to_thread(self._turn, tokens))
        seat = await self._seat()
        try:
            if seat:  # meanwhile the endpoint may have asked somebody to wait
                await self._wait_until(await asyncio.to_thread(self._blocked_until))
            yield
        finally:
            if seat:
                await asyncio.shield(asyncio.to_thread(self._leave, seat))

    async def hold(self, seconds: float | None) -> None:
        """Let no process through for so long."""
        if seconds:
            await asyncio.to_thread(self._block, time.time() + seconds)

    async def _wait_until(self, moment: float) -> None:
        """Wait, and wait on when meanwhile the endpoint has asked somebody to wait longer."""
        while (left := moment - time.time()) > 0:
            await asyncio.sleep(left * random.uniform(1.0, 1.0 + SPREAD))
            moment = await asyncio.to_thread(self._blocked_until)

    async def _seat(self) -> str:
        if self.pace.at_once is None:
            return ""
        seat = secrets.token_hex(8)
        while True:
            if await asyncio.to_thread(self._sit, seat, self.pace.at_once):
                return seat
            await asyncio.sleep(SEAT_POLL_S * random.uniform(0.5, 1.5))

    def _turn(self, tokens: int) -> float:
        """When this request may go. Takes what it needs of what is limited."""
        pace = self.pace
        if pace.requests_per_minute is None and pace.tokens_per_minute is None:
            return self._blocked_until()
        with self.engine.begin() as connection:
            row = self._row(connection)
            now = time.time()
            one = take(now, row.requests_full, 1, pace.requests_per_minute)
            other = take(now, row.tokens_full, tokens, pace.tokens_per_minute)
            connection.execute(
                sql.update(gates)
                .where(gates.c.endpoint == self.name)
                .values(requests_full=one.empty, tokens_full=other.empty)
            )
        return max(one.at, other.at, float(row.blocked_until))

    def _row(self, connection: sql.Connection) -> Any:
        """The endpoint's row, locked, made when it is missing."""
        query = (
            sql.select(gates.c.blocked_until, gates.c.requests_full, gates.c.tokens_full)
            .where(gates.c.endpoint == self.name)
            .with_for_update()
        )
        row = connection.execute(query).one_or_none()
        if row is not None:
            return row
        self._make(connection)
        return connection.execute(query).one()

    def _make(self, connection: sql.Connection) -> None:
        values = (self.name, 0.0, 0.0, 0.0)
        names = ("endpoint", "blocked_until", "requests_full", "tokens_full")
        connection.execute(
            sql.text(
                f"INSERT INTO {gates.name} ({', '.join(names)}) "  # noqa: S608 - our own names
                f"VALUES ({', '.join(':' + name for name in names)}) ON CONFLICT DO NOTHING"
            ),
            dict(zip(names, values, strict=True)),
        )

    def _block(self, until: float) -> None:
        with self.engine.begin() as connection:
            row = self._row(connection)
            if until > row.blocked_until:
                connection.execute(
                    sql.update(gates)
                    .where(gates.c.endpoint == self.name)
                    .values(blocked_until=until)
                )

    def _blocked_until(self) -> float:
        query = sql.select(gates.c.blocked_until).where(gates.c.endpoint == self.name)
        with self.engine.connect() as idle:
            found = idle.execution_options(reading=True).execute(query).scalar()
        return float(found or 0.0)

    def _sit(self, seat: str, at_once: int) -> bool:
        """Take a seat if one is free, after the seats of the dead were cleared."""
        with self.engine.begin() as connection:
            self._row(connection)  # the lock that makes counting and sitting one act
            mine = seats.c.endpoint == self.name
            taken = connection.execute(sql.select(seats).where(mine)).all()
            gone = [row.seat for row in taken if _is_gone(row.place, row.process, row.until)]
            connection.execute(sql.delete(seats).where(mine, seats.c.seat.in_(gone)))
            if len(taken) - len(gone) >= at_once:
                return False
            connection.execute(
                sql.insert(seats).values(
                    endpoint=self.name,
                    seat=seat,
                    place=owner.place(),
                    process=owner.process(),
                    until=time.time() + self.seat_s,
                )
            )
            return True

    def _leave(self, seat: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(
                sql.delete(seats).where(seats.c.endpoint == self.name, seats.c.seat == seat)
            )


def _is_gone(place: str, process: str, until: float) -> bool:
    return until < time.time() or (place == owner.place() and not owner.alive(process))
