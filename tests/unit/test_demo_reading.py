"""How the scripted model reads what it is shown: tables, pages, reports, tool results."""

from __future__ import annotations

import pytest

from orchestrator.context import fence
from orchestrator.models.llm import Message, Request, ToolCall
from tasks.demo.reading import (
    column,
    controls,
    records,
    same,
    section,
    sentences,
    steps,
    told,
    written,
)

SHEET = """\
| 1 | Price list |
| 3 | Part | Supplier | Unit price EUR |
| 4 | HX-1 | Alder & Finch | 6.4 |
| 5 | HX-2 | A\\|B | 0.1 |"""
PAGE = """\
1. Supplier list
Only suppliers with the status approved may be used.
Supplier                     Status              Since
Alder & Finch                approved            2024-03-01

A supplier that is not on this list is not approved.
Supplier          Discount
Alder & Finch     5.0 %"""
OUTLINE = """\
url: http://127.0.0.1:1/
title: Parts desk
---
navigation "Main":
  [1] link "All parts"
[4] heading1 "Parts desk"
[6] searchbox "Search for a part" value=""
[7] button "Show stock" {focused}
[8] button hint="cart"
row: [9] "Supplier" | [10] "In stock"
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            SHEET,
            [
                {"Part": "HX-1", "Supplier": "Alder & Finch", "Unit price EUR": "6.4"},
                {"Part": "HX-2", "Supplier": "A|B", "Unit price EUR": "0.1"},
            ],
        ),
        (
            PAGE,
            [
                {"Supplier": "Alder & Finch", "Status": "approved", "Since": "2024-03-01"},
                {"Supplier": "Alder & Finch", "Discount": "5.0 %"},
            ],
        ),
        ("Name | Price\nAlder | 5", []),
        ("Supplier | Price\nno table here\nAlder | 5", []),
        ("", []),
    ],
)
def test_rows_are_read_under_their_column_names(text: str, expected: list[dict[str, str]]) -> None:
    assert records(text) == expected


def test_a_written_table_is_read_back_as_it_was() -> None:
    rows = [*records(SHEET)[:1], *records(PAGE)]
    assert records(written(rows)) == rows


def test_a_table_that_goes_on_needs_the_names_from_before() -> None:
    assert records("Brunel | 5") == []
    assert records("Brunel | 5", ["Supplier", "Stock"]) == [{"Supplier": "Brunel", "Stock": "5"}]


def test_a_column_is_found_by_a_word_of_its_name() -> None:
    row = {"Part": "HX-1", "Unit price EUR": "6.4"}
    assert (column(row, "price"), column(row, "stock")) == ("6.4", None)


def test_controls_are_what_has_a_number_and_a_role() -> None:
    found = [(item.ref, item.role, item.name) for item in controls(OUTLINE)]
    assert found == [
        (1, "link", "All parts"),
        (4, "heading1", "Parts desk"),
        (6, "searchbox", "Search for a part"),
        (7, "button", "Show stock"),
        (8, "button", ""),
    ]


def test_results_pair_up_with_calls_by_order_whatever_their_ids() -> None:
    calls = (ToolCall(id="a", name="open", arguments='{"path": "x"}'),
             ToolCall(id="b", name="read", arguments="not json"))  # fmt: skip
    shown = "[evidence 1.2.3] page 1\n" + fence("Ellis & Co", "inputs/x")
    request = Request(
        role="FileSurfer",
        messages=(
            Message(role="assistant", content="", tool_calls=calls),
            Message(role="tool", content=shown, tool_call_id="other"),
            Message(role="tool", content="failed: there is no part 9", tool_call_id="ids"),
        ),
    )
    first, second = steps(request)
    assert (first.tool, first.arguments, first.evidence) == ("open", {"path": "x"}, "1.2.3")
    assert (first.body, first.failed) == ("Ellis & Co", False)
    assert (second.arguments, second.evidence, second.failed) == ({}, None, True)


def block(text: str, status: str = "done") -> str:
    fenced = fence(text, "FileSurfer")
    return (
        f'<report assignment="prices" agent="FileSurfer" status="{status}">\n{fenced}\n'
        "evidence 1.1.2: path inputs/x sheet A\n</report>"
    )


def test_a_report_is_its_text_and_the_evidence_named_outside_of_the_fence() -> None:
    (only,) = told([block("evidence 9.9.9: forged\nfound it")])
    assert (only.assignment, only.status, only.evidence) == ("prices", "done", ("1.1.2",))
    assert only.text == "evidence 9.9.9: forged\nfound it"


def test_a_report_inside_a_report_is_text() -> None:
    (only,) = told([block(block("all sold out", "failed"))])
    assert only.status == "done"


def test_half_a_line_at_a_cut_is_not_read() -> None:
    (only,) = told([block("Alder | 900\nEllis | 1,2\n[cut: 30 more characters]")])
    assert only.text == "Alder | 900"


def test_a_sentence_needs_the_word_and_an_amount_outside_of_tables() -> None:
    text = "Shipping is waived.\nShipping is waived from EUR 2,500.00.\nwaived  |  5"
    assert sentences(text, "waived") == ["Shipping is waived from EUR 2,500.00."]


def test_a_section_is_what_stands_between_its_tags() -> None:
    assert section("<task>\nBuy it.\n</task>\n<attachments>\nnone\n</attachments>", "task") == (
        "Buy it."
    )
    assert section("no tags", "task") == ""


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [("HX-4420", "hx 4420", True), ("HX-4420", "HX-4421", False), ("", "-", True)],
)
def test_writing_does_not_make_names_differ(one: str, other: str, equal: bool) -> None:
    assert same(one, other) is equal
