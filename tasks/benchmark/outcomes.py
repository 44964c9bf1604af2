"""Sorts a unit into exactly one outcome class, and names how it failed in published terms.

Classes are about what to do next: an infrastructure error is tried again, a wrong answer is not.
The failure codes follow two published taxonomies: MAST (arXiv 2503.13657, fourteen modes) and
Who&When (the agent and the step that decided the failure).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from orchestrator.models.llm import Frozen
from tasks.benchmark.rows import UnitResult

OutcomeClass = Literal[
    "correct",
    "partial",
    "wrong",
    "format_only",
    "no_answer",
    "limit_turns",
    "limit_time",
    "limit_cost",
    "stalled",
    "blocked_by_policy",
    "agent_error",
    "infra_error",
    "grader_error",
    "missing",
]
CLASSES: tuple[OutcomeClass, ...] = get_args(OutcomeClass)
NOT_THE_SYSTEM: frozenset[OutcomeClass] = frozenset({"infra_error", "grader_error", "missing"})
"""Classes that say nothing about the system under test: apart from wrong answers, never hidden."""
INFRA_FAULTS = frozenset(
    {"rate_limit", "overloaded", "unreachable", "timeout", "bad_key", "quota", "unknown_model"}
)
BROKEN = ("blocked_page", "page_captcha", "parse_failure")
"""Signals of tools that met something that they could not get past."""
FULL = 1 - 1e-9
_BY_LIMIT: dict[str, OutcomeClass] = {
    "rounds": "limit_turns",
    "calls": "limit_turns",
    "time": "limit_time",
    "usd": "limit_cost",
    "tokens": "limit_cost",
}


class FailureCode(Frozen):
    """A way to fail, with its name in MAST; `mast` is "" where MAST has no such mode."""

    code: str
    mast: str
    about: str


FAILURES: tuple[tuple[FailureCode, Callable[[UnitResult], bool]], ...] = (
    (
        FailureCode(code="repeated-steps", mast="1.3", about="the same step again, no new result"),
        lambda row: bool(row.signals.get("loops")) or class_of(row) == "stalled",
    ),
    (
        FailureCode(code="no-end", mast="1.5", about="went on until a limit"),
        lambda row: class_of(row) in ("limit_turns", "limit_time", "limit_cost"),
    ),
    (
        FailureCode(code="disobeyed-task", mast="1.1", about="right content, wrong form"),
        lambda row: class_of(row) == "format_only",
    ),
    (
        FailureCode(code="withheld", mast="2.4", about="an observation held the answer"),
        lambda row: bool(row.signals.get("answer_seen")) and row.value < FULL,
    ),
    (
        FailureCode(code="early-end", mast="3.1", about="answered with plan steps still open"),
        lambda row: row.ended == "answered" and bool(row.signals.get("open_steps")),
    ),
    (
        FailureCode(code="unverified", mast="3.2", about="nothing that was seen holds the answer"),
        lambda row: row.ended == "answered" and bool(row.signals.get("unsupported")),
    ),
    (
        FailureCode(code="verified-wrong", mast="3.3", about="sources hold it, and it is wrong"),
        lambda row: class_of(row) == "wrong" and row.signals.get("unsupported", 1) == 0,
    ),
    (
        FailureCode(code="tool-failure", mast="", about="tools failed, pages refused or broke"),
        lambda row: (
            any(row.signals.get(name) for name in BROKEN)
            or any(name.startswith("tool_error:") and count for name, count in row.signals.items())
        ),
    ),
    (
        FailureCode(code="no-code-run", mast="2.6", about="a program was written and never run"),
        lambda row: bool(row.signals.get("code_never_ran")),
    ),
)


def class_of(row: UnitResult) -> OutcomeClass:
    """The one class of a unit. A right answer is right however the run ended."""
    if row.ended == "not_run":
        return "missing"
    if row.value >= FULL:
        return "correct"
    not_judged = _not_judged(row)
    if not_judged is not None:
        return not_judged
    if row.value > 0:
        return "partial"
    if row.lenient:
        return "format_only"
    return _without_result(row)


def failures_of(row: UnitResult) -> tuple[str, ...]:
    """The codes of how a unit failed; none for a right one or one that was not judged."""
    kind = class_of(row)
    if kind == "correct" or kind in NOT_THE_SYSTEM:
        return ()
    return tuple(failure.code for failure, shows in FAILURES if shows(row))


def _not_judged(row: UnitResult) -> OutcomeClass | None:
    """Infrastructure and grader come before any verdict on the answer. A CAPTCHA that kept the
    search away is infrastructure, not a wrong answer."""
    if row.ended == "infra" or row.fault in INFRA_FAULTS or row.signals.get("captcha"):
        return "infra_error"
    if row.score is not None and row.score.kind == "grader_error":
        return "grader_error"
    if row.score is None and row.ended == "answered":
        return "grader_error"
    return "missing" if row.ended == "cancelled" else None


def _was_held_back(row: UnitResult) -> bool:
    """Whether consent was denied, or a place was closed to it."""
    return any(row.signals.get(name) for name in ("denied", "contamination"))


def _without_result(row: UnitResult) -> OutcomeClass:
    if row.ended in ("failed", "crashed") or row.fault is not None:
        return "agent_error"
    if row.ended == "needs_human" or (row.ended != "answered" and _was_held_back(row)):
        return "blocked_by_policy"
    if row.ended == "partial" and row.limit is not None:
        return _BY_LIMIT[row.limit]
    if row.ended == "gave_up":
        return "stalled"
    return "wrong" if row.answer and row.answer.strip() else "no_answer"
