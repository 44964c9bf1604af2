"""AssistantBench's rule: `assistantbench/official`, and the same with base ten as `.../log10`.

The gold answer decides how a prediction is judged: as a number (full marks fall off with the
logarithm of the ratio), as a set of words, as a list of such sets in the best order, or as
objects key by key. The official rule's logarithm is the natural one, which gives nothing beyond
a factor e; the paper's text says order of magnitude, which is `log10`. Where the official code
crashes (null, true, a list with one number against a number) the score is 0 and the reason says so.
"""

from __future__ import annotations

import json
import math
import re
import string
from collections.abc import Callable, Mapping
from typing import Literal

from tasks.benchmark.scorers.alignment import best_total
from tasks.benchmark.scorers.score import Json, Score, judged, shown, text_of, unanswered, unjudged

GoldKind = Literal["number", "json", "string", "string list"]
ZERO = 1e-4
"""What the rule puts in the place of a zero, so that a ratio exists."""
WORK_LIMIT = 5_000_000
"""Steps that one assignment may take (a few seconds); no real answer comes near."""
_PUNCTUATION = frozenset(string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_QUOTES = (("{'", '{"'), ("', '", '", "'), ("': '", '": "'), ("'}", '"}'), ("': ", '": '))


class _Unscorable(Exception):
    """The official code would crash here."""


def score_official(prediction: Json, gold: Json) -> Score:
    """The leaderboard's rule, with the natural logarithm."""
    return _Scale(math.log).score(prediction, gold)


def score_log10(prediction: Json, gold: Json) -> Score:
    """The same, with the order of magnitude that the paper describes."""
    return _Scale(math.log10).score(prediction, gold)


class _Pair(str):
    """The text of a pair, where a number was meant."""


class _Scale:
    """The rule over one logarithm."""

    def __init__(self, log: Callable[[float], float]) -> None:
        self._log = log

    def score(self, prediction: Json, gold: Json) -> Score:
        """Read both sides, then compare by the kind of the gold answer."""
        if gold is None:
            return unjudged("the gold answer is missing")
        answer = _json_or_text(prediction)
        try:
            if _is_blank(answer):
                return unanswered().model_copy(update={"detail": {"has_answer": 0}})
            wanted, kind = read_gold(gold)
            value = self._compare(_fit(answer, kind), wanted, kind)
        except _Unscorable as reason:
            return judged(0.0, str(reason), has_answer=1)
        why = f"{shown(answer)} against {shown(wanted)}, as {kind}"
        return judged(value, why, rule=kind, has_answer=1)

    def _compare(self, answer: Json, wanted: Json, kind: GoldKind) -> float:
        if kind == "number":
            return self._number(answer, wanted)
        if kind == "json":
            return self._objects(answer, wanted)
        return self._words(answer, wanted)

    def _number(self, answer: Json, wanted: float) -> float:
        if isinstance(answer, str) and not isinstance(answer, _Pair):
            return 0.0
        if isinstance(answer, list) and len(answer) > 1:
            return 0.0
        if not isinstance(answer, float):
            raise _Unscorable("the official rule cannot compare a list or object with a number")
        return self.closeness(answer, wanted)

    def closeness(self, answer: float, wanted: float) -> float:
        """1 - log of the ratio; opposite signs 0, two negatives by their sizes."""
        if answer == wanted == 0:
            return 1.0
        first, second = answer or ZERO, wanted or ZERO
        if not (math.isfinite(first) and math.isfinite(second)) or (first > 0) != (second > 0):
            return 0.0
        low, high = sorted((abs(first), abs(second)))
        return max(0.0, 1 - (self._log(high) - self._log(low)))

    def _objects(self, answers: list[Json], wanted: list[Json]) -> float:
        if not wanted or not isinstance(answers[0], dict):
            return 0.0
        if not all(isinstance(item, dict) for item in (*answers, *wanted)):
            raise _Unscorable("the official rule compares objects with objects only")
        return _aligned(answers, wanted, self._pair)

    def _pair(self, answer: dict[str, Json], wanted: dict[str, Json]) -> float:
        recall = self._share(answer, wanted, judge_by=wanted)
        precision = self._share(wanted, answer, judge_by=wanted)
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

    def _share(
        self, answer: dict[str, Json], wanted: dict[str, Json], *, judge_by: dict[str, Json]
    ) -> float:
        """The mean over the keys of `wanted` of how well `answer` gives them."""
        if not wanted:
            raise _Unscorable("the official rule cannot compare an empty object")
        return sum(
            self._field(answer[key], wanted[key], judge_by[key]) if key in answer else 0.0
            for key in wanted
        ) / len(wanted)

    def _field(self, answer: Json, wanted: Json, judged_by: Json) -> float:
        if judged_by is None or isinstance(judged_by, dict):
            raise _Unscorable("the official rule cannot compare a null or an object inside one")
        got, gold = _number_in_object(answer), _number_in_object(wanted)
        if type(got) is not type(gold):
            return 0.0
        if isinstance(got, float) and isinstance(gold, float):
            return self.closeness(got, gold)
        return self._words(got, gold)

    def _words(self, answer: Json, wanted: Json) -> float:
        if isinstance(answer, list) and isinstance(wanted, list) and not (answer or wanted):
            raise _Unscorable("the official rule cannot compare two empty lists")
        try:
            return _aligned(_bags(answer), _bags(wanted), _f1)
        except TypeError:  # a list with something else than texts in it
            return 0.0


def read_gold(gold: Json) -> tuple[Json, GoldKind]:
    """The gold answer with its kind: one line is a number, JSON or text, more are JSON or texts."""
    lines = gold if isinstance(gold, list) else [*filter(str.strip, text_of(gold).split("\n"))]
    if len(lines) == 1:
        number = _number_of(lines[0])
        if number is not None:
            return number, "number"
    try:
        return [json.loads(_repaired(text_of(line))) for line in lines], "json"
    except (ValueError, RecursionError):
        return (lines[0], "string") if len(lines) == 1 else (lines, "string list")


def _json_or_text(prediction: Json) -> Json:
    if not isinstance(prediction, str):
        return prediction
    try:
        return json.loads(prediction)
    except (ValueError, RecursionError):
        return prediction


def _is_blank(answer: Json) -> bool:
    """Nothing at all, "nan", or a list of nothing else."""
    if isinstance(answer, list):
        return all(map(_is_nothing, answer))
    number = _number_of(answer)
    return answer is None or _is_nothing(answer) or (number is not None and math.isnan(number))


def _is_nothing(item: Json) -> bool:
    if isinstance(item, float):
        return math.isnan(item)
    return isinstance(item, str | list | dict) and not item


def _fit(answer: Json, kind: GoldKind) -> Json:
    """The prediction in the form that the gold's kind is compared with."""
    if isinstance(answer, list):
        return _odd_single(answer) if kind != "json" else answer
    if isinstance(answer, bool):
        raise _Unscorable("the official rule cannot judge true or false")
    number = _number_of(answer)
    value: Json = answer if number is None else number
    if kind != "json":
        return value
    try:
        return [json.loads(line) for line in value.split("\n")]
    except (AttributeError, ValueError, RecursionError):
        return [value]


def _odd_single(answer: list[Json]) -> Json:
    """The official code turns a list of one whole number into a pair and compares the pair's
    text, so ["3"] shares no word with "3"; against a number it crashes."""
    only = answer[0]
    is_whole = type(only) is int or (isinstance(only, str) and only.isnumeric())
    if len(answer) > 1 or not is_whole:
        return answer
    number = _number_of(only)
    return _Pair(str((only, False) if number is None else (number, True)))


def _number_of(value: Json) -> float | None:
    """A number as the rule reads it: "1,234" is 1.234, units of money and area are dropped."""
    if isinstance(value, str):
        return _float(_without_units(value).replace(" square kilometers", ""))
    return _plain_number(value)


def _number_in_object(value: Json) -> Json:
    """The same inside an object, where square kilometers are not dropped."""
    number = _float(_without_units(value)) if isinstance(value, str) else _plain_number(value)
    return value if number is None else number


def _without_units(text: str) -> str:
    for unit in ("$", "%", "sqft"):
        text = text.replace(unit, " ")
    return text.strip().replace(",", ".")


def _plain_number(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError as error:
        raise _Unscorable("the number is too large for the official rule") from error


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _repaired(text: str) -> str:
    for wrong, right in _QUOTES:
        text = text.replace(wrong, right)
    return text


def _aligned(answers: list[Json], wanted: list[Json], gain: Callable[[Json, Json], float]) -> float:
    """The mean gain of the best one-to-one assignment, over the longer of both lists."""
    if not answers or not wanted:
        return 0.0
    few, many = sorted((len(answers), len(wanted)))
    if few * few * many > WORK_LIMIT:
        raise _Unscorable(f"{len(answers)} answers against {len(wanted)} are too many to compare")
    gains = [[gain(answer, gold) for answer in answers] for gold in wanted]
    return best_total(gains) / max(len(answers), len(wanted))


def _bags(spans: Json) -> list[frozenset[str]]:
    if isinstance(spans, list):
        return [_bag(span) for span in spans]
    return [_bag(spans if isinstance(spans, str) else str(spans))]


def _bag(span: Json) -> frozenset[str]:
    """The words of a span: split at blanks and hyphens, bare, without articles."""
    if not isinstance(span, str):
        raise TypeError("only text has words")
    words = (_word(token.lower()) for token in re.split("[ -]", span))
    return frozenset(part for word in words for part in word.split())


def _word(token: str) -> str:
    if _float(token) is None:
        token = "".join(letter for letter in token if letter not in _PUNCTUATION)
    number = _float(token)
    return _ARTICLES.sub(" ", token if number is None else str(number))


def _f1(answer: frozenset[str], wanted: frozenset[str]) -> float:
    """F1 of two sets of words; 0 when the gold holds numbers and none of them is shared."""
    numbers = {word for word in wanted if _float(word) is not None}
    if numbers and not numbers & answer:
        return 0.0
    shared = len(answer & wanted)
    precision = shared / len(answer) if answer else 1.0
    recall = shared / len(wanted) if wanted else 1.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def has_answer(detail: Mapping[str, Json]) -> bool:
    """Whether a recorded score counts as answered, for the answer rate."""
    return bool(detail.get("has_answer"))
