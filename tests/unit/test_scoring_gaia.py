"""GAIA's two rules: every branch and every oddity that published scores contain."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.benchmark.scorers.gaia import score_2023, score_magentic_one

RULE_2023: list[tuple[Any, Any, int]] = [
    # the gold answer is a number
    ("17", "17", 1),
    ("17.0", "17", 1),
    ("  17 ", "17", 1),
    ("$17", "17", 1),
    ("17%", "17", 1),
    ("1,700", "1700", 1),
    ("$1,7,0,0%", "1700", 1),
    ("1_7", "17", 1),
    ("1e3", "1000", 1),
    ("1000", "1e3", 1),
    ("1000", "1_000", 1),
    (" 17", " 17 ", 1),
    ("17", "\u0661\u0667", 1),
    ("17.001", "17", 0),
    ("17 units", "17", 0),
    ("\u20ac17", "17", 0),
    ("(17)", "17", 0),
    ("seventeen", "17", 0),
    ("17\u200b", "17", 0),
    ("", "17", 0),
    ("-17", "17", 0),
    ("no number at all", "inf", 1),
    (None, "inf", 1),
    ("nan", "nan", 0),
    (17, 17, 1),
    # the gold answer holds a comma or semicolon
    ("1234", "1,234", 0),
    ("1,234", "1,234", 1),
    ("1, 234.0", "1,234", 1),
    ("1;$234", "1,234", 1),
    ("a,b", "a, b", 1),
    ("A;B", "a, b", 1),
    ("b, a", "a, b", 0),
    ("a, b, c", "a, b", 0),
    ("a and b", "a, b", 0),
    ("a,", "a,", 1),
    ("a", "a,", 0),
    ("a.,b", "a,b", 0),
    ("a\u00a0b,c", "ab,c", 1),
    ("the a, b", "a, b", 0),
    # the gold answer is a text
    ("50", "50%", 1),
    ("50%", "50%", 1),
    ("sea gull", "Seagull", 1),
    ("SEAGULL.", "seagull", 1),
    ("st. john's", "St Johns", 1),
    ("the seagull", "seagull", 0),
    ("\u201cseagull\u201d", "seagull", 0),
    ("a\u2014b", "a-b", 0),
    ("\u00e9clair", "e\u0301clair", 0),
    ("stra\u00dfe", "strasse", 0),
    ("...!", "", 1),
    ("x", "", 0),
    (None, "none", 1),
    (None, "seagull", 0),
    ("a, b", "ab", 1),
]


@pytest.mark.parametrize(("prediction", "gold", "score"), RULE_2023)
def test_the_leaderboards_rule(prediction: Any, gold: Any, score: int) -> None:
    assert score_2023(prediction, gold).score == score


@pytest.mark.parametrize(
    ("prediction", "gold", "score"),
    [
        ("Seagull", "seagull", 1),
        (" sea   gull\n", "Sea Gull", 1),
        ("seagull.", "seagull", 1),
        ("seagull?!.", "seagull", 1),
        ("sea gull", "seagull", 0),
        ("a,b", "a, b", 1),
        ("a , b", "a, b", 0),
        ("a;b", "a, b", 0),
        ("1,700", "1700", 0),
        ("17.0", "17", 0),
        ("$17", "17", 0),
        ("17", "17.", 1),
        ("50", "50%", 0),
        ("(seagull)", "seagull", 0),
        ("", "", 0),
        (".", "?", 0),
        (None, "none", 0),
        (17, "17", 1),
    ],
)
def test_the_rule_of_the_papers_scripts(prediction: Any, gold: Any, score: int) -> None:
    assert score_magentic_one(prediction, gold).score == score


def test_the_branch_that_decided_is_said() -> None:
    rules = [score_2023("x", gold).detail["rule"] for gold in ("17", "a, b", "seagull")]
    assert rules == ["number", "list", "string"]
    assert "1 against 2" in score_2023("1234", "1,234").why


def test_no_answer_and_no_gold_are_told_from_a_wrong_answer() -> None:
    assert score_2023(None, "seagull").kind == "no_answer"
    assert score_magentic_one(None, "seagull").kind == "no_answer"
    assert score_2023("seagull", None).kind == "grader_error"
    assert score_2023("x", "seagull").kind == "judged"
