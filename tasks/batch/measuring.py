"""Reads the records of a unit's run as the row of a report: cost, times, and what was seen.

Needs no gold and gives no score. What the events show besides is counted in `signals.py`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orchestrator import events as ev
from orchestrator.blobs import Blobs
from orchestrator.journal import Record
from orchestrator.models.llm import Usage
from tasks.batch.rules import Seen, Settled
from tasks.batch.values import Unit
from tasks.benchmark.rows import Spent, Times, UnitResult
from tasks.benchmark.signals import seen_in

STEP_OF = re.compile(r"round/\d+/(?:lead|(verify)|\d+\.([^/]+)|(.+?))(?:/|$)")


@dataclass(frozen=True, slots=True)
class Run:
    """The records of a run, and the bytes that they name."""

    records: Sequence[Record]
    blobs: Blobs


def seen_of(records: Sequence[Record], head: int) -> Seen:
    """What an attempt that began after the record `head` has left. An outcome from before counts
    only where nothing could go on from it."""
    lifecycle = [record for record in records if record.kind in ev.LIFECYCLE]
    last = lifecycle[-1] if lifecycle else None
    ended = None
    if last is not None and last.kind == "RunEnded" and last.body is not None:
        ended = ev.RunEnded.model_validate(last.body)
        if last.seq <= head and ended.resumable:
            ended = None
    return Seen(ended, sum(record.kind == "StepDone" for record in records))


def measured(unit: Unit, settled: Settled, seen: Seen, run: Run) -> UnitResult:
    """The row of a unit, without a score."""
    records = run.records
    counted, shown = _counted(records), seen_in(records, run.blobs)
    outcome = seen.ended.outcome if seen.ended else None
    limit = outcome.limit.name if outcome and outcome.limit else None
    return UnitResult.model_validate(
        {
            "unit": unit.unit,
            "task": unit.task,
            "repeat": unit.repeat,
            "system": unit.system,
            "ended": settled.outcome or "not_run",
            "limit": "time" if settled.failure == "wall" else limit,
            "fault": outcome.fault if outcome else None,
            "reason": settled.reason,
            "answer": outcome.answer if outcome else None,
            "attempts": unit.attempt,
            "rounds": counted.rounds,
            "spent": counted.spent(),
            "wasted": counted.wasted,
            "times": _times(unit, records, counted),
            "signals": shown.signals,
            "failed_agent": shown.failed_agent,
            "failed_step": shown.failed_step,
            "run": unit.run,
        }
    )


@dataclass(slots=True)
class _Counts:
    usages: dict[tuple[str, str], Usage] = field(default_factory=lambda: defaultdict(Usage))
    wasted: Usage = field(default_factory=Usage)
    model_s: float = 0.0
    tool_s: float = 0.0
    rounds: int = 0

    def spent(self) -> tuple[Spent, ...]:
        return tuple(
            Spent(role=role, model=model, usage=usage)
            for (role, model), usage in sorted(self.usages.items())
        )


def _counted(records: Iterable[Record]) -> _Counts:
    counts = _Counts()
    for record in records:
        body = record.body
        if body is None:
            continue
        match record.kind:
            case "RoundOpened":
                counts.rounds += 1
            case "StepDone":
                _step(counts, record, body)
            case "StepFailed" if body.get("usage"):
                counts.wasted += Usage.model_validate(body["usage"])
    return counts


def _step(counts: _Counts, record: Record, body: dict[str, Any]) -> None:
    if body["step"] != "model":
        counts.tool_s += record.duration_s
        return
    counts.model_s += record.duration_s
    usage = Usage.model_validate(body["usage"] or {})
    counts.usages[_role(record.key), body.get("model") or ""] += usage


def _role(key: str) -> str:
    found = STEP_OF.match(key)
    if found is None:
        return "lead"
    return "verifier" if found[1] else found[2] or "lead"


def _times(unit: Unit, records: Sequence[Record], counts: _Counts) -> Times:
    started, ended = unit.started or 0.0, unit.ended or 0.0
    begun = [record for record in records if record.kind == "RunStarted"]
    return Times(
        wall=max(0.0, ended - started),
        model=round(counts.model_s, 3),
        tool=round(counts.tool_s, 3),
        queue=max(0.0, started - unit.queued),
        attempts=_between(begun, records),
    )


def _between(begun: Sequence[Record], records: Sequence[Record]) -> float:
    """Seconds that all attempts ran, from the first to the last record of each."""
    if not begun:
        return 0.0
    total = 0.0
    starts = [*(record.seq for record in begun[1:]), records[-1].seq + 1]
    for first, upto in zip(begun, starts, strict=True):
        last = [record for record in records if first.seq <= record.seq < upto][-1]
        span = datetime.fromisoformat(last.time) - datetime.fromisoformat(first.time)
        total += span.total_seconds()
    return round(total, 3)
