"""Rules for suites of one's own: `exact`, `contains` and `number`. All give 0 or 1.

`exact`: the same text but for blanks around it, or the same JSON value. `contains`: every wanted
phrase occurs, without regard to case and to how blanks run. `number`: the answer holds exactly one
number, and it is the wanted one; gold may be {"value": 5, "rel": 0.01, "abs": 0}.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from tasks.benchmark.scorers.score import Json, Score, judged, shown, text_of, unanswered, unjudged

REL_TOLERANCE = 1e-9
_GROUPED = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?"
_NUMBER = re.compile(
    rf"(?<![\w.])[-+\u2212]?\s?[$\u20ac\u00a3]?\s?(?:{_GROUPED}|\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d{{1,3}})?"
)


def score_exact(prediction: Json, gold: Json) -> Score:
    """The same text or value."""
    if gold is None:
        return unjudged("the gold answer is missing")
    if prediction is None:
        return unanswered()
    is_right = _same(prediction, gold)
    relation = "equals" if is_right else "is not"
    return judged(float(is_right), f"{shown(prediction)!r} {relation} {shown(gold)!r}")


def score_contains(prediction: Json, gold: Json) -> Score:
    """Every wanted phrase is part of the answer."""
    phrases = [_folded(text_of(item)) for item in (gold if isinstance(gold, list) else [gold])]
    if gold is None or not phrases or not all(phrases):
        return unjudged("the gold answer holds no phrase, or an empty one")
    if prediction is None:
        return unanswered()
    answer = _folded(text_of(prediction))
    absent = [phrase for phrase in phrases if phrase not in answer]
    if absent:
        return judged(0.0, f"not in the answer: {shown(', '.join(absent))!r}", absent=len(absent))
    return judged(1.0, f"the answer holds {shown(', '.join(phrases))!r}")


def score_number(prediction: Json, gold: Json) -> Score:
    """One number, equal within the tolerance."""
    value, rel, absolute = _tolerant(gold)
    wanted = _only_number(value)
    if isinstance(wanted, str) or rel is None or absolute is None:
        return unjudged(f"the gold answer {shown(gold)!r} is not one number with tolerances")
    if prediction is None:
        return unanswered()
    answer = _only_number(prediction)
    if isinstance(answer, str):
        return judged(0.0, answer)
    is_right = math.isclose(answer, wanted, rel_tol=0, abs_tol=max(absolute, rel * abs(wanted)))
    relation = "equals" if is_right else "is not"
    return judged(float(is_right), f"{answer:g} {relation} {wanted:g}")


def _same(prediction: Json, gold: Json) -> bool:
    if isinstance(prediction, str) or isinstance(gold, str):
        return text_of(prediction).strip() == text_of(gold).strip()
    # true is not 1 here, though Python says so.
    return prediction == gold and isinstance(prediction, bool) == isinstance(gold, bool)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _tolerant(gold: Json) -> tuple[Json, float | None, float | None]:
    if not isinstance(gold, Mapping):
        return gold, REL_TOLERANCE, 0.0
    given = [gold.get("rel", REL_TOLERANCE), gold.get("abs", 0.0)]
    rel, absolute = (_finite(item) for item in given)
    return gold.get("value"), rel, absolute


def _finite(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _only_number(value: Json) -> float | str:
    """The one number, or in words why there is not exactly one."""
    number = _finite(value)
    if number is not None:
        return number
    if not isinstance(value, str):
        return f"{shown(value)!r} is no number"
    found = {_read(match) for match in _NUMBER.findall(value[:10_000])}
    if len(found) != 1:
        return f"{len(found)} different numbers in {shown(value)!r}" if found else "no number in it"
    only = found.pop()
    return only if math.isfinite(only) else "the number is too large"


def _read(text: str) -> float:
    return float(re.sub(r"[,\s$\u20ac\u00a3]", "", text).replace("\u2212", "-"))
