"""The port to whatever runs units: submit, cancel, list, wait.

An Order is all that a process gets to know: its own task, never gold, scorer or another task.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from orchestrator.models.llm import Frozen
from tasks.batch.rules import Died, Killed
from tasks.benchmark.cases import Attached

Job = Literal["task", "case"]
"""What a unit's process works on: an open-ended task, or a forensics case."""


class Order(Frozen):
    """One attempt at a unit. `task` is what its job reads: the words of a task, or a `CaseOrder` as
    JSON. `settings` are resolved Settings as JSON; `environ` is the whole environment of the
    process, beside its own folders. `head` is the newest record of the run: one that has ended
    after it is not begun again."""

    job: Job = "task"
    unit: str
    run: str
    head: int
    task: str
    attachments: tuple[Attached, ...] = ()
    settings: dict[str, Any]
    environ: dict[str, str]


class Engine(Protocol):
    """Runs each submitted order in a process of its own, and leaves nothing of it behind."""

    async def submit(self, order: Order) -> None:
        """Start an attempt. Raises NotReady when the engine itself is gone."""
        ...

    async def cancel(self, unit: str, why: Killed) -> None:
        """Kill an attempt with all that it has started; `wait` then tells its end."""
        ...

    def list(self) -> Sequence[str]:
        """The units that run now."""
        ...

    async def wait(self, seconds: float) -> Sequence[Died]:
        """The attempts that have ended since the last call; empty when none did within so many
        seconds."""
        ...
