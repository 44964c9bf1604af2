"""Every unit falls into one class, and says how it failed in published terms."""

from __future__ import annotations

from typing import Any

import pytest
from bench_rows import row
from hypothesis import given
from hypothesis import strategies as st

from tasks.benchmark.outcomes import CLASSES, class_of, failures_of
from tasks.benchmark.scorers.score import unjudged


@pytest.mark.parametrize(
    ("score", "more", "expected"),
    [
        (1.0, {}, "correct"),
        (1.0, {"ended": "partial", "limit": "rounds"}, "correct"),
        (0.4, {}, "partial"),
        (0.4, {"ended": "partial", "limit": "rounds"}, "partial"),
        (0.0, {}, "wrong"),
        (0.0, {"lenient": True}, "format_only"),
        (0.0, {"answer": None}, "no_answer"),
        (0.0, {"answer": "  "}, "no_answer"),
        (0.0, {"ended": "partial", "limit": "rounds"}, "limit_turns"),
        (0.0, {"ended": "partial", "limit": "calls"}, "limit_turns"),
        (0.0, {"ended": "partial", "limit": "time"}, "limit_time"),
        (0.0, {"ended": "partial", "limit": "usd"}, "limit_cost"),
        (0.0, {"ended": "partial", "limit": "tokens"}, "limit_cost"),
        (0.0, {"ended": "gave_up"}, "stalled"),
        (0.0, {"ended": "gave_up", "signals": {"denied": 2}}, "blocked_by_policy"),
        (0.0, {"ended": "gave_up", "signals": {"contamination": 1}}, "blocked_by_policy"),
        (0.0, {"signals": {"contamination": 1}}, "wrong"),
        (0.0, {"signals": {"page_captcha": 1}}, "wrong"),
        (None, {"ended": "needs_human", "answer": None}, "blocked_by_policy"),
        (0.0, {"signals": {"denied": 2}}, "wrong"),
        (None, {"ended": "failed", "answer": None}, "agent_error"),
        (None, {"ended": "crashed", "answer": None}, "agent_error"),
        (None, {"ended": "failed", "fault": "context_too_long"}, "agent_error"),
        (None, {"ended": "partial", "fault": "rate_limit"}, "infra_error"),
        (None, {"ended": "infra"}, "infra_error"),
        (0.0, {"signals": {"captcha": 1}}, "infra_error"),
        (1.0, {"signals": {"captcha": 1}}, "correct"),
        (None, {}, "grader_error"),
        (None, {"ended": "cancelled", "answer": None}, "missing"),
        (None, {"ended": "not_run", "answer": None}, "missing"),
    ],
)
def test_a_unit_has_one_class(score: float | None, more: dict[str, Any], expected: str) -> None:
    assert class_of(row("a", score, **more)) == expected


def test_what_the_grader_could_not_judge_is_not_wrong() -> None:
    assert class_of(row("a", unjudged("needs a judge"))) == "grader_error"


@given(
    st.sampled_from(["answered", "partial", "gave_up", "needs_human", "cancelled", "failed",
                     "crashed", "infra", "not_run"]),
    st.sampled_from([None, "rounds", "time", "usd"]),
    st.sampled_from([None, "rate_limit", "content_filter"]),
    st.sampled_from([None, 0.0, 0.5, 1.0]),
    st.booleans(),
)  # fmt: skip
def test_any_row_is_classed(
    ended: Any, limit: Any, fault: Any, score: float | None, lenient: bool
) -> None:
    found = row("a", score, ended=ended, limit=limit, fault=fault, lenient=lenient)
    assert class_of(found) in CLASSES
    assert isinstance(failures_of(found), tuple)


@pytest.mark.parametrize(
    ("score", "more", "code"),
    [
        (0.0, {"signals": {"loops": 1}}, "repeated-steps"),
        (0.0, {"ended": "partial", "limit": "rounds"}, "no-end"),
        (0.0, {"lenient": True}, "disobeyed-task"),
        (0.0, {"signals": {"answer_seen": 1}}, "withheld"),
        (0.0, {"signals": {"open_steps": 2}}, "early-end"),
        (0.0, {"signals": {"unsupported": 1}}, "unverified"),
        (0.0, {"signals": {"unsupported": 0}}, "verified-wrong"),
        (0.0, {"signals": {"tool_error:goto": 3}}, "tool-failure"),
        (0.0, {"signals": {"code_never_ran": 1}}, "no-code-run"),
    ],
)
def test_a_failure_has_its_code(score: float, more: dict[str, Any], code: str) -> None:
    assert code in failures_of(row("a", score, **more))


def test_a_right_answer_and_an_outage_have_no_failure_code() -> None:
    assert failures_of(row("a", 1.0, signals={"loops": 3})) == ()
    assert failures_of(row("a", 0.0, ended="infra", signals={"loops": 3})) == ()
    assert class_of(row("a", 1 - 1e-12)) == "correct"
