"""Limits of a run and what counts against them. Values only."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from pydantic import Field

from orchestrator.errors import UsageError
from orchestrator.models.llm import Frozen, Usage

LimitName = Literal["rounds", "calls", "tokens", "usd", "time"]
MICROS = 1_000_000
MOST = 1e15
"""Above this a float no longer counts single units, and no run comes near."""


class Limits(Frozen):
    """Bounds of a run; None means none. Money in micro-dollars, time in seconds.

    `rounds`, `calls`, `tokens`, `usd` and `time` end a run as `partial`; `stalls` and `replans`
    belong to the strategy. Defaults as published for Magentic-One's stall rule.
    """

    rounds: int | None = Field(default=30, ge=1)
    calls: int | None = Field(default=200, ge=1)
    tokens: int | None = Field(default=None, ge=1)
    usd_micros: int | None = Field(default=None, ge=0)
    time_s: float | None = Field(default=None, gt=0)
    stalls: int = Field(default=3, ge=1)
    replans: int = Field(default=2, ge=0)


class LimitHit(Frozen):
    """Which limit ended a run."""

    name: LimitName
    used: float
    allowed: float


def parse_limits(text: str, base: Limits) -> Limits:
    """Read `rounds=30,calls=120,tokens=2M,usd=1.50,time=20m` over a base. Raises UsageError."""
    changes: dict[str, object] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, value = part.partition("=")
        known = _READERS.get(name.strip())
        if known is None:
            raise UsageError(
                f"unknown limit {name.strip()!r}",
                fix=f"the limits are {', '.join(_READERS)}; for example rounds=30,time=20m",
            )
        field, read = known
        try:
            amount = read(value.strip().lower())
        except ValueError as error:
            raise UsageError(
                f"the limit {part!r} is not understood: {error}",
                fix="for example rounds=30,calls=120,tokens=2M,usd=1.50,time=20m",
            ) from error
        changes[field] = amount
    return Limits.model_validate({**base.model_dump(), **changes})


def first_hit(limits: Limits, *, rounds: int, spent: Usage, elapsed_s: float) -> LimitHit | None:
    """The first limit that leaves no room for one more round or call."""
    tokens = spent.prompt_tokens + spent.completion_tokens
    used: tuple[tuple[LimitName, float, float | None], ...] = (
        ("rounds", rounds, limits.rounds),
        ("calls", spent.calls, limits.calls),
        ("tokens", tokens, limits.tokens),
        ("usd", (spent.usd_micros or 0) / MICROS, _dollars(limits.usd_micros)),
        ("time", round(elapsed_s, 3), limits.time_s),
    )
    for name, amount, allowed in used:
        if allowed is not None and amount >= allowed:
            return LimitHit(name=name, used=amount, allowed=allowed)
    return None


def _dollars(micros: int | None) -> float | None:
    return None if micros is None else micros / MICROS


def _count(text: str) -> int:
    scale = {"k": 1_000, "m": 1_000_000}.get(text[-1:], 1)
    amount = float(text[:-1] if scale > 1 else text) * scale
    if not 1 <= amount < MOST or amount != int(amount):
        raise ValueError("give a whole number of at least 1")
    return int(amount)


def _allowed(text: str) -> int:
    if not text.isdigit():
        raise ValueError("give a whole number")
    return int(text)


def _money(text: str) -> int:
    amount = float(text.removeprefix("$"))
    if not 0 < amount < 1e9:
        raise ValueError("give a positive amount of US dollars")
    return max(1, round(amount * MICROS))


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(s|m|h|d)?", text)
    if match is None or float(match[1]) == 0:
        raise ValueError("give a positive time such as 90s, 20m or 2h")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2] or "s"]


_READERS: dict[str, tuple[str, Callable[[str], float]]] = {
    "rounds": ("rounds", _count),
    "calls": ("calls", _count),
    "tokens": ("tokens", _count),
    "usd": ("usd_micros", _money),
    "time": ("time_s", _seconds),
    "stalls": ("stalls", _count),
    "replans": ("replans", _allowed),
}
