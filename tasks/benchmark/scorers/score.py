"""What every scorer gives back, and how any JSON value becomes the text that is compared.

Knows no rule. A scorer never raises: what it cannot judge is a Score with the kind
`grader_error`, never a silent "wrong".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from orchestrator.models.llm import Frozen

Json = Any
"""A value that JSON can hold."""
ScoreKind = Literal["judged", "no_answer", "grader_error"]


class Score(Frozen):
    """A verdict between 0 and 1 with its reason. `detail` says which part of the rule decided."""

    score: float = Field(ge=0, le=1)
    why: str
    kind: ScoreKind = "judged"
    detail: dict[str, Any] = Field(default_factory=dict)


def judged(score: float, why: str, **detail: Json) -> Score:
    """A verdict; what rounding left outside of 0 to 1, or no number, is put inside."""
    inside = 0.0 if math.isnan(score) else min(1.0, max(0.0, float(score)))
    return Score(score=inside, why=why, detail=detail)


def unjudged(why: str, **detail: Json) -> Score:
    """The rule could not be applied: counts as 0 and is shown apart from wrong answers."""
    return Score(score=0.0, why=why, kind="grader_error", detail=detail)


def unanswered(why: str = "there is no answer") -> Score:
    """Nothing was there to judge."""
    return Score(score=0.0, why=why, kind="no_answer")


def text_of(value: Json) -> str:
    """A string as it is, anything else as the JSON that stands for it."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return str(type(value))


def shown(value: Json, most: int = 80) -> str:
    """A value for a reason: on one line, cut."""
    line = " ".join(text_of(value).split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


def field_of(gold: Json, name: str, otherwise: Json = None) -> Json:
    """A field of a gold value that may also be something else than an object."""
    return gold.get(name, otherwise) if isinstance(gold, Mapping) else otherwise
