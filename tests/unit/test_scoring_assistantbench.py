"""AssistantBench's rule, with the places where the official code is odd or crashes."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tasks.benchmark.scorers.alignment import best_total
from tasks.benchmark.scorers.assistantbench import score_log10, score_official

LN2 = 1 - math.log(2)

NUMBERS: list[tuple[Any, Any, float]] = [
    ("17", "17", 1),
    (17, "17", 1),
    ("17.0", 17, 1),
    ("$55", "55", 1),
    ("55%", "55", 1),
    ("1200 sqft", "1200", 1),
    ("12 square kilometers", "12", 1),
    ("12 square meters", "12", 0),
    ("1,234", "1.234", 1),
    ("1234", "1,234", 0),
    ("20", "10", LN2),
    ("10", "20", LN2),
    ("27.2", "10", 0),
    ("0", "0", 1),
    ("0", "0.0001", 1),
    ("1", "0", 0),
    ("-10", "10", 0),
    ("-10", "-20", LN2),
    ("-5", "-5", 1),
    ("seventeen", "17", 0),
    ('"17"', "17", 1),
    ([1, 2], "17", 0),
    ("nan", "17", 0),
    ("inf", "inf", 0),
]
WORDS: list[tuple[Any, Any, float]] = [
    ("The Cat", "cat", 1),
    ("cat-dog", "dog cat", 1),
    ("cats", "cat", 0),
    ("Potash Markets", "Potash Markets - Clark Street", 2 * 1 * 0.5 / 1.5),
    ("cat cat cat", "cat", 1),
    ("3 dogs", "3 dogs", 1),
    ("4 dogs", "3 dogs", 0),
    ("dogs", "3 dogs", 0),
    ("3.0 dogs", "3 dogs", 1),
    ("it's", "its", 1),
    ("the", "a an", 1),
    ("cat", "the", 0),
    ('["cat", "dog"]', "dog\ncat", 1),
    (["cat", "dog"], ["dog", "cat"], 1),
    ('["cat"]', "dog\ncat", 0.5),
    ('["cat", "dog", "cow"]', "dog\ncat", 2 / 3),
    ("dog\ncat", "dog\ncat", (2 * 0.5 / 1.5) / 2),
    ([3, 4], "three\nfour", 0),
    (["3"], "3 dogs", 0),
    ("  \n", "cat", 0),
]
OBJECTS: list[tuple[Any, Any, float]] = [
    ('{"a": "x"}', "{'a': 'x'}", 1),
    ({"a": "x"}, '{"a": "x"}', 1),
    ('{"a": "$5"}', '{"a": 5}', 1),
    ('{"a": "5 square kilometers"}', '{"a": 5}', 0),
    ('{"a": "x", "b": "y"}', '{"a": "x"}', 2 * 0.5 / 1.5),
    ('{"a": "x"}', '{"a": "x", "b": "y"}', 2 * 0.5 / 1.5),
    ('{"a": 20}', '{"a": 10}', LN2),
    ('{"a": true}', '{"a": true}', 1),
    ('{"a": ["x", "y"]}', '{"a": ["y", "x"]}', 1),
    ('{"b": "x"}', '{"a": "x"}', 0),
    ('[{"a": 2}, {"a": 1}]', '{"a": 1}\n{"a": 2}', 1),
    ('{"a": 1}\n{"a": 2}', '{"a": 1}\n{"a": 2}', 1),
    ('{"a": 1}', '{"a": 1}\n{"a": 2}', 0.5),
    ("x", '{"a": 1}', 0),
    ("[10, 20]", "10\n20", 0),
    ("10\n20", "10\n20", 0),
]
CRASHES: list[tuple[Any, Any]] = [
    (True, "cat"),
    ("true", "17"),
    ("[17]", "17"),
    ('["17"]', "17"),
    ('{"a": 1}', "17"),
    ('{"a": null}', '{"a": null}'),
    ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
    ("{}", "{}"),
    ('{"a": [], "b": "x"}', '{"a": [], "b": "x"}'),
    ('[{"a": 1}, "x"]', '{"a": 1}'),
    ("9" * 400, "17"),
]


@pytest.mark.parametrize(("prediction", "gold", "score"), [*NUMBERS, *WORDS, *OBJECTS])
def test_the_official_rule(prediction: Any, gold: Any, score: float) -> None:
    assert score_official(prediction, gold).score == pytest.approx(score, abs=1e-9)


@pytest.mark.parametrize(("prediction", "gold"), CRASHES)
def test_where_the_official_code_crashes_the_score_is_zero(prediction: Any, gold: Any) -> None:
    assert score_official(prediction, gold).score == 0


@pytest.mark.parametrize(
    "prediction", [None, "", "[]", "{}", "null", "NaN", "nan", [], '[""]', "[[], {}]"]
)
def test_a_blank_prediction_is_no_answer(prediction: Any) -> None:
    score = score_official(prediction, "cat")
    assert (score.kind, score.detail["has_answer"]) == ("no_answer", 0)


@pytest.mark.parametrize(
    ("prediction", "gold", "official", "order_of_magnitude"),
    [
        ("20", "10", 0.3069, 0.6990),
        ("100", "10", 0, 0),
        ("30", "10", 0, 0.5229),
        ("-20", "10", 0, 0),
        ("cat", "cat", 1, 1),
    ],
)
def test_the_base_of_the_logarithm_is_all_that_differs(
    prediction: str, gold: str, official: float, order_of_magnitude: float
) -> None:
    assert score_official(prediction, gold).score == pytest.approx(official, abs=1e-4)
    assert score_log10(prediction, gold).score == pytest.approx(order_of_magnitude, abs=1e-4)


@pytest.mark.parametrize(
    ("gains", "total"),
    [
        ([[1.0]], 1.0),
        ([[0.9, 1.0], [0.0, 0.9]], 1.8),
        ([[0.9, 1.0], [0.8, 0.0]], 1.8),
        ([[0.2, 0.5, 0.9]], 0.9),
        ([[0.2], [0.5], [0.9]], 0.9),
        ([[0.6, 0.5, 0.0], [0.6, 0.0, 0.1], [0.5, 0.4, 0.4]], 1.5),
        ([], 0.0),
        ([[]], 0.0),
    ],
)
def test_the_best_assignment_is_not_the_greedy_one(gains: list[list[float]], total: float) -> None:
    assert best_total(gains) == pytest.approx(total)
