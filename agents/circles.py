"""Tells by plain code that an agent goes in circles. Pure."""

from __future__ import annotations

from collections.abc import Sequence

LOOP_WINDOW = 8
LOOP_REPEATS = 3


def repetition(done: Sequence[tuple[str, str]]) -> str | None:
    """What is repeated: the same call with the same result three times within the window, or
    two calls in turn three times over (A-B-A-B-A-B)."""
    recent = [told for told, _what in done[-LOOP_WINDOW:]]
    if recent and recent.count(recent[-1]) >= LOOP_REPEATS:
        return f"{done[-1][1]} brought the same result {LOOP_REPEATS} times"
    tail = recent[-2 * LOOP_REPEATS :]
    alternates = len(tail) == 2 * LOOP_REPEATS and len(set(tail)) == 2 and tail[:2] * 3 == tail
    return f"{done[-2][1]} and {done[-1][1]} in turn" if alternates else None


def settled(text: str) -> str:
    """An observation without what changes by itself: clocks, counters of time, positions."""
    kept = [line for line in text.splitlines() if not line.startswith(("scroll", "time", "took"))]
    return "\n".join(kept)
