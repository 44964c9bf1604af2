"""Bare pairs of prediction and gold answer, one JSON object per line.

A bad line is a value with its reason, so that the lines after it are still read. Blank lines, a
byte order mark and Windows line ends do not matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tasks.benchmark.scorers.score import Json

UTF8_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Pair:
    """What is to be scored. `id` is handed through; `reply` is what a judge has already said;
    `question` is shown to a judge."""

    line: int
    prediction: Json
    gold: Json
    id: Json = None
    reply: str | None = None
    question: str = ""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that holds no pair."""

    line: int
    why: str


def read_pairs(lines: Iterable[bytes]) -> Iterator[Pair | BadLine]:
    """Every line that is not blank, in order."""
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix(UTF8_BOM) if number == 1 else line
        if text.strip():
            yield _pair(number, text)


def _strict(value: Json) -> Json:
    """A value that strict JSON can hold too: Python's reader also takes NaN and infinities."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(value)
    return value


def _pair(number: int, line: bytes) -> Pair | BadLine:
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return BadLine(number, f"not UTF-8 at byte {error.start + 1}")
    except RecursionError:
        return BadLine(number, "nested too deep")
    except json.JSONDecodeError as error:
        return BadLine(number, f"not JSON: {error.msg} at column {error.colno}")
    except ValueError as error:
        return BadLine(number, f"not JSON: {error}")
    if not isinstance(value, dict):
        return BadLine(number, "not a JSON object with prediction and gold")
    absent = [name for name in ("prediction", "gold") if name not in value]
    if absent:
        return BadLine(number, f"it has no {' and no '.join(absent)}")
    reply = value.get("reply")
    if reply is not None and not isinstance(reply, str):
        return BadLine(number, "its reply is not a text")
    question = value.get("question")
    return Pair(
        number,
        value["prediction"],
        value["gold"],
        _strict(value.get("id")),
        reply,
        question if isinstance(question, str) else "",
    )
