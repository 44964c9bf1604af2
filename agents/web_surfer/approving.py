"""Decides which acts on a page are irreversible enough to ask first: pure rules, no browser.

The question shows the real action, taken from the page's structure and never from a summary.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from agents.web_surfer.text import neutral, one_line

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_WORDS = re.compile(
    r"\b(delete|remove|erase|wipe|deactivate|send|submit payment|buy|order|pay|purchase|checkout|"
    r"check out|subscribe|unsubscribe|transfer|publish|book now|donate|sell|withdraw|"
    r"confirm|place order|sign contract|cancel (?:order|account|subscription|booking))\b",
    re.I,
)
_NOT_THE_ACT = re.compile(r"\b(order by|sort order|order history|in order|pay attention)\b", re.I)
_PAYMENT = re.compile(
    r"^cc-|card.?(?:no|num|holder)|credit.?card|\bcvc\b|\bcvv\b|\biban\b|account.?n(?:o|um)", re.I
)
_LONGEST_NAME = 60
_PRESSED = frozenset({"button", "menuitem", "clickable", "link", "switch"})


@dataclass(frozen=True, slots=True)
class Act:
    """What is about to happen, as facts of the page."""

    action: str
    page: str
    element: str
    name: str = ""
    role: str = ""
    submits: bool = False
    method: str = "GET"
    url: str = ""
    fields: Sequence[dict[str, Any]] = ()

    @classmethod
    def from_intent(cls, action: str, page: str, element: str, intent: Any) -> Act:
        """Build one from what the walker says about the target."""
        form = intent["form"] if intent["submits"] else None
        return cls(
            action=action,
            page=page,
            element=element,
            name=neutral(intent["name"]),
            role=intent["role"],
            submits=bool(intent["submits"]),
            method=form["method"] if form else "GET",
            url=form["url"] if form else intent["href"],
            fields=form["fields"] if form else (),
        )

    @property
    def host(self) -> str:
        return urlsplit(self.url or self.page).netloc

    def details(self, why: str) -> dict[str, Any]:
        """What a person is shown."""
        return {
            "action": self.action,
            "why": why,
            "method": self.method,
            "url": neutral(self.url or self.page),
            "page": neutral(self.page),
            "element": self.element,
            "fields": [
                {"name": one_line(field["name"] or field["type"]), "value": _shown(field)}
                for field in self.fields
            ],
        }


def why_ask(act: Act, hosts_posted_to: set[str]) -> str | None:
    """The reason to ask before this act, or None for one that changes nothing for good."""
    if act.submits:
        if any(field["type"] == "password" for field in act.fields):
            return "it submits a password"
        if any(_is_payment(field) for field in act.fields):
            return "it submits payment details"
    if _names_an_irreversible_act(act):
        return f'the {act.role} says "{one_line(act.name, _LONGEST_NAME)}"'
    if act.submits and act.method not in SAFE_METHODS and act.host not in hosts_posted_to:
        return f"it is the first {act.method} to {act.host}"
    if act.url.startswith("mailto:"):
        return "it writes a mail"
    return None


def _names_an_irreversible_act(act: Act) -> bool:
    if act.role not in _PRESSED or not act.name or len(act.name) > _LONGEST_NAME:
        return False
    name = _NOT_THE_ACT.sub("", act.name)
    found = _WORDS.search(name)
    if found is None or _is_plain_search(act):
        return False
    # A link goes somewhere; only one that starts with the verb is likely to be the act itself.
    return act.role != "link" or (found.start() == 0 and len(name.split()) <= 4)


def _is_plain_search(act: Act) -> bool:
    return act.submits and act.method in SAFE_METHODS and "search" in act.name.lower()


def _is_payment(field: dict[str, Any]) -> bool:
    return any(_PAYMENT.search(str(field[key])) for key in ("autocomplete", "name"))


def _shown(field: dict[str, Any]) -> str:
    return "(masked)" if field["type"] == "password" else one_line(field["value"], 200)
