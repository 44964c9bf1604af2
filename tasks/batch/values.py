"""What a batch consists of, as values: planned units, their rows, totals. No gold, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from orchestrator.limits import Limits
from orchestrator.models.llm import Frozen

if TYPE_CHECKING:  # loading them takes longer than counting ten thousand units
    from orchestrator.settings import Settings
    from tasks.batch.port import Job
    from tasks.benchmark.cases import Assigned

State = Literal["queued", "running", "parked", "done"]
Failure = Literal["", "infra", "crash_loop", "wall", "failed"]
"""Why a unit has no result of its own: what it stands on, its process, the clock, or our bug."""
EngineName = Literal["local", "ray"]


class Plan(Frozen):
    """A batch as it was ordered; frozen in its row. `tasks_sha256` is of the tasks' file, which
    stays where it is: gold answers are never copied. `limits` are of the batch as a whole;
    `results` is the folder that cases are written to."""

    tasks: Path
    tasks_sha256: str
    systems: dict[str, dict[str, Any]]
    repeats: int = Field(default=1, ge=1)
    parallel: int = Field(default=1, ge=1)
    limits: Limits = Limits(rounds=None, calls=None)
    wall_s: float = Field(default=3600.0, gt=0)
    engine: EngineName = "local"
    kind: Literal["batch", "bench", "cases"] = "batch"
    results: Path | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A unit before it has a row. `place` says which comes first among equal priorities; `run` is
    the run that it goes on with, if it has one."""

    unit: str
    task: str
    repeat: int
    system: str
    place: int
    priority: int = 0
    run: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """The row of a unit. `head` is the newest record of its run when the attempt began;
    `strikes` counts attempts in a row that died without finishing a step. Times in seconds since
    1970. `result` is a UnitResult as JSON once the unit is done."""

    batch: str
    unit: str
    place: int
    task: str
    repeat: int
    system: str
    priority: int
    state: State
    run: str
    head: int
    attempt: int
    strikes: int
    steps: int
    outcome: str
    failure: Failure
    calls: int
    tokens: int
    usd_micros: int | None
    queued: float
    started: float | None
    ended: float | None
    result: str | None


@dataclass(frozen=True, slots=True)
class Totals:
    """How a batch stands. Money in micro-dollars, None where a price is not known."""

    states: Mapping[str, int]
    outcomes: Mapping[str, int]
    failures: Mapping[str, int]
    calls: int
    tokens: int
    usd_micros: int | None
    active_s: float

    @property
    def planned(self) -> int:
        """Every unit, whatever became of it."""
        return sum(self.states.values())

    @property
    def done(self) -> int:
        """Units that nothing more will happen to."""
        return self.states.get("done", 0)


@dataclass(frozen=True, slots=True)
class Source:
    """What the units of a batch work on: the part of each task without gold, by task id, and the
    settings of each system. `job` is what the processes do with a task."""

    tasks: Mapping[str, Assigned]
    systems: Mapping[str, Settings]
    environ: Mapping[str, str] = field(default_factory=dict)
    job: Job = "task"


def interleaved(
    tasks: Mapping[str, int], systems: Mapping[str, object], repeats: int, name: Any
) -> list[Planned]:
    """Every unit: the first repeat of every task before the second of any, so that a batch that
    is stopped early is a smaller batch. `tasks` gives priorities; `name(task, system, repeat)`
    the unit's id."""
    triples = [
        (task, system, repeat)
        for repeat in range(1, repeats + 1)
        for task in tasks
        for system in systems
    ]
    return [
        Planned(name(*triple), triple[0], triple[2], triple[1], place, tasks[triple[0]])
        for place, triple in enumerate(triples)
    ]
