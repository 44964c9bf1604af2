"""Limits as people write them, and which one is hit first."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import UsageError
from orchestrator.limits import Limits, first_hit, parse_limits
from orchestrator.models.llm import Usage


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        (" , ,", {}),
        ("rounds=5", {"rounds": 5}),
        ("rounds=5,calls=120", {"rounds": 5, "calls": 120}),
        (" rounds = 5 , calls = 7 ", {"rounds": 5, "calls": 7}),
        ("tokens=2M", {"tokens": 2_000_000}),
        ("tokens=1.5m", {"tokens": 1_500_000}),
        ("tokens=80k", {"tokens": 80_000}),
        ("usd=1.50", {"usd_micros": 1_500_000}),
        ("usd=$2", {"usd_micros": 2_000_000}),
        ("usd=0.0000001", {"usd_micros": 1}),
        ("time=90", {"time_s": 90.0}),
        ("time=90s", {"time_s": 90.0}),
        ("time=1.5h", {"time_s": 5400.0}),
        ("time=2d", {"time_s": 172_800.0}),
        ("stalls=1,replans=0", {"stalls": 1, "replans": 0}),
        ("rounds=5,rounds=6", {"rounds": 6}),
    ],
)
def test_a_limit_is_read_as_written(text: str, expected: dict[str, float]) -> None:
    assert parse_limits(text, Limits()) == Limits().model_copy(update=expected)


@pytest.mark.parametrize(
    "text",
    [
        "rounds", "rounds=", "rounds=0", "rounds=-1", "rounds=1.5", "rounds=ten", "rounds=inf",
        "rounds=nan", "rounds=1e400", "calls=\u00b2", "tokens=k", "usd=0", "usd=-1", "usd=inf",
        "usd=nan", "time=0", "time=-5m", "time=5 minutes", "time=" + "9" * 400, "stalls=0",
        "replans=-1", "replans=1.0", "rouns=5", "=5", "rounds:5",
    ],
)  # fmt: skip
def test_a_limit_that_makes_no_sense_is_a_usage_error_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_limits(text, Limits())
    assert caught.value.fix
    assert "=" in caught.value.fix


@given(st.text(max_size=40) | st.from_regex(r"(rounds|usd|time|tokens)=[\w.\-$]{0,20}"))
def test_any_text_is_limits_or_a_usage_error(text: str) -> None:
    try:
        limits = parse_limits(text, Limits())
    except UsageError:
        return
    assert all(value is None or math.isfinite(value) for value in limits.model_dump().values())


@pytest.mark.parametrize(
    ("limits", "used", "name"),
    [
        ({}, {}, None),
        ({"rounds": 3}, {"rounds": 2}, None),
        ({"rounds": 3}, {"rounds": 3}, "rounds"),
        ({"calls": 2}, {"calls": 1}, None),
        ({"calls": 2}, {"calls": 2}, "calls"),
        ({"tokens": 10}, {"prompt_tokens": 6, "completion_tokens": 4}, "tokens"),
        ({"tokens": 10}, {"prompt_tokens": 6, "completion_tokens": 3}, None),
        ({"usd_micros": 5}, {"usd_micros": 5}, "usd"),
        ({"usd_micros": 5}, {"usd_micros": None}, None),
        ({"time_s": 1.0}, {"elapsed": 1.0}, "time"),
        ({"time_s": 1.0}, {"elapsed": 0.9}, None),
        ({"rounds": 1, "calls": 1, "time_s": 1.0}, {"calls": 1, "elapsed": 9.0}, "calls"),
    ],
)
def test_a_limit_is_hit_when_one_more_would_pass_it(
    limits: dict[str, float], used: dict[str, float], name: str | None
) -> None:
    spent = {field: value for field, value in used.items() if field not in ("rounds", "elapsed")}
    hit = first_hit(
        Limits.model_validate(limits),
        rounds=int(used.get("rounds", 0)),
        spent=Usage.model_validate(spent),
        elapsed_s=used.get("elapsed", 0.0),
    )
    assert (hit.name if hit else None) == name
