"""WebArena's checks of answers and addresses, with their known weaknesses."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.benchmark.scorers.webarena import score_string, score_url


@pytest.mark.parametrize(
    ("prediction", "gold", "score"),
    [
        ("Blue", {"exact_match": "blue"}, 1),
        ("'Blue'", {"exact_match": "blue"}, 1),
        ('"Blue"', {"exact_match": "blue"}, 1),
        ("'Blue\"", {"exact_match": "blue"}, 0),
        (" blue ", {"exact_match": '"blue"'}, 1),
        ("light blue", {"exact_match": "blue"}, 0),
        ("blue", "Blue", 1),
        ("red and blue", {"must_include": ["blue", "red"]}, 1),
        ("red", {"must_include": ["blue", "red"]}, 0),
        ("bluer", {"must_include": ["blue"]}, 1),
        ("10", {"must_include": ["1"]}, 0),
        ("it is 1.", {"must_include": ["1"]}, 1),
        ("$1", {"must_include": ["1"]}, 1),
        ("(1)", {"must_include": ["1"]}, 1),
        ("1,000", {"must_include": ["1"]}, 0),
        ("1.5", {"must_include": ["1"]}, 0),
        ("2-1", {"must_include": ["1"]}, 0),
        ("1/2", {"must_include": ["1"]}, 0),
        ("1:30", {"must_include": ["1"]}, 0),
        ("1, 2", {"must_include": ["1"]}, 1),
        ("a:1", {"must_include": ["1"]}, 0),
        ("1's", {"must_include": ["1"]}, 1),
        ("'1'", {"must_include": ["1"]}, 1),
        ("from 1\u20145", {"must_include": ["1"]}, 1),
        ("1%", {"must_include": ["1"]}, 1),
        ("_1_", {"must_include": ["1"]}, 0),
        ("10 and 20", {"must_include": ["1", "2"]}, 1),
        ("anything", {"must_include": [""]}, 1),
        ("a |OR| b", {"must_include": ["a |OR| b"]}, 1),
        ("a", {"must_include": ["a |OR| b"]}, 0),
        ("N/A", {"fuzzy_match": "N/A"}, 1),
        ("blue", {"reference_answers": {"must_include": ["blue"]}, "eval_types": ["x"]}, 1),
        ("blue", {"exact_match": "blue", "must_include": ["red"]}, 0),
    ],
)
def test_every_string_check_must_hold(prediction: str, gold: Any, score: int) -> None:
    assert score_string(prediction, gold).score == score


def test_a_fuzzy_check_without_a_judge_is_not_taken_for_wrong() -> None:
    gold = {"fuzzy_match": ["seven days"]}
    assert score_string("a week", gold).kind == "grader_error"
    assert score_string("a week", gold, lambda reference, answer: answer == "a week").score == 1
    assert score_string("", gold).score == 0


@pytest.mark.parametrize(
    ("page", "gold", "score"),
    [
        ("http://shop.test/a/b", "http://shop.test/a/b", 1),
        ("https://shop.test/a/b/#top", "http://shop.test/a/b/", 1),
        ("http://shop.test/a/bananas", "http://shop.test/a/b", 1),
        ("http://shop.test/a", "http://shop.test/a/b", 0),
        ("http://other.test/?to=shop.test/a", "http://shop.test/a", 0),
        ("http://shop.test/b", "http://shop.test/a |OR| http://shop.test/b", 1),
        ("http://shop.test/a?x=1&y=2", "http://shop.test/a?x=1", 1),
        ("http://shop.test/a?x=2", "http://shop.test/a?x=1", 0),
        ("http://shop.test/a", "http://shop.test/a?x=1", 0),
        ("http://shop.test/a?x=2", "http://shop.test/a?x=1 |OR| http://shop.test/b?x=2", 1),
        ("http://shop.test/a?x=1", {"reference_url": "http://shop.test/a?x=1"}, 1),
        ("http://shop.test/a?x=1", "http://shop.test/a/?x=1", 0),
        ("http://shop.test/a?x=1/", "http://shop.test/a?x=1", 1),
        ("http://[bad", "http://shop.test/a", 0),
    ],
)
def test_the_page_must_be_at_one_of_the_addresses(page: str, gold: Any, score: int) -> None:
    assert score_url(page, gold).score == score


@pytest.mark.parametrize("gold", [None, {}, "", {"reference_url": "x", "url_note": "EXACT"}])
def test_an_unknown_rule_or_no_address_cannot_be_judged(gold: Any) -> None:
    assert score_url("http://shop.test/a", gold).kind == "grader_error"
