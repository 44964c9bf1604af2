"""How a judge's reply is read: three grades, and everything else is said to be unreadable."""

from __future__ import annotations

import pytest

from tasks.benchmark.scorers.graded import read_grade, score_graded


@pytest.mark.parametrize(
    ("reply", "grade"),
    [
        ("A", "correct"),
        ("b", "incorrect"),
        (" C.\n", "not_attempted"),
        ("**A**", "correct"),
        ("(B)", "incorrect"),
        ("A: CORRECT", "correct"),
        ("CORRECT", "correct"),
        ("INCORRECT", "incorrect"),
        ("Not attempted.", "not_attempted"),
        ("NOT_ATTEMPTED", "not_attempted"),
        ("Grade: B", "incorrect"),
        ('{"grade": "A"}', "correct"),
        ('```json\n{"verdict": "incorrect"}\n```', "incorrect"),
        ('"C"', "not_attempted"),
        # anything that would have to be guessed
        ("A: INCORRECT", None),
        ("The answer is correct", None),
        ("incorrect: yes", None),
        ("A or B", None),
        ("", None),
        ("D", None),
        ("Correctly, B", None),
        ('{"grade": "A", "verdict": "B"}', None),
        ('{"grade": 1}', None),
        ("[" * 100_000, None),
    ],
)
def test_a_grade_is_read_or_there_is_none(reply: str, grade: str | None) -> None:
    assert read_grade(reply) == grade


def test_only_a_stated_grade_is_a_verdict() -> None:
    assert score_graded("Paris", "Paris", "A").score == 1
    assert score_graded("Rome", "Paris", "B").score == 0
    assert score_graded("Rome", "Paris", "hm").kind == "grader_error"
    assert "--model" in score_graded("Rome", "Paris").why
    assert score_graded("", "Paris", "A").kind == "no_answer"
