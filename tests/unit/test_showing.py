"""How much of a page is shown: the whole, or what changed."""

from __future__ import annotations

import pytest

from agents.web_surfer.outline import Descriptor
from agents.web_surfer.showing import MAX_IN_A_ROW, offer, view

LONG = tuple(f'[{n}] text "line number {n} of a page that is long"' for n in range(200))
SHORT = LONG[:10]


def swapped(lines: tuple[str, ...], at: int, line: str) -> tuple[str, ...]:
    return (*lines[:at], line, *lines[at + 1 :])


def test_the_first_view_is_whole() -> None:
    seen = view(None, LONG, 0)
    assert seen.whole
    assert seen.lines == LONG
    assert seen.said == ""


def test_a_small_change_of_a_long_page_is_shown_alone() -> None:
    seen = view(LONG, swapped(LONG, 100, '[300] text "new"'), 0)
    assert not seen.whole
    assert seen.lines == (f"= {LONG[99]}", f"- {LONG[100]}", '+ [300] text "new"')
    assert seen.said.startswith("changed: 1 line new, 1 line gone; ")


def test_two_changes_far_apart_are_two_hunks() -> None:
    now = swapped(swapped(LONG, 10, "one"), 150, "two")
    assert view(LONG, now, 0).lines == (
        *(f"= {LONG[9]}", f"- {LONG[10]}", "+ one"),
        *(f"= {LONG[149]}", f"- {LONG[150]}", "+ two"),
    )


def test_another_order_is_a_change() -> None:
    now = (LONG[1], LONG[0], *LONG[2:])
    assert view(LONG, now, 0).said.startswith("changed: 1 line new, 1 line gone")


@pytest.mark.parametrize(
    ("before", "now", "in_a_row", "said"),
    [
        (SHORT, swapped(SHORT, 3, "new"), 0, "changed: 1 line new, 1 line gone"),
        (SHORT, SHORT, 0, "changed: nothing since the last look"),
        (LONG, LONG[100:] + SHORT * 12, 0, "changed: 120 lines new, 100 lines gone"),
        (LONG, swapped(LONG, 3, "n"), MAX_IN_A_ROW, "changed: 1 line new, 1 line gone"),
        (LONG * 5, tuple("x" for _ in range(900)), 0, ""),
    ],
    ids=["short", "same", "much", "often", "everything"],
)
def test_these_are_shown_whole(
    before: tuple[str, ...], now: tuple[str, ...], in_a_row: int, said: str
) -> None:
    seen = view(before, now, in_a_row)
    assert seen.whole
    assert seen.lines == now
    assert seen.said == said


def test_a_long_page_without_a_change_is_not_repeated() -> None:
    seen = view(LONG, LONG, 0)
    assert not seen.whole
    assert seen.lines == ()
    assert "nothing since the last look" in seen.said


@pytest.mark.parametrize(
    ("elements", "idle", "why"),
    [
        ([("canvas", "")], 0, "canvas"),
        ([("button", "")] * 4 + [("button", "Save")], 0, "4 controls have no name"),
        ([("button", "Save")], 2, "changed nothing"),
        ([("button", "Save"), ("link", "")], 1, ""),
        ([("text", "words")] * 9, 0, ""),
    ],
)
def test_a_picture_is_offered_where_text_does_not_carry(
    elements: list[tuple[str, str]], idle: int, why: str
) -> None:
    said = offer([Descriptor(role, name, 0) for role, name in elements], idle)
    assert why in said if why else said == ""
