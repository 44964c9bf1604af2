"""What follows from what was seen of a unit: pure decisions, no I/O.

An attempt ends with a recorded outcome, with a question, by the scheduler's hand, or by dying.
Only what it stands on (endpoint, engine, disk) is worth another try that changes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from orchestrator import events as ev
from orchestrator.limits import LimitHit, Limits, first_hit
from orchestrator.models.llm import Usage
from tasks.batch.values import Failure, State, Totals, Unit

STRIKES = 3
GRACE_S = 30.0
NOT_READY_CODE = 5
Killed = Literal["", "wall", "cancel", "stop"]
Again = Literal["infra", "crashed", "wall"]
AGAIN: tuple[str, ...] = get_args(Again)


@dataclass(frozen=True, slots=True)
class Died:
    """How the process of an attempt ended. `words` is the end of what it wrote, for people;
    `killed` is why the scheduler ended it."""

    unit: str
    code: int | None = None
    killed: Killed = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the journal holds of a unit after an attempt. `ended` is the outcome that belongs to
    this attempt, or None; `steps` counts finished steps of all attempts."""

    ended: ev.RunEnded | None
    steps: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What becomes of a unit. `ended` is as a UnitResult has it."""

    state: State
    outcome: str = ""
    failure: Failure = ""
    strikes: int = 0
    reason: str = ""


def settle(unit: Unit, seen: Seen, died: Died) -> Settled:
    """What becomes of a unit after an attempt."""
    if seen.ended is not None:
        return _by_outcome(seen.ended, died)
    if died.killed == "wall":
        return Settled("done", "partial", "wall", reason="the wall limit was reached")
    if died.killed == "cancel":
        return Settled("done", "cancelled", reason="the batch was cancelled")
    if died.killed == "stop":
        return Settled("queued", strikes=unit.strikes)
    if died.code == NOT_READY_CODE:
        return Settled("done", "infra", "infra", reason=died.words)
    return _crashed(unit, seen, died)


def wanted_again(only: Again) -> Callable[[Unit], bool]:
    """Which finished units `retry --only` means."""
    failures: Mapping[Again, tuple[Failure, ...]] = {
        "infra": ("infra",),
        "crashed": ("crash_loop", "failed"),
        "wall": ("wall",),
    }
    return lambda unit: unit.state == "done" and unit.failure in failures[only]


def batch_limit(limits: Limits, totals: Totals, active_s: float) -> LimitHit | None:
    """The limit of the batch that lets no further unit start."""
    spent = Usage(
        calls=totals.calls, prompt_tokens=totals.tokens, usd_micros=totals.usd_micros or 0
    )
    return first_hit(limits, rounds=0, spent=spent, elapsed_s=active_s)


def wall_of(limits: Limits, wall_s: float) -> float:
    """Seconds after which a unit's process is killed: its own time limit comes well before."""
    return wall_s if limits.time_s is None else min(wall_s, limits.time_s + GRACE_S)


def _by_outcome(ended: ev.RunEnded, died: Died) -> Settled:
    outcome = ended.outcome
    if outcome.outcome == "needs_human" and outcome.question is not None:
        return Settled("parked", "needs_human", reason=outcome.reason)
    if outcome.outcome == "needs_human":
        return Settled("done", "infra", "infra", reason=outcome.reason)
    if outcome.outcome == "cancelled" and ended.resumable and died.killed != "cancel":
        return Settled("queued", reason=outcome.reason)
    failure: Failure = "failed" if outcome.outcome == "failed" else ""
    return Settled("done", outcome.outcome, failure, reason=outcome.reason)


def _crashed(unit: Unit, seen: Seen, died: Died) -> Settled:
    """A process that died is started again, unless it dies without getting on."""
    strikes = 1 if seen.steps > unit.steps else unit.strikes + 1
    reason = f"its process died ({_how(died.code)}): {died.words}".strip(": ")
    if strikes < STRIKES:
        return Settled("queued", strikes=strikes, reason=reason)
    words = f"died {STRIKES} times without finishing another step; the last time {reason}"
    return Settled("done", "crashed", "crash_loop", strikes, words)


def _how(code: int | None) -> str:
    if code is None:
        return "nobody saw how"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
