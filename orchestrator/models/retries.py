"""When to ask an endpoint again: exponential with jitter, never sooner than it asked for.

Bounded by tries and by the total time, so that a run ends with a fault instead of a hang.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential_jitter

from orchestrator.models.faults import RETRYABLE, Rejected

Sleep = Callable[[float], Awaitable[None]]
Now = Callable[[], datetime]
MISPLACED_TRIES = 2


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`tries` counts the first one. Six tries with these waits outlast four failures in a row.

    The clock and the way to wait are part of it, so that tests need not wait.
    """

    tries: int = 6
    total_s: float = 300.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    sleep: Sleep = asyncio.sleep
    now: Now = utc_now


def retrying(policy: RetryPolicy, note: Callable[[Rejected, float], None]) -> AsyncRetrying:
    """A tenacity loop over Rejected; the last one comes out. `note` sees each that is waited for,
    with the seconds."""
    backoff = wait_exponential_jitter(
        multiplier=policy.first_wait_s, max=policy.longest_wait_s, jitter=policy.first_wait_s
    )

    def wait(state: RetryCallState) -> float:
        asked_for = _rejected(state).retry_after
        if asked_for is None:
            return backoff(state)
        return asked_for * random.uniform(1.0, 1.1)

    def stop(state: RetryCallState) -> bool:
        rejected = _rejected(state)
        tries = MISPLACED_TRIES if rejected.looks_misplaced else policy.tries
        # Injected sleeps take no time, so both clocks are looked at.
        spent = max(state.idle_for, state.seconds_since_start or 0.0)
        return state.attempt_number >= tries or spent + state.upcoming_sleep > policy.total_s

    return AsyncRetrying(
        sleep=policy.sleep,
        wait=wait,
        stop=stop,
        retry=retry_if_exception(_worth_it),
        before_sleep=lambda state: note(_rejected(state), state.upcoming_sleep),
        reraise=True,
    )


def retry_after(headers: Mapping[str, str], now: Now) -> float | None:
    """Seconds that an endpoint asks us to wait: milliseconds, seconds, or a date."""
    millis = _number(headers.get("retry-after-ms"))
    if millis is not None:
        return millis / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if value is None or seconds is not None:
        return seconds
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now()).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return max(0.0, number) if number < float("inf") else None


def _rejected(state: RetryCallState) -> Rejected:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, Rejected):
        raise TypeError("only a Rejected is ever retried")
    return error


def _worth_it(error: BaseException) -> bool:
    return isinstance(error, Rejected) and error.kind in RETRYABLE and not error.final
