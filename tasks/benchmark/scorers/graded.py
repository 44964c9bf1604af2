"""Answers judged by a model, as SimpleQA does (`simpleqa/graded`): how its verdict is read.

Knows no model: whoever asks one hands the raw reply over. A reply that is none of the three
grades is a `grader_error`, never taken for "not attempted" or "wrong".
"""

from __future__ import annotations

import json
import re
from typing import Literal

from tasks.benchmark.scorers.score import Json, Score, judged, shown, unanswered, unjudged

Grade = Literal["correct", "incorrect", "not_attempted"]
_LETTERS: dict[str, Grade] = {"A": "correct", "B": "incorrect", "C": "not_attempted"}
_WORDS: dict[str, Grade] = {
    "CORRECT": "correct",
    "INCORRECT": "incorrect",
    "NOT_ATTEMPTED": "not_attempted",
}
_DECORATION = re.compile(r"^[\s\"'`*_#>(\[{]+|[\s\"'`*_.!)\]}:]+$")
_LABEL = re.compile(r"^(?:final\s+)?(?:grade|verdict|answer|judgment)\s*(?:is)?\s*[:=-]?\s*", re.I)
_KEYS = ("grade", "verdict", "answer", "judgment")


def read_grade(reply: str) -> Grade | None:
    """The grade that a reply states, or None when it states none or is not clear."""
    stated = _from_json(reply)
    return _named(reply if stated is None else stated)


def score_graded(prediction: Json, gold: Json, reply: str | None = None) -> Score:
    """The grade as a score: 1 for correct, 0 for the others; `detail` says which it was."""
    if prediction is None or prediction == "":
        return unanswered().model_copy(update={"detail": {"grade": "not_attempted"}})
    if gold is None:
        return unjudged("the gold answer is missing")
    if reply is None:
        return unjudged("needs a judge: name one with --model, or give its `reply`", needs="judge")
    grade = read_grade(reply)
    if grade is None:
        return unjudged(f"the judge's reply states no grade: {shown(reply)!r}", reply=reply[:2000])
    return judged(float(grade == "correct"), f"the judge says {grade}", grade=grade)


def _from_json(reply: str) -> str | None:
    text = re.sub(r"^\s*```(?:json)?\s*|\s*```\s*$", "", reply)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return None
    found = [item for key, item in value.items() if str(key).lower() in _KEYS]
    return found[0] if len(found) == 1 and isinstance(found[0], str) else ""


def _named(text: str) -> Grade | None:
    bare = _LABEL.sub("", _stripped(text[:2000]))
    word = _stripped(bare).upper().replace(" ", "_").replace("-", "_")
    if word in _LETTERS:
        return _LETTERS[word]
    if word in _WORDS:
        return _WORDS[word]
    lettered = re.fullmatch(r"([ABC])[:.)_]+([A-Z_]+)", word)
    if lettered and _WORDS.get(lettered[2]) == _LETTERS[lettered[1]]:
        return _LETTERS[lettered[1]]
    return None


def _stripped(text: str) -> str:
    before = None
    while before != text:
        before, text = text, _DECORATION.sub("", text)
    return text
