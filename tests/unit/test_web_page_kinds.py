"""Which pages are in the way, and which only look so."""

from __future__ import annotations

from typing import Any

import pytest

from agents.web_surfer.page_kinds import Signs, wall_of

PASSWORD = {"type": "password", "name": "pw Password", "filled": False, "autocomplete": ""}
EMAIL = {"type": "email", "name": "email Your address", "filled": False, "autocomplete": ""}
CODE = {"type": "text", "name": "captcha Enter the characters you see", "filled": False}
LONG = "A paragraph of an article that says something about the world. " * 80


def page(text: str = "", **more: Any) -> Signs:
    return Signs(url=more.pop("url", "https://x.test/a"), text=text, **more)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("captcha", page("Verify you are human", frames=["https://newassets.hcaptcha.com/c"])),
        ("captcha", page("", frames=["https://www.google.com/recaptcha/api2/anchor?k=1"])),
        ("captcha", page("Checking your browser", title="Just a moment...", status=403)),
        ("captcha", page("Our systems have detected unusual traffic", status=429)),
        ("captcha", page("Type the characters", fields=[CODE])),
        ("captcha", page("Please confirm", buttons=["I'm not a robot"])),
        ("login_wall", page("Sign in to continue", fields=[EMAIL], title="Sign in")),
        ("login_wall", page("User Password", heading="Log in", fields=[EMAIL, PASSWORD])),
        ("login_wall", page("", url="https://x.test/login?next=/a", fields=[PASSWORD])),
        ("login_wall", page("You must be logged in to view this page", buttons=["Log in"])),
        ("login_wall", page("Anmeldung", heading="Anmelden", fields=[PASSWORD])),
        ("login_wall", page("", status=401)),
        ("paywall", page("Teaser. Subscribe to continue reading", buttons=["Subscribe"])),
        ("paywall", page("This article is for subscribers only.", buttons=["Log in"])),
        ("paywall", page(LONG[:1000], closed=True, wall=True)),
        ("paywall", page("Nur für Abonnenten", buttons=["Jetzt abonnieren"])),
        ("consent_banner", page(LONG, overlay="We use cookies. Accept all. Reject all.")),
        ("error_page", page("", status=404)),
        ("error_page", page("", status=500)),
        ("error_page", page("", url="chrome-error://chromewebdata/")),
        ("error_page", page("Sorry!", heading="404")),
        ("error_page", page("Sorry!", heading="Error 404 - page not found")),
        ("error_page", page("Home", title="Page not found | Shop")),
        ("error_page", page("Home", heading="This page does not exist")),
        ("error_page", page("Try later", heading="Something went wrong")),
        ("error_page", page("x", heading="503 Service Unavailable")),
    ],
)
def test_a_page_that_is_in_the_way_is_named(kind: str, given: Signs) -> None:
    wall = wall_of(given)
    assert wall is not None
    assert wall.kind == kind
    assert wall.why


@pytest.mark.parametrize(
    "given",
    [
        page("What a CAPTCHA is: sites ask you to prove that you are human.", heading="CAPTCHA"),
        page(LONG + "I'm not a robot", title="The history of the CAPTCHA"),
        page(LONG, frames=["https://www.google.com/recaptcha/api2/anchor?k=comments"]),
        page(
            "Write to us", frames=["https://hcaptcha.com/x"], fields=[EMAIL, CODE | {"name": "m"}]
        ),
        page("Lamp 12 EUR, sofa 480 EUR", title="Lamp shop", buttons=["Log in", "Cart"]),
        page("Lamp 12 EUR", title="Lamp shop", fields=[EMAIL, PASSWORD], buttons=["Log in"]),
        page(LONG, heading="How to log in to your router", buttons=["Log in"]),
        page("Our newsletter: subscribe!", fields=[EMAIL], buttons=["Subscribe"]),
        page("What a paywall is. Sites say: subscribe to continue reading.", heading="Paywalls"),
        page(LONG + LONG, buttons=["Subscribe"], title="Already a subscriber? A study"),
        page("Choose your plan", heading="Pricing", buttons=["Subscribe", "Start trial"]),
        page("Cookie settings", buttons=["Cookie settings"]),
        page("Bake for 12 minutes", heading="Chocolate chip cookies", buttons=["Accept"]),
        page(LONG, heading="404 ways to cook an egg"),
        page("Enjoy", heading="404 ways to cook an egg"),
        page(LONG, heading="HTTP 404", title="HTTP 404 - Wikipedia"),
        page("Room 500, second floor", heading="Rooms"),
        page("500 items found", heading="500 results for lamps"),
        page("", status=200),
        page("ok", status=304),
    ],
)
def test_a_page_that_only_looks_so_is_not(given: Signs) -> None:
    assert wall_of(given) is None
