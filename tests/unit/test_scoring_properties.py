"""Whatever comes in, a scorer gives a score between 0 and 1 that can be written as JSON."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.benchmark.scorers.lenient import would_accept
from tasks.benchmark.scorers.registry import PURE, guarded
from tasks.benchmark.scorers.score import Score

TRICKY = st.sampled_from(
    ["", "nan", "inf", "-0", "1,234", "1e400", "\ud800", "{'a': 1}", "[1]", "null", "true", "[[]]",
     "{}", '{"a": null}', "a\nb", "1\n2", "N/A", "http://[", "\u00bd", "A", "1_0", " \u200b"]
)  # fmt: skip
TEXT = st.text(max_size=30) | TRICKY
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
GOLD = VALUE | st.fixed_dictionaries(
    {}, optional={"reference_answers": VALUE, "reference_url": VALUE, "exact_match": VALUE,
                  "must_include": VALUE, "fuzzy_match": VALUE, "value": VALUE, "rel": VALUE}
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(prediction=VALUE, gold=GOLD)
def test_a_scorer_never_raises(prediction: Any, gold: Any) -> None:
    for name, scorer in PURE.items():
        score = scorer(prediction, gold)
        assert 0 <= score.score <= 1, name
        assert score.why
        json.dumps(score.model_dump(), allow_nan=False)
    would_accept(prediction, gold)


@settings(max_examples=50, deadline=None)
@given(text=st.text("abcdefgh XYZ", min_size=1, max_size=20).filter(str.strip))
def test_a_text_of_words_is_always_right_about_itself(text: str) -> None:
    for name in ("gaia/2023", "exact", "contains", "assistantbench/official"):
        assert PURE[name](text, text).score == 1, name


def test_numbers_and_nesting_beyond_all_bounds_are_judged() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    for name, scorer in PURE.items():
        for hard in (deep, 10**5000, "9" * 10_000, ["x"] * 20_000, "x " * 50_000):
            assert 0 <= scorer(hard, "17").score <= 1, name
            assert 0 <= scorer("17", hard).score <= 1, name


def test_a_rule_that_fails_is_a_grader_error_and_not_a_wrong_answer() -> None:
    def broken(_prediction: Any, _gold: Any) -> Score:
        raise RecursionError

    score = guarded(broken)("17", "17")
    assert (score.score, score.kind) == (0, "grader_error")
