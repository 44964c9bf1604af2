"""Runs units on a Ray cluster: the only module that imports `ray`, inside its functions.

Ray places units, notices when a process or a machine is lost, and runs the unit again elsewhere,
where it finds its journal and goes on. The truth stays in SQL: when Ray forgets everything, the
same command submits again what is not done. On each machine a unit is a guarded process like on
one machine.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import NotReady
from tasks.batch import leftovers
from tasks.batch.local_engine import Nursery, died_of
from tasks.batch.port import Job, Order
from tasks.batch.rules import Died, Killed

FOREVER = -1
KNOCK_S = 5.0
NOT_OF_A_NODE = ("RAY_", "QUAESTOR_")


def carry_here(order_json: str) -> tuple[int | None, str]:
    """Carry out an order on this machine, in the process of a Ray worker; the exit code and last
    words of the unit's process. When the worker is killed, the guard sees its socket close."""
    order = Order.model_validate_json(order_json)
    order = order.model_copy(update={"environ": {**order.environ, **_environ_of_node()}})
    line, theirs = socket.socketpair()
    with line:
        with theirs:
            _nursery(order.job).bear(theirs)
        line.sendall(order.model_dump_json().encode() + b"\n")
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    died = died_of(order.unit, "", answer)
    return died.code, died.words


@dataclass(slots=True)
class RayEngine:
    """Engine over a cluster. Made by `open_ray`."""

    remote: Any
    running: dict[str, Any] = field(default_factory=dict)
    killed: dict[str, Killed] = field(default_factory=dict)

    async def submit(self, order: Order) -> None:
        """Hand it to the cluster, which runs it again for as long as processes are lost."""
        self.running[order.unit] = await asyncio.to_thread(
            self.remote.remote, order.model_dump_json()
        )

    async def cancel(self, unit: str, why: Killed) -> None:
        """Kill its worker; the guard beside it does the rest."""
        import ray

        if unit in self.running and unit not in self.killed:
            self.killed[unit] = why
            await asyncio.to_thread(ray.cancel, self.running[unit], force=True)

    def list(self) -> Sequence[str]:
        return list(self.running)

    async def wait(self, seconds: float) -> Sequence[Died]:
        import ray

        units = {reference: unit for unit, reference in self.running.items()}
        if not units:
            await asyncio.sleep(seconds)
            return []
        ended, _ = await asyncio.to_thread(
            ray.wait, list(units), num_returns=1, timeout=seconds, fetch_local=True
        )
        return [await asyncio.to_thread(self._taken, units[one], one) for one in ended]

    async def close(self) -> None:
        """End what runs, and leave the cluster as it is."""
        import ray

        for unit in self.list():
            await self.cancel(unit, "stop")
        await asyncio.to_thread(ray.shutdown)

    def _taken(self, unit: str, reference: Any) -> Died:
        import ray

        del self.running[unit]
        killed = self.killed.pop(unit, "")
        try:
            code, words = ray.get(reference)
        except ray.exceptions.RayError as error:
            return Died(unit, None, killed, f"Ray lost it: {type(error).__name__}")
        return Died(unit, code, killed, words)


@asynccontextmanager
async def open_ray() -> AsyncIterator[RayEngine]:
    """An engine over the cluster that RAY_ADDRESS names, or that runs on this machine. Raises
    NotReady."""
    remote = await asyncio.to_thread(_connect)
    engine = RayEngine(remote)
    try:
        yield engine
    finally:
        await engine.close()


def _connect() -> Any:
    # Ray reads both when it is imported. The second would have each node build an environment anew
    # from the folder that we stand in, where we were started by `uv run`.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise NotReady(
            "Ray is not installed", fix="uv tool install 'quaestor[ray,postgres]'"
        ) from error
    try:
        _knock(os.environ.get("RAY_ADDRESS", ""))
        ray.init(
            address=os.environ.get("RAY_ADDRESS", "auto"),
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise NotReady(
            f"no Ray cluster answers: {str(error).splitlines()[0]}",
            fix="ray start --head on one machine, ray start --address=HOST:6379 on the others",
        ) from error
    return ray.remote(carry_here).options(max_retries=FOREVER, num_cpus=1)


def _knock(address: str) -> None:
    """Find out quickly that nobody is there: Ray itself tries for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.rpartition("/")[2], int(port)), KNOCK_S).close()


@functools.cache
def _nursery(job: Job) -> Nursery:
    """One for all the units that a Ray worker carries after each other."""
    leftovers.sweep()
    return Nursery(job)


def _environ_of_node() -> dict[str, str]:
    """What a machine says of itself comes before what the scheduler's machine says of itself; keys
    that only the scheduler has still come along."""
    return {name: value for name, value in os.environ.items() if not name.startswith(NOT_OF_A_NODE)}
