"""Decides which acts on a page are irreversible enough to ask first: pure rules, no browser.

The question shows the real action, taken from the page's structure as it is at that moment and
never from a summary or an earlier outline.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from agents.web_surfer.act_words import (
    accepts_terms,
    firm_verb,
    irreversible_word,
    says_recovery,
    says_sign_up,
    verb_in_url,
)
from agents.web_surfer.text import neutral, one_line

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PAYMENT = re.compile(
    r"^cc-|card.?(?:no|num|holder)|credit.?card|\bcvc\b|\bcvv\b|\biban\b|account.?n(?:o|um)", re.I
)
_LONGEST_NAME = 60
_PRESSED = frozenset({
    "button", "menuitem", "clickable", "link", "switch", "option", "tab", "draggable", "summary",
})  # fmt: skip
_TICKED = frozenset({"checkbox", "switch", "menuitemcheckbox", "radio", "label"})
_HARMLESS = re.compile(
    r"\b(show|hide|toggle|reveal|back|close|cancel|clear|reset|language)\b", re.I
)


@dataclass(frozen=True, slots=True)
class Act:
    """What is about to happen, as facts of the page. `fields` are those of the form that the
    element is in, whether it submits it or not; `origin` is the frame's."""

    action: str
    page: str
    element: str
    names: Sequence[str] = ()
    role: str = ""
    submits: bool = False
    method: str = "GET"
    url: str = ""
    link: str = ""
    verb: str = ""
    script: str = ""
    fields: Sequence[dict[str, Any]] = ()
    context: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_intent(cls, action: str, page: str, element: str, intent: Any) -> Act:
        """Build one from what the walker says about the target."""
        form = intent["form"]
        submits = bool(intent["submits"]) and form is not None
        return cls(
            action=action,
            page=page,
            element=element,
            names=tuple(neutral(name) for name in intent["names"]),
            role=intent["role"],
            submits=submits,
            method=form["method"] if submits else "GET",
            url=form["url"] if submits else intent["href"],
            link="" if submits else intent["href"],
            verb=intent["verb"].upper(),
            script=intent["script"],
            fields=form["fields"] if form else (),
            context=intent["context"],
        )

    @property
    def host(self) -> str:
        """Where it is sent."""
        return urlsplit(self.url or self.page).netloc

    @property
    def here(self) -> str:
        """The host of the frame that it happens in."""
        return urlsplit(self.context.get("origin") or self.page).netloc

    @property
    def is_pressed(self) -> bool:
        """Whether a script may send what was typed because of it."""
        return self.submits or (self.role in _PRESSED and not self.link.startswith("http"))

    @property
    def sends_password(self) -> bool:
        """Whether a password that stands in its form goes along."""
        filled = any(f["type"] == "password" and f.get("filled", True) for f in self.fields)
        harmless = not self.submits and any(_HARMLESS.search(name) for name in self.names)
        return filled and self.is_pressed and not harmless

    def details(self, why: str) -> dict[str, Any]:
        """What a person is shown."""
        return {
            "action": self.action,
            "why": why,
            "method": self.verb or self.method,
            "url": neutral(self.url or self.page),
            "page": neutral(self.page),
            "element": self.element,
            "fields": [
                {"name": one_line(field["name"] or field["type"]), "value": _shown(field)}
                for field in (self.fields if self.is_pressed else ())
            ],
        }


def why_ask(
    act: Act, hosts_posted_to: Collection[str], *, login_is_cleared: bool = False
) -> str | None:
    """The reason to ask before this act, or None for one that changes nothing for good.
    `login_is_cleared`: its password is a secret that the operator has bound to this origin."""
    reasons: tuple[Callable[[], str | None], ...] = (
        lambda: _recovery(act),
        lambda: None if login_is_cleared else _password(act),
        lambda: _payment(act),
        lambda: _in_ones_name(act),
        lambda: _said(act),
        lambda: _addressed(act),
        lambda: None if login_is_cleared else _first_post(act, hosts_posted_to),
    )
    return next((why for reason in reasons if (why := reason()) is not None), None)


def _recovery(act: Act) -> str | None:
    pressed = act.is_pressed or act.role == "link"
    if pressed and any(says_recovery(name) for name in act.names):
        return "it begins the recovery of an account"
    about = " ".join(
        [act.context.get("heading", ""), act.context.get("path", ""), urlsplit(act.link).path]
    )
    if (act.submits or act.link) and says_recovery(re.sub(r"[-_/.]", " ", about)):
        return "it begins the recovery of an account"
    return None


def _password(act: Act) -> str | None:
    return "it submits a password" if act.sends_password else None


def _payment(act: Act) -> str | None:
    if act.is_pressed and any(_is_payment(f) and f.get("filled", True) for f in act.fields):
        return "it submits payment details"
    return None


def _in_ones_name(act: Act) -> str | None:
    if act.is_pressed and act.role != "link" and any(says_sign_up(name) for name in act.names):
        return "it signs up in somebody's name"
    ticks = act.role in _TICKED or act.is_pressed
    around = act.context.get("around", "")
    if ticks and any(accepts_terms(name, around) for name in act.names):
        return "it accepts terms in somebody's name"
    return None


def _said(act: Act) -> str | None:
    for name in act.names:
        if _names_an_irreversible_act(act, name):
            return f'the {act.role} says "{one_line(name, _LONGEST_NAME)}"'
    return None


def _addressed(act: Act) -> str | None:
    if act.link.startswith(("mailto:", "sms:")):
        return "it writes a mail"
    if act.verb and act.verb not in SAFE_METHODS:
        return f"the link sends a {act.verb}"
    verb = verb_in_url(act.url)
    if verb is None and act.submits and act.method not in SAFE_METHODS:
        verb = firm_verb(urlsplit(act.url).path)
    if verb is None and act.is_pressed:
        verb = firm_verb(act.script)
    return f'its address or script says "{verb}"' if verb else None


def _first_post(act: Act, hosts_posted_to: Collection[str]) -> str | None:
    if act.submits and act.method not in SAFE_METHODS and act.host not in hosts_posted_to:
        return f"it is the first {act.method} to {act.host}"
    return None


def _names_an_irreversible_act(act: Act, name: str) -> bool:
    if not name or len(name) > _LONGEST_NAME or _is_plain_search(act, name):
        return False
    start = irreversible_word(name)
    if start is None:
        return False
    if act.role in _PRESSED and act.role != "link":
        return True
    # A link or a plain text goes somewhere or nowhere; only one that starts with the verb is likely
    # to be the act itself.
    longest = 4 if act.role == "link" else 2
    return start == 0 and len(name.split()) <= longest


def _is_plain_search(act: Act, name: str) -> bool:
    return act.submits and act.method in SAFE_METHODS and "search" in name.lower()


def _is_payment(field: dict[str, Any]) -> bool:
    return any(_PAYMENT.search(str(field[key])) for key in ("autocomplete", "name"))


def _shown(field: dict[str, Any]) -> str:
    secret = field["type"] == "password" or _is_payment(field)
    return "(masked)" if secret else one_line(field["value"], 200)
