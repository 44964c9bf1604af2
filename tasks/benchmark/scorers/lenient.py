"""A forgiving comparison that only tells "wrong" from "right but in the wrong form".

Never gives points. Used for the outcome class `format_only`: a strict rule said no, and a person
would have to look twice.
"""

from __future__ import annotations

import re
import unicodedata

from tasks.benchmark.scorers.score import Json, text_of

_WORD = re.compile(r"\w+(?:[.,]\d+)*")
_ARTICLES = {"a", "an", "the", "and", "is"}


def would_accept(prediction: Json, gold: Json) -> bool:
    """Whether all words and numbers of the gold answer stand together in the prediction.

    Lists may come in another order; units, articles, punctuation and accents do not count.
    """
    if prediction is None or gold is None:
        return False
    answer = _words(text_of(prediction))
    parts = [_words(part) for part in re.split(r"[,;\n]", text_of(gold))]
    whole = _words(text_of(gold))
    if not whole:
        return False
    return _holds(answer, whole) or all(_holds(answer, part) for part in parts if part)


def _holds(answer: list[str], wanted: list[str]) -> bool:
    size = len(wanted)
    return any(answer[at : at + size] == wanted for at in range(len(answer) - size + 1))


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text[:10_000]).casefold()
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return [_number(word) for word in _WORD.findall(bare) if word not in _ARTICLES]


def _number(word: str) -> str:
    try:
        return str(float(word.replace(",", "")))
    except ValueError:
        return word
