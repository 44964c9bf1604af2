"""How a batch is told: lines for people, records for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.batch.store import Batch
from tasks.batch.values import Totals
from tasks.cli.ending import count_text, money_text, time_text


def status_lines(batch: Batch, totals: Totals, *, is_live: bool) -> list[str]:
    """How a batch stands, for people."""
    name = batch.batch
    lines = [f"batch {name}: {totals.done} of {totals.planned} units done, {at_work(totals)}"]
    lines += [f"  {_counts(totals.outcomes)}"] if totals.outcomes else []
    lines += [f"  not the tasks' fault: {_counts(totals.failures)}"] if totals.failures else []
    lines.append(f"  {spent_text(totals)}, {time_text(totals.active_s)} of work")
    if is_live:
        lines.append(f"  carried by {batch.owner}")
    elif totals.states.get("parked") and totals.done + totals.states["parked"] == totals.planned:
        lines.append(f"  questions wait: quaestor inbox; then: quaestor batch resume {name}")
    elif totals.done < totals.planned:
        lines.append(f"  nobody carries it; go on: quaestor batch resume {name}")
    if totals.failures.get("infra"):
        lines.append(f"  once that is mended: quaestor batch retry {name} --only infra")
    return lines


def batch_record(batch: Batch, totals: Totals, *, is_live: bool) -> dict[str, Any]:
    """The same for programs."""
    return {
        "batch": batch.batch,
        "created": batch.created,
        "tasks": str(batch.plan.tasks),
        "systems": sorted(batch.plan.systems),
        "repeats": batch.plan.repeats,
        "cancelled": batch.cancelled,
        "live": is_live,
        **totals_record(totals),
    }


def totals_record(totals: Totals) -> dict[str, Any]:
    """The counts of a batch."""
    return {
        "planned": totals.planned,
        "done": totals.done,
        "states": dict(totals.states),
        "outcomes": dict(totals.outcomes),
        "failures": dict(totals.failures),
        "calls": totals.calls,
        "tokens": totals.tokens,
        "usd": None if totals.usd_micros is None else totals.usd_micros / 1e6,
        "active_s": round(totals.active_s, 3),
    }


def at_work(totals: Totals) -> str:
    """What is not done yet, by state."""
    states = totals.states
    parts = [f"{states[name]} {name}" for name in ("running", "queued", "parked") if name in states]
    return ", ".join(parts) or "nothing left"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def spent_text(totals: Totals) -> str:
    """What the finished attempts have used."""
    calls, tokens = count_text(totals.calls), count_text(totals.tokens)
    return f"{calls} calls, {tokens} tokens, {money_text(totals.usd_micros)}"
