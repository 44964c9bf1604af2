"""Which acts on a page are asked about first, and what a person is shown."""

from __future__ import annotations

from typing import Any

import pytest

from agents.web_surfer.approving import Act, why_ask

HERE = "https://shop.test/cart"


def field(name: str, kind: str = "text", value: str = "v", auto: str = "") -> dict[str, Any]:
    return {"name": name, "type": kind, "autocomplete": auto, "value": value}


def act(*names: str, role: str = "button", **more: Any) -> Act:
    about = {"origin": "https://shop.test", **more.pop("context", {})}
    label = names[0] if names else ""
    return Act("click", HERE, f'[1] {role} "{label}"', names, role=role, context=about, **more)


def form(*fields: dict[str, Any], method: str = "POST", name: str = "Save", **more: Any) -> Act:
    url = more.pop("url", "https://shop.test/go")
    return act(name, submits=True, method=method, url=url, fields=fields, **more)


def link(name: str, url: str, **more: Any) -> Act:
    return act(name, role="link", url=url, link=url, **more)


@pytest.mark.parametrize(
    ("given", "asks"),
    [
        (act("Next"), False),
        (act("Search"), False),
        (act("Cancel"), False),
        (act("Add to cart"), False),
        (act("Delete"), True),
        (act("DELETE my data"), True),
        (act("Buy now"), True),
        (act("Place order"), True),
        (act("Pay 12.50 EUR"), True),
        (act("Send message"), True),
        (act("Confirm"), True),
        (act("Cancel subscription"), True),
        (act("Transfer 500 EUR"), True),
        (act("Jetzt kaufen"), True),
        (act("Konto löschen"), True),
        (act("Zahlungspflichtig bestellen"), True),
        (act("Supprimer le compte"), True),
        (act("Envoyer"), True),
        (act("Comprar ahora"), True),
        (act("Eliminar"), True),
        (act("Paga adesso"), True),
        (act("Nu kopen"), True),
        (act("Удалить"), True),
        (act("立即购买"), True),
        (act("注文を確定する"), True),
        (act("Order by price"), False),
        (act("Sort order"), False),
        (act("Payment options"), False),
        (act("Sender"), False),
        (act("trash", "Delete this row"), True),
        (act("", "", "Remove item"), True),
        (act("Orders", role="link"), False),
        (act("Your orders", role="link"), False),
        (act("How to send money abroad", role="link"), False),
        (act("Delete", role="link"), True),
        (act("Delete", role="text"), True),
        (act("Delete is a key on the keyboard", role="text"), False),
        (link("Write to us", "mailto:a@b.test"), True),
        (link("More", "https://shop.test/items/7/delete"), True),
        (link("More", "https://shop.test/account?action=delete"), True),
        (link("More", "https://shop.test/delete-account"), True),
        (link("More", "https://shop.test/help/delete"), False),
        (link("Transfer", "https://en.wiki.test/wiki/Transfer"), True),
        (link("Read on", "https://en.wiki.test/wiki/Delete"), False),
        (link("More", "https://shop.test/order-history"), False),
        (
            act(
                "More", role="link", link="https://x.test/a", url="https://x.test/a", verb="DELETE"
            ),
            True,
        ),
        (act("Go on", script="deleteAccount()"), True),
        (act("Go on", script="openMenu()"), False),
        (act("I agree to the terms and conditions", role="checkbox"), True),
        (act("Ich akzeptiere die AGB", role="checkbox"), True),
        (act("I agree", context={"around": "Our terms of service apply. I agree"}), True),
        (act("Accept all", context={"around": "We use cookies. See our privacy policy."}), False),
        (act("Remember me", role="checkbox"), False),
        (act("Create account"), True),
        (act("Sign up", role="link"), False),
        (link("Forgot password?", "https://shop.test/x"), True),
        (link("Help", "https://shop.test/forgot-password"), True),
        (form(field("email"), name="Continue", context={"heading": "Reset your password"}), True),
        (form(field("q"), method="GET", name="Search"), False),
        (form(field("q"), method="GET", name="Search and send"), False),
        (form(field("id"), method="GET", name="Go", url="https://shop.test/delete"), True),
        (form(field("q")), True),
        (form(field("u"), field("p", "password"), method="GET"), True),
        (form(field("x", auto="cc-number"), method="GET"), True),
        (form(field("card_number"), method="GET"), True),
        (form(field("iban"), method="GET"), True),
        (act("Go on", fields=[field("p", "password")]), True),
        (act("Show password", fields=[field("p", "password")]), False),
        (act("Go on", fields=[field("card_number")]), True),
    ],
)
def test_the_rules_of_asking(given: Act, asks: bool) -> None:
    assert (why_ask(given, set()) is not None) is asks


def test_a_second_post_to_the_same_host_is_not_asked_about_again() -> None:
    assert why_ask(form(field("q")), {"shop.test"}) is None
    assert why_ask(form(field("p", "password")), {"shop.test"}) is not None
    assert why_ask(form(field("q"), url="https://shop.test/cart/purge"), {"shop.test"}) is not None


def test_a_login_that_the_operator_has_configured_is_not_asked_about() -> None:
    login = form(field("p", "password"))
    assert why_ask(login, set(), login_is_cleared=True) is None
    bought = form(field("p", "password"), name="Buy")
    assert why_ask(bought, set(), login_is_cleared=True) is not None


def test_the_question_shows_the_real_action_and_no_password() -> None:
    given = form(
        field("user", value="ada"),
        field("pw", "password", "hunter2"),
        field("card_number", value="4111"),
    )
    details = given.details("why")
    assert details["method"] == "POST"
    assert details["url"] == "https://shop.test/go"
    assert details["page"] == HERE
    assert {"name": "user", "value": "ada"} in details["fields"]
    assert "hunter2" not in str(details)
    assert "4111" not in str(details)
