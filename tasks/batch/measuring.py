"""Reads the records of a unit's run as the row of a report: cost, times, and what was seen.

Needs no gold and gives no score. Signals are counted off the events, never judged by a model.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orchestrator import events as ev
from orchestrator.journal import Record
from orchestrator.models.llm import Usage
from tasks.batch.rules import Seen, Settled
from tasks.batch.values import Unit
from tasks.benchmark.rows import Spent, Times, UnitResult

STEP_OF = re.compile(r"round/\d+/(?:lead|(verify)|\d+\.([^/]+)|(.+?))(?:/|$)")
CAPTCHA = re.compile(r"\bcaptcha\b", re.IGNORECASE)
BLOCKED = re.compile(r"\b(?:page_kind|kind): (?:login_wall|paywall|error_page)\b")
RUNS_CODE = frozenset({"run", "run_program", "execute"})


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


def measured(unit: Unit, settled: Settled, seen: Seen, records: Sequence[Record]) -> UnitResult:
    """The row of a unit, without a score."""
    counted = _counted(records)
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
            "signals": {**counted.signals, **_outcome_signals(outcome)},
            "failed_agent": counted.failed_agent,
            "failed_step": counted.failed_step,
            "run": unit.run,
        }
    )


@dataclass(slots=True)
class _Counts:
    usages: dict[tuple[str, str], Usage] = field(default_factory=lambda: defaultdict(Usage))
    wasted: Usage = field(default_factory=Usage)
    signals: Counter[str] = field(default_factory=Counter)
    model_s: float = 0.0
    tool_s: float = 0.0
    rounds: int = 0
    failed_agent: str = ""
    failed_step: str = ""

    def spent(self) -> tuple[Spent, ...]:
        return tuple(
            Spent(role=role, model=model, usage=usage)
            for (role, model), usage in sorted(self.usages.items())
        )


def _counted(records: Iterable[Record]) -> _Counts:
    counts = _Counts()
    tools: dict[str, str] = {}
    for record in records:
        body = record.body
        if body is None:
            continue
        match record.kind:
            case "RoundOpened":
                counts.rounds += 1
            case "StepIntended" if body["step"] == "tool":
                asked = body.get("request")
                tools[record.key] = str(asked["tool"]) if _names_tool(asked) else ""
            case "StepDone":
                _step(counts, record, body, tools.get(record.key, ""))
            case "StepFailed" if body.get("usage"):
                counts.wasted += Usage.model_validate(body["usage"])
            case "Reported":
                _report(counts, record, body)
            case _:
                counts.signals.update(_signal(record.kind, body))
    if counts.signals["code_written"] and not counts.signals["code_run"]:
        counts.signals["code_never_ran"] = 1
    for inner in ("code_written", "code_run"):
        del counts.signals[inner]
    return counts


def _step(counts: _Counts, record: Record, body: dict[str, Any], tool: str) -> None:
    if body["step"] == "model":
        counts.model_s += record.duration_s
        usage = Usage.model_validate(body["usage"] or {})
        counts.usages[_role(record.key), body.get("model") or ""] += usage
        return
    counts.tool_s += record.duration_s
    value = body.get("value")
    if not isinstance(value, dict):
        return
    if tool in RUNS_CODE:
        counts.signals["code_run"] += 1
    if value.get("failed"):
        counts.signals[f"tool_error:{tool or body['step']}"] += 1
    text = str(value.get("text") or "")
    if value.get("failed") and CAPTCHA.search(text):
        counts.signals["captcha"] += 1
    if BLOCKED.search(text[:2_000]):
        counts.signals["blocked_page"] += 1


def _report(counts: _Counts, record: Record, body: dict[str, Any]) -> None:
    report = body["report"]
    if report.get("code"):
        counts.signals["code_written"] += 1
    if report["status"] != "done" and not counts.failed_agent:
        counts.failed_agent, counts.failed_step = body["agent"], record.key


def _signal(kind: str, body: dict[str, Any]) -> dict[str, int]:
    match kind:
        case "Replanned":
            return {"replans": 1}
        case "LoopDetected":
            return {"loops": 1}
        case "StepUnknown":
            return {"unknown_steps": 1}
        case "QuestionAnswered" if body["answer"]["status"] == "denied":
            return {"denied": 1}
        case _:
            return {}


def _outcome_signals(outcome: ev.Outcome | None) -> dict[str, int]:
    if outcome is None or outcome.outcome != "answered":
        return {}
    return {"unsupported": len(outcome.unsupported)}


def _names_tool(request: object) -> bool:
    """Whether a step's request is a tool call: agents of other packages record what they like."""
    return isinstance(request, dict) and "tool" in request


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
