"""What becomes of a unit after an attempt, which run again, and when a batch starts no more."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator import events as ev
from orchestrator.limits import Limits
from tasks.batch.rules import (
    STRIKES,
    Died,
    Seen,
    Settled,
    batch_limit,
    settle,
    wall_of,
    wanted_again,
)
from tasks.batch.values import Totals, Unit, interleaved


def unit(**changed: Any) -> Unit:
    row: dict[str, Any] = {
        "batch": "b", "unit": "u", "place": 0, "task": "t", "repeat": 1, "system": "m",
        "priority": 0, "state": "running", "run": "r", "head": 0, "attempt": 1, "strikes": 0,
        "steps": 0, "outcome": "", "failure": "", "calls": 0, "tokens": 0, "usd_micros": 0,
        "queued": 0.0, "started": 1.0, "ended": None, "result": None,
    }  # fmt: skip
    return Unit(**{**row, **changed})


def ended(outcome: ev.OutcomeName, *, resumable: bool = True, **more: Any) -> ev.RunEnded:
    told = ev.Outcome(run="r", outcome=outcome, reason="why", **more)
    return ev.RunEnded(attempt=1, outcome=told, resumable=resumable, digest="d")


@pytest.mark.parametrize(
    ("seen", "died", "state", "outcome", "failure"),
    [
        (ended("answered", resumable=False), Died("u", 0), "done", "answered", ""),
        (ended("partial"), Died("u", 0), "done", "partial", ""),
        (ended("gave_up"), Died("u", 0), "done", "gave_up", ""),
        (ended("failed"), Died("u", 0), "done", "failed", "failed"),
        (ended("needs_human", question="1"), Died("u", 0), "parked", "needs_human", ""),
        (ended("needs_human", fault="overloaded"), Died("u", 0), "done", "infra", "infra"),
        (ended("needs_human"), Died("u", 0), "done", "infra", "infra"),
        (ended("cancelled", resumable=False), Died("u", 0), "done", "cancelled", ""),
        (ended("cancelled"), Died("u", 0), "queued", "", ""),
        (ended("cancelled"), Died("u", 0, "cancel"), "done", "cancelled", ""),
        (ended("answered", resumable=False), Died("u", -9, "wall"), "done", "answered", ""),
        (None, Died("u", -9, "wall"), "done", "partial", "wall"),
        (None, Died("u", -9, "cancel"), "done", "cancelled", ""),
        (None, Died("u", None, "stop"), "queued", "", ""),
        (None, Died("u", 5), "done", "infra", "infra"),
        (None, Died("u", -6), "queued", "", ""),
    ],
)
def test_what_becomes_of_a_unit(
    seen: ev.RunEnded | None, died: Died, state: str, outcome: str, failure: str
) -> None:
    settled = settle(unit(), Seen(seen, steps=0), died)
    assert (settled.state, settled.outcome, settled.failure) == (state, outcome, failure)


def test_a_process_that_dies_again_and_again_without_getting_on_is_given_up() -> None:
    row, settled = unit(), Settled("queued")
    for _ in range(STRIKES):
        assert settled.state == "queued"
        settled = settle(row, Seen(None, steps=0), Died("u", -11, words="boom"))
        row = unit(strikes=settled.strikes)
    assert (settled.state, settled.failure) == ("done", "crash_loop")
    assert "signal 11" in settled.reason
    assert "boom" in settled.reason


def test_a_process_that_dies_but_gets_on_is_started_again() -> None:
    for steps in range(1, 10):
        row = unit(strikes=STRIKES - 1, steps=steps - 1)
        settled = settle(row, Seen(None, steps=steps), Died("u", -9))
        assert (settled.state, settled.strikes) == ("queued", 1)


def test_being_stopped_with_the_scheduler_is_no_strike() -> None:
    settled = settle(unit(strikes=2), Seen(None, steps=0), Died("u", None, "stop"))
    assert (settled.state, settled.strikes) == ("queued", 2)


@pytest.mark.parametrize(
    ("only", "failures"),
    [("infra", ["infra"]), ("crashed", ["crash_loop", "failed"]), ("wall", ["wall"])],
)
def test_retry_means_only_its_class(only: Any, failures: list[str]) -> None:
    every: list[Any] = ["", "infra", "crash_loop", "failed", "wall"]
    is_wanted = wanted_again(only)
    chosen = [name for name in every if is_wanted(unit(state="done", failure=name))]
    assert chosen == failures
    assert not is_wanted(unit(state="queued", failure=failures[0]))


@pytest.mark.parametrize(
    ("limits", "active_s", "name"),
    [
        (Limits(rounds=None, calls=None), 1e9, None),
        (Limits(rounds=None, calls=7), 0.0, "calls"),
        (Limits(rounds=None, calls=None, usd_micros=2_000_000), 0.0, "usd"),
        (Limits(rounds=None, calls=None, tokens=99), 0.0, "tokens"),
        (Limits(rounds=None, calls=8, time_s=60), 61.0, "time"),
        (Limits(rounds=None, calls=8, time_s=60), 59.0, None),
    ],
)
def test_a_limit_of_the_batch_ends_the_starting(
    limits: Limits, active_s: float, name: str | None
) -> None:
    totals = Totals({}, {}, {}, calls=7, tokens=99, usd_micros=2_000_000, active_s=0.0)
    hit = batch_limit(limits, totals, active_s)
    assert (hit.name if hit else None) == name


def test_the_wall_comes_after_the_units_own_time_limit() -> None:
    assert wall_of(Limits(), 3600) == 3600
    assert 600 < wall_of(Limits(time_s=600), 3600) < 700
    assert wall_of(Limits(time_s=9000), 3600) == 3600


def test_repeats_are_interleaved_and_systems_too() -> None:
    planned = interleaved(
        {"a": 0, "b": 7}, {"m": 0, "n": 0}, 2, lambda *key: "/".join(map(str, key))
    )
    assert [item.unit for item in planned] == [
        "a/m/1", "a/n/1", "b/m/1", "b/n/1", "a/m/2", "a/n/2", "b/m/2", "b/n/2",
    ]  # fmt: skip
    assert [item.priority for item in planned] == [0, 0, 7, 7] * 2
