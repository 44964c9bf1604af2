"""One row per unit of a benchmark: what ran, how it ended, what it answered, scored and cost.

This is the seam to whatever runs units: a runner writes these rows, and everything here (reports,
comparisons, estimates, gates) reads nothing else. Times in seconds, money in micro-dollars, None
where it is not known.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orchestrator.errors import FaultKind
from orchestrator.events import OutcomeName
from orchestrator.limits import LimitName
from orchestrator.models.llm import Frozen, Usage
from tasks.benchmark.scorers.score import Score

Ended = OutcomeName | Literal["crashed", "infra", "not_run"]
"""A run's outcome; or its process crashed, what it stands on failed, or it never ran."""


class Spent(Frozen):
    """What calls of one role to one model used: lead, an agent, or the grader."""

    role: str
    model: str
    usage: Usage


class Times(Frozen):
    """Of the last attempt, in seconds; `attempts` is the sum over all of them."""

    wall: float = Field(default=0.0, ge=0)
    model: float = Field(default=0.0, ge=0)
    tool: float = Field(default=0.0, ge=0)
    queue: float = Field(default=0.0, ge=0)
    attempts: float = Field(default=0.0, ge=0)


class UnitResult(Frozen):
    """A unit: one task, one repeat, one system. `score` None means that nothing was scored.

    `lenient` says that a forgiving rule would accept what the strict one did not. `also` holds the
    scores by other rules. `signals` counts what the events showed, see `signals.py`.
    `failed_agent` and `failed_step` name where it went wrong first.
    """

    unit: str = Field(min_length=1)
    task: str = Field(min_length=1)
    repeat: int = Field(default=1, ge=1)
    system: str = ""
    level: str = ""
    tags: tuple[str, ...] = ()
    ended: Ended
    limit: LimitName | None = None
    fault: FaultKind | None = None
    reason: str = ""
    answer: str | None = None
    score: Score | None = None
    also: dict[str, float] = Field(default_factory=dict)
    lenient: bool = False
    attempts: int = Field(default=1, ge=0)
    rounds: int = Field(default=0, ge=0)
    spent: tuple[Spent, ...] = ()
    wasted: Usage = Usage()
    times: Times = Times()
    signals: dict[str, int] = Field(default_factory=dict)
    failed_agent: str = ""
    failed_step: str = ""
    run: str = ""

    @property
    def value(self) -> float:
        """The score as it counts: what was not scored counts 0."""
        return self.score.score if self.score else 0.0

    @property
    def usage(self) -> Usage:
        """All that the unit cost, wasted attempts included, the grader too."""
        return sum((item.usage for item in self.spent), self.wasted)
