"""Runs named branches at the same time, each after the branches it waits for.

Knows nothing of agents. A branch that has to stop does not stop the others; one that meets a
real error does, at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from orchestrator.errors import (
    EndOfRecording,
    LimitReached,
    ModelFault,
    QuaestorError,
    Waiting,
)

STOPS_A_BRANCH = (LimitReached, Waiting, ModelFault, EndOfRecording)
"""What ends one branch only, the most important first."""


async def run_branches(
    after: Mapping[str, tuple[str, ...]], run: Callable[[str], Awaitable[None]]
) -> None:
    """Run every branch once. Raises the most important stop once all have ended; anything else
    cancels the rest and is raised at once. `after` must be free of circles."""
    branches: dict[str, asyncio.Task[QuaestorError | None]] = {}

    async def branch(name: str) -> QuaestorError | None:
        for other in after[name]:
            stopped = await branches[other]
            if stopped is not None:
                return stopped
        try:
            await run(name)
        except STOPS_A_BRANCH as stop:
            return stop
        return None

    try:
        async with asyncio.TaskGroup() as group:
            for name in after:  # a task first runs at the next await, when all are in the table
                branches[name] = group.create_task(branch(name), name=name)
    except BaseExceptionGroup as errors:
        raise _most_telling(errors) from errors
    stops = [stop for task in branches.values() if (stop := task.result()) is not None]
    for kind in STOPS_A_BRANCH:
        for stop in stops:
            if isinstance(stop, kind):
                raise stop


def in_turn(after: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The same branches, one at a time: each also waits for the one before it, in the first
    order that keeps what they wait for."""
    order: list[str] = []
    while len(order) < len(after):
        order.append(next(n for n in after if n not in order and set(after[n]) <= set(order)))
    return {name: tuple(order[:place][-1:]) for place, name in enumerate(order)}


def _most_telling(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    ours = [error for error in errors.exceptions if isinstance(error, QuaestorError)]
    return ours[0] if ours else errors.exceptions[0]
