"""Which acts on a page are asked about first, and what a person is shown."""

from __future__ import annotations

from typing import Any

import pytest

from agents.web_surfer.approving import Act, why_ask

HERE = "https://shop.test/cart"


def field(name: str, kind: str = "text", value: str = "v", auto: str = "") -> dict[str, Any]:
    return {"name": name, "type": kind, "autocomplete": auto, "value": value}


def act(name: str = "", role: str = "button", **more: Any) -> Act:
    return Act("click", HERE, f'[1] {role} "{name}"', name=name, role=role, **more)


def form(*fields: dict[str, Any], method: str = "POST", name: str = "Save") -> Act:
    return act(name, submits=True, method=method, url="https://shop.test/go", fields=fields)


@pytest.mark.parametrize(
    ("given", "asks"),
    [
        (act("Next"), False),
        (act("Search"), False),
        (act("Delete"), True),
        (act("DELETE my data"), True),
        (act("Buy now"), True),
        (act("Place order"), True),
        (act("Pay 12.50 EUR"), True),
        (act("Send message"), True),
        (act("Confirm"), True),
        (act("Order by price"), False),
        (act("Sort order"), False),
        (act("Payment options"), False),
        (act("Sender"), False),
        (act("Orders", role="link"), False),
        (act("How to send money abroad", role="link"), False),
        (act("Delete", role="link"), True),
        (act("Delete", role="text"), False),
        (act("Write to us", role="link", url="mailto:a@b.test"), True),
        (form(field("q"), method="GET", name="Search"), False),
        (form(field("q"), method="GET", name="Search and send"), False),
        (form(field("q")), True),
        (form(field("u"), field("p", "password"), method="GET"), True),
        (form(field("x", auto="cc-number"), method="GET"), True),
        (form(field("card_number"), method="GET"), True),
        (form(field("iban"), method="GET"), True),
    ],
)
def test_the_rules_of_asking(given: Act, asks: bool) -> None:
    assert (why_ask(given, set()) is not None) is asks


def test_a_second_post_to_the_same_host_is_not_asked_about_again() -> None:
    assert why_ask(form(field("q")), {"shop.test"}) is None
    assert why_ask(form(field("p", "password")), {"shop.test"}) is not None


def test_the_question_shows_the_real_action_and_no_password() -> None:
    details = form(field("user", value="ada"), field("pw", "password", "hunter2")).details("why")
    assert details["method"] == "POST"
    assert details["url"] == "https://shop.test/go"
    assert details["page"] == HERE
    assert {"name": "user", "value": "ada"} in details["fields"]
    assert "hunter2" not in str(details)
