"""GAIA's two rules: `gaia/2023` of the leaderboard, and `gaia/magentic-one` of published papers.

`gaia/2023` branches on the gold answer alone: a number, a list (it holds a comma or semicolon) or
a string. Its oddities are kept, because published scores have them: gold "1,234" is a list, gold
"50%" is a string, whatever is no number equals gold "inf". `gaia/magentic-one` is the rule of the
scripts that came with Magentic-One and Magentic-UI. Both give 0 or 1.
"""

from __future__ import annotations

import re
import string
from typing import Literal

from tasks.benchmark.scorers.score import Json, Score, judged, shown, text_of, unanswered, unjudged

Rule = Literal["number", "list", "string"]
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_DROPPED_IN_NUMBERS = str.maketrans("", "", "$%,")


def score_2023(prediction: Json, gold: Json) -> Score:
    """The leaderboard's rule. A missing prediction is judged as the text "None"."""
    if gold is None:
        return unjudged("the gold answer is missing")
    answer = "None" if prediction is None else text_of(prediction)
    wanted = text_of(gold)
    rule, is_right, why = _compare(answer, wanted)
    if prediction is None and not is_right:
        return unanswered()
    return judged(float(is_right), why, rule=rule)


def score_magentic_one(prediction: Json, gold: Json) -> Score:
    """Lower case, parts between commas joined anew, single spaces, no closing .!?, then equal."""
    if gold is None:
        return unjudged("the gold answer is missing")
    if prediction is None:
        return unanswered()
    answer, wanted = _plain(text_of(prediction)), _plain(text_of(gold))
    is_right = wanted != "" and answer == wanted
    relation = "equals" if is_right else "is not"
    return judged(float(is_right), f"{shown(answer)!r} {relation} {shown(wanted)!r}", rule="plain")


def _compare(answer: str, wanted: str) -> tuple[Rule, bool, str]:
    number = _float(wanted)
    if number is not None:
        got = _number(answer)
        return "number", got == number, f"as numbers: {got:g} against {number:g}"
    if "," in wanted or ";" in wanted:
        return ("list", *_lists(re.split("[,;]", answer), re.split("[,;]", wanted)))
    got_text, wanted_text = _bare(answer), _bare(wanted)
    is_right = got_text == wanted_text
    relation = "equals" if is_right else "is not"
    return "string", is_right, f"{shown(got_text)!r} {relation} {shown(wanted_text)!r}"


def _lists(answers: list[str], wanted: list[str]) -> tuple[bool, str]:
    if len(answers) != len(wanted):
        return False, f"a list of {len(answers)} against {len(wanted)}"
    wrong = [
        place
        for place, (got, gold) in enumerate(zip(answers, wanted, strict=True), start=1)
        if not _same_element(got, gold)
    ]
    if not wrong:
        return True, f"all {len(wanted)} elements are equal"
    return False, f"differs at element {', '.join(map(str, wrong[:5]))} of {len(wanted)}"


def _same_element(answer: str, wanted: str) -> bool:
    number = _float(wanted)
    if number is not None:
        return _number(answer) == number
    # Punctuation is kept here: elements may differ by nothing else.
    return _spaceless(answer) == _spaceless(wanted)


def _number(text: str) -> float:
    """What the rule reads as a number; infinity stands for none."""
    number = _float(text.translate(_DROPPED_IN_NUMBERS))
    return float("inf") if number is None else number


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _bare(text: str) -> str:
    return _spaceless(text).translate(_NO_PUNCTUATION)


def _spaceless(text: str) -> str:
    return re.sub(r"\s", "", text).lower()


def _plain(text: str) -> str:
    joined = ", ".join(text.strip().lower().split(","))
    return re.sub(r"[.!?]+$", "", re.sub(r"\s+", " ", joined))
