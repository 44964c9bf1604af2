"""WebArena's evaluators of answers (`webarena/string`) and of where the browser ended (`.../url`).

Gold is a task's `eval` object, or directly its `reference_answers` or `reference_url`. The score
is the product over all checks, each 0 or 1. Known weaknesses of the rule are kept: any phrase may
stand inside a longer word, a base URL matches as part of a longer one, values of alternatives are
pooled. `fuzzy_match` needs a judge: without its verdict the rule says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import parse_qs, urlparse

from tasks.benchmark.scorers.score import (
    Json,
    Score,
    field_of,
    judged,
    shown,
    text_of,
    unanswered,
    unjudged,
)

EITHER = " |OR| "
IN_PREDICTION = "GOLD in PRED"
_CHECKS = ("exact_match", "must_include", "fuzzy_match")
# Where the tokenizer of the rule parts a text, beside its blanks: marks, but a comma or colon
# only when no digit follows, then apostrophes around a word, then the period that ends it all.
_MARKS = re.compile(
    r"\.{2,}|--|\'\'|[;@#$%&?!*\[\](){}<>\"`\u00ab\u00bb\u2012-\u2015\u2018-\u201e]|[:,](?!\d)"
)
_OPENING = re.compile(r"(?<!\w)'(?!(?:re|ve|ll|[mtsdn])\b)(?=\w)")
_CLOSING = re.compile(r"(?<=[^'\s])'(?:s|m|d|ll|re|ve)?(?=\s|$)")
_LAST_PERIOD = re.compile(r"(?<=[^.])\.(?=[\])}>\"'\u00bb\u201d\u2019 ]*$)")

Fuzzy = Callable[[str, str], bool]
"""A judge's verdict on (reference, answer)."""


class _NeedsJudge(Exception):
    """A fuzzy check without anybody to decide it."""


def score_string(prediction: Json, gold: Json, fuzzy: Fuzzy | None = None) -> Score:
    """All checks of the reference answers."""
    checks = _reference_answers(gold)
    if checks is None:
        return unjudged("the gold value holds none of " + ", ".join(_CHECKS))
    if prediction is None:
        return unanswered()
    answer = _clean(text_of(prediction))
    try:
        missed = [text for text, holds in _string_checks(checks, answer, fuzzy) if not holds]
    except _NeedsJudge as check:
        return unjudged(f"{check} needs a judge: name one with --model", needs="judge")
    if missed:
        return judged(0.0, f"fails: {shown('; '.join(missed), 200)}", failed=len(missed))
    return judged(1.0, "all checks hold")


def score_url(prediction: Json, gold: Json) -> Score:
    """The page's address against one of the reference addresses."""
    reference = field_of(gold, "reference_url", gold)
    if not isinstance(reference, str) or not reference:
        return unjudged("the gold value holds no reference_url")
    rule = field_of(gold, "url_note", IN_PREDICTION) or IN_PREDICTION
    if rule != IN_PREDICTION:
        return unjudged(f"the rule {shown(rule)!r} is not known, only {IN_PREDICTION!r}")
    if not isinstance(prediction, str) or not prediction:
        return unanswered("there is no page address")
    try:
        bases, wanted = _pooled(reference.split(EITHER))
        base, query = _parts(prediction)
    except ValueError as error:
        return judged(0.0, f"an address cannot be read: {error}")
    if not any(item in base for item in bases):
        return judged(0.0, f"{shown(base)!r} holds none of {shown(', '.join(bases))!r}")
    for key, values in wanted.items():
        if not values & set(query.get(key, ())):
            return judged(0.0, f"{key}={shown(query.get(key, []))} is none of the allowed values")
    return judged(1.0, f"{shown(base)!r} with all {len(wanted)} query values")


def _reference_answers(gold: Json) -> dict[str, Json] | None:
    """The checks by name; a bare text is an exact match, a bare list what must be included."""
    given = field_of(gold, "reference_answers", gold)
    if isinstance(given, str):
        return {"exact_match": given}
    if isinstance(given, list):
        given = {"must_include": given}
    if not isinstance(given, Mapping) or not given or not set(given) <= set(_CHECKS):
        return None
    note = field_of(gold, "string_note", "")
    return {**given, "string_note": note}


def _string_checks(
    checks: dict[str, Json], answer: str, fuzzy: Fuzzy | None
) -> Iterator[tuple[str, bool]]:
    for name, value in checks.items():
        match name:
            case "exact_match":
                yield f"equals {shown(value)!r}", answer == _clean(text_of(value))
            case "must_include":
                phrases = [text_of(item) for item in _as_list(value)]
                for phrase in phrases:
                    yield (
                        f"holds {shown(phrase)!r}",
                        _holds(answer, phrase, alone=len(phrases) == 1),
                    )
            case "fuzzy_match":
                yield from _fuzzy_checks(value, text_of(checks["string_note"]), answer, fuzzy)


def _fuzzy_checks(
    value: Json, note: str, answer: str, fuzzy: Fuzzy | None
) -> Iterator[tuple[str, bool]]:
    if value == "N/A":
        yield "says that it cannot be done", answer == "n/a" or _ask(fuzzy, note, answer)
        return
    for reference in map(text_of, _as_list(value)):
        if not answer:  # the reference never asks its judge about an empty answer
            yield f"means {shown(reference)!r}", not reference
        else:
            yield f"means {shown(reference)!r}", _ask(fuzzy, reference, answer)


def _ask(fuzzy: Fuzzy | None, reference: str, answer: str) -> bool:
    if fuzzy is None:
        raise _NeedsJudge("fuzzy_match")
    return fuzzy(reference, answer)


def _holds(answer: str, phrase: str, *, alone: bool) -> bool:
    """A substring; but a single phrase of one character must be a word of its own."""
    wanted = _clean(phrase)
    if alone and len(wanted) == 1:
        return wanted in _tokens(answer)
    return wanted in answer


def _tokens(text: str) -> list[str]:
    text = _LAST_PERIOD.sub(" .", _OPENING.sub("' ", text))
    return _CLOSING.sub(lambda found: f" {found[0]}", _MARKS.sub(_apart, text)).split()


def _apart(found: re.Match[str]) -> str:
    return f" {found[0]} "


def _clean(text: str) -> str:
    text = text.strip()
    for mark in ("'", '"'):
        if text.startswith(mark) and text.endswith(mark):
            return text[1:-1].lower()
    return text.lower()


def _as_list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def _pooled(references: list[str]) -> tuple[list[str], dict[str, set[str]]]:
    """The bases of the alternatives, and for each query key the values of all of them."""
    bases, pooled = [], dict[str, set[str]]()
    for reference in references:
        base, query = _parts(reference)
        bases.append(base)
        for key, values in query.items():
            pooled.setdefault(key, set()).update(values)
    return bases, pooled


def _parts(address: str) -> tuple[str, dict[str, list[str]]]:
    """Host with path, and the query; scheme and fragment do not count."""
    read = urlparse(address.rstrip("/"))
    return read.netloc + read.path, parse_qs(read.query)
