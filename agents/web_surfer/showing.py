"""Decides how much of a page has to be shown: all of it, or what changed since the last look.

Pure: lines in, lines out. Knows nothing of browsers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from agents.web_surfer.outline import Descriptor

WORTH_IT = 6_000  # characters; a shorter page is shown whole, which is easier to read
SMALL_SHARE = 0.25
MAX_COMPARED = 400  # lines between the first and the last difference
MAX_IN_A_ROW = 8
IDLE_ACTS = 2
UNNAMED = 3
PRESSED = frozenset({"button", "link", "clickable", "draggable", "menuitem", "tab"})
NOTHING = "changed: nothing since the last look"
REST = "the rest is as it was; observe shows all"


@dataclass(frozen=True, slots=True)
class View:
    """What is shown of a page: a word for the header, the lines, and whether they are all."""

    said: str
    lines: tuple[str, ...]
    whole: bool


def view(before: Sequence[str] | None, now: Sequence[str], in_a_row: int) -> View:
    """The page as it is shown after `before` was; None when there is nothing to compare with.
    `in_a_row` counts the views before this one that were not whole."""
    if before is None:
        return View("", tuple(now), whole=True)
    if list(before) == list(now):
        return _same(now, in_a_row)
    hunks = _hunks(before, now)
    if hunks is None:
        return View("", tuple(now), whole=True)
    lines, added, gone = hunks
    said = f"changed: {_lines(added)} new, {_lines(gone)} gone"
    size, changed = _size(now), _size(lines)
    if size < WORTH_IT or changed > size * SMALL_SHARE or in_a_row >= MAX_IN_A_ROW:
        return View(said, tuple(now), whole=True)
    return View(f"{said}; {REST}", tuple(lines), whole=False)


def offer(elements: Iterable[Descriptor], idle_acts: int) -> str:
    """Why a picture would say more than the lines do; "" when it would not."""
    roles: list[str] = []
    pressed: list[bool] = []
    for role, name, _ in elements:
        roles.append(role)
        if role in PRESSED:
            pressed.append(bool(name))
    if "canvas" in roles:
        return "the page draws on a canvas"
    if pressed.count(False) >= max(UNNAMED, len(pressed) / 2):
        return f"{pressed.count(False)} controls have no name"
    if idle_acts >= IDLE_ACTS:
        return f"the last {idle_acts} acts changed nothing here"
    return ""


def _same(now: Sequence[str], in_a_row: int) -> View:
    if _size(now) < WORTH_IT or in_a_row >= MAX_IN_A_ROW:
        return View(NOTHING, tuple(now), whole=True)
    return View(f"{NOTHING}; {REST}", (), whole=False)


def _hunks(before: Sequence[str], now: Sequence[str]) -> tuple[list[str], int, int] | None:
    """The lines of the changes, and how many are new and gone; None when there are too many."""
    first = 0
    while first < min(len(before), len(now)) and before[first] == now[first]:
        first += 1
    end = 0
    while end < min(len(before), len(now)) - first and before[-1 - end] == now[-1 - end]:
        end += 1
    old, new = before[first : len(before) - end], now[first : len(now) - end]
    if max(len(old), len(new)) > MAX_COMPARED:
        return None
    lines: list[str] = []
    added = gone = 0
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        above = first + c - 1
        if above >= 0:
            lines.append(f"= {now[above]}")
        lines += [f"- {line}" for line in old[a:b]]
        lines += [f"+ {line}" for line in new[c:d]]
        added, gone = added + d - c, gone + b - a
    return lines, added, gone


def _lines(count: int) -> str:
    return f"{count} line" if count == 1 else f"{count} lines"


def _size(lines: Sequence[str]) -> int:
    return sum(len(line) + 1 for line in lines)
