"""When the next request may go, as pure arithmetic over what all processes share.

A leaky bucket in the form that needs one number per limit: the time at which the bucket will have
run empty (the generic cell rate algorithm, ITU-T I.371). A tenth of a minute's allowance may go at
once, and no minute sees more than the limit.
"""

from __future__ import annotations

from dataclasses import dataclass

MINUTE = 60.0
BURST = 0.1


@dataclass(frozen=True, slots=True)
class Turn:
    """A request may go at `at`; `empty` is the bucket's new state. Seconds since 1970."""

    at: float
    empty: float


def take(now: float, empty: float, amount: float, per_minute: int | None) -> Turn:
    """Take an amount out of a bucket that will have run empty at `empty`."""
    if per_minute is None:
        return Turn(now, empty)
    burst = max(1.0, per_minute * BURST)
    seconds_each = MINUTE / (per_minute - burst + 1)
    cost = amount * seconds_each
    waiting = max(empty, now)
    slack = max(0.0, burst * seconds_each - cost)
    return Turn(max(now, waiting - slack), waiting + cost)
