"""Rules for one's own suites, and the forgiving one that only tells form from content."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.benchmark.scorers.lenient import would_accept
from tasks.benchmark.scorers.plain import score_contains, score_exact, score_number


@pytest.mark.parametrize(
    ("prediction", "gold", "score"),
    [
        ("abc", " abc\n", 1),
        ("Abc", "abc", 0),
        ("17", 17, 1),
        (17, 17.0, 1),
        (True, 1, 0),
        ({"a": [1]}, {"a": [1]}, 1),
        (["a", "b"], ["b", "a"], 0),
        ("", "", 1),
    ],
)
def test_exact_is_the_same_but_for_outer_blanks(prediction: Any, gold: Any, score: int) -> None:
    assert score_exact(prediction, gold).score == score


@pytest.mark.parametrize(
    ("prediction", "gold", "score"),
    [
        ("It is Ellis  Components.", "ellis components", 1),
        ("Alder, then Ellis", ["ellis", "alder"], 1),
        ("Alder only", ["ellis", "alder"], 0),
        ("total 1486.50", 1486.5, 1),
        ("", "x", 0),
    ],
)
def test_contains_wants_every_phrase(prediction: Any, gold: Any, score: int) -> None:
    assert score_contains(prediction, gold).score == score


@pytest.mark.parametrize(
    ("prediction", "gold", "score"),
    [
        ("EUR 1,486.50 in total", 1486.5, 1),
        ("-5 degrees", "-5", 1),
        ("\u22125", -5, 1),
        ("$3", "3", 1),
        ("6.02e23", 6.02e23, 1),
        ("10 of 20", 10, 0),
        ("10, so 10", 10, 1),
        ("ten", 10, 0),
        (10, 10, 1),
        ("10.1", {"value": 10, "rel": 0.02}, 1),
        ("10.1", {"value": 10, "rel": 0.001}, 0),
        ("0.05", {"value": 0, "abs": 0.1}, 1),
        (True, 1, 0),
    ],
)
def test_number_wants_one_number_within_the_tolerance(
    prediction: Any, gold: Any, score: int
) -> None:
    assert score_number(prediction, gold).score == score


@pytest.mark.parametrize("gold", [None, "ten", {"value": None}, {"value": 1, "rel": "x"}, [1]])
def test_a_gold_answer_that_is_no_number_cannot_be_judged(gold: Any) -> None:
    assert score_number("10", gold).kind == "grader_error"


def test_an_empty_phrase_is_in_every_answer_and_so_is_refused() -> None:
    assert score_contains("anything", ["", "x"]).kind == "grader_error"


@pytest.mark.parametrize(
    ("prediction", "gold", "accepted"),
    [
        ("The answer is 17 units", "17", True),
        ("1,234", "1234", True),
        ("b and a", "a, b", True),
        ("a", "a, b", False),
        ("\u00e9clair Nero", "Eclair Nero", True),
        ("18", "17", False),
        ("170", "17", False),
        ("", "17", False),
        (None, "17", False),
    ],
)
def test_the_forgiving_rule_sees_the_right_content_in_another_form(
    prediction: Any, gold: Any, accepted: bool
) -> None:
    assert would_accept(prediction, gold) is accepted
