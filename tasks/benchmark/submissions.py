"""Answers in the form that a leaderboard takes, for splits whose gold is hidden.

One line for every planned task: an answer that is not there is submitted as an empty one, never
left out of the denominator.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from orchestrator.errors import UsageError
from tasks.benchmark.cases import Suite

FIELDS = {"gaia": ("task_id", "model_answer"), "assistantbench": ("id", "answer")}


def submission_lines(suite: Suite, answers: Mapping[str, str | None]) -> Iterator[str]:
    """The file's lines, in the suite's order. Raises UsageError for a suite without leaderboard."""
    if suite.name not in FIELDS:
        raise UsageError(
            f"there is no submission format for {suite.name}", fix=f"for {', '.join(FIELDS)} only"
        )
    name, answer = FIELDS[suite.name]
    for case in suite.cases:
        record = {name: case.id, answer: answers.get(case.id) or ""}
        yield json.dumps(record, ensure_ascii=False)
