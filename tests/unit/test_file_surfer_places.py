"""Ranges as a model writes them, and parts of a converted document."""

from __future__ import annotations

import pytest

from agents.file_surfer.places import one_page, outline, part_of, span_of
from orchestrator.errors import ToolFailed
from sandbox.base import Conversion, Part, Span

DOCUMENT = Conversion(
    "docx",
    "Plan",
    (Part("section Aims", "to win"), Part("section Costs", "x\n" * 9000)),
    ("a note",),
)


@pytest.mark.parametrize(
    ("where", "span"),
    [
        ("page 7", Span("page", 7, 7)),
        ("Pages 7-9", Span("page", 7, 9)),
        ("pages 7 to 9", Span("page", 7, 9)),
        ("rows 1200-1300", Span("row", 1200, 1300)),
        ("sheet Prices rows 1-5", Span("row", 1, 5, "Prices")),
        ('sheet "Net Sales" row 3', Span("row", 3, 3, "Net Sales")),
        ("lines 50-80", Span("line", 50, 80)),
        ("  line 5 ", Span("line", 5, 5)),
        ("3", None),
        ("section Aims", None),
        ("pages", None),
        ("page seven", None),
        ("page -1", None),
        ("page " + "9" * 50, None),
        ("", None),
    ],
)
def test_ranges_are_understood_as_models_write_them(where: str, span: Span | None) -> None:
    assert span_of(where) == span


@pytest.mark.parametrize("wanted", ["1", "section Aims", "SECTION AIMS", "aims"])
def test_a_part_is_found_by_number_anchor_or_a_piece_of_it(wanted: str) -> None:
    assert part_of(DOCUMENT, wanted).text == "to win"


@pytest.mark.parametrize("wanted", ["0", "3", "nothing", "-1"])
def test_a_part_that_is_not_there_is_answered_with_those_that_are(wanted: str) -> None:
    with pytest.raises(ToolFailed, match="section Aims, section Costs"):
        part_of(DOCUMENT, wanted)


def test_a_long_part_comes_in_pages_that_end_at_line_ends() -> None:
    part = DOCUMENT.parts[1]
    pages = [one_page(part, number) for number in (1, 2, 3)]
    assert all("\n[page" in page for page in pages)
    assert "".join(page.partition("[page")[0].strip("\n") for page in pages).count("x") == 9000
    with pytest.raises(ToolFailed, match="pages 1 to 3"):
        one_page(part, 4)


def test_the_outline_names_parts_notes_and_what_was_left_out() -> None:
    shown = outline("plan.docx", DOCUMENT)
    assert shown.startswith("plan.docx: docx, 2 parts. Plan\nnote: a note\n1. section Aims")
    assert "to win" in shown
