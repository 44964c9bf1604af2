"""Holds back what cannot be undone until it is approved: acts before they begin, and requests that
an act turns out to cause, with what they really send.

Knows the policy only as the injected `approve`, and hosts by what the run's `Trust` holds.
"""

from __future__ import annotations

import asyncio
import contextvars
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from agents.web_surfer.act_words import firm_verb, verb_in_url
from agents.web_surfer.approving import SAFE_METHODS, Act, why_ask
from agents.web_surfer.attempts import Logins
from agents.web_surfer.browser import browser_error
from agents.web_surfer.closing import closed_by, refusal
from agents.web_surfer.ports import Ports
from agents.web_surfer.text import neutral, one_line
from orchestrator.errors import QuaestorError, ToolFailed

if TYPE_CHECKING:
    from agents.web_surfer.browser import Frame, Page, Request

PINGS = frozenset({"ping", "beacon", "cspviolationreport"})
ASKED_FOR = frozenset({"document", "xhr", "fetch"})
MAX_FIELDS = 60
_SECRET_NAME = re.compile(
    r"pass|^pw|pwd|secret|token|^pin$|card.?n|cvc|cvv|iban|credential|authorization", re.I
)
_MASKED = re.compile(
    r"""("(?:[^"]{0,40}(?:pass|pwd|secret|token|cvc|cvv|iban)[^"]{0,40}|pw|pin)"\s*:\s*)"[^"]*["]""",
    re.I,
)


@dataclass
class Doing:  # no slots: playwright writes an attribute on the owner of a handler
    """An act and what follows from it. `context` is the tool call's own, for questions asked on its
    behalf; `granted` are the hosts that a consent to the act itself covers."""

    page: Page
    element: str
    context: contextvars.Context
    granted: frozenset[str] = frozenset()
    login: str = ""
    sent: bool = False
    leaving: bool = False
    navigated: bool = False
    fault: QuaestorError | None = None

    def note_navigation(self, frame: Frame) -> None:
        """What a new document sends by itself is not what the act was about. A change of the
        address within the same document is none."""
        if frame == self.page.main_frame and self.leaving:
            self.navigated = True

    def note_request(self, request: Request) -> None:
        """An act that sends something is an attempt, whatever comes of it."""
        self.sent = self.sent or request.resource_type in ASKED_FOR
        if request.resource_type == "document" and _frame(request) == self.page.main_frame:
            self.leaving = True


@dataclass(slots=True)
class Gate:
    """`chatty` are the addresses (host, path) that pages send to by themselves; `asking` counts
    the requests that are held; `notes` is what the model should be told."""

    ports: Ports
    chatty: set[tuple[str, str]] = field(default_factory=set)
    asking: int = 0
    notes: list[str] = field(default_factory=list)
    logins: Logins = field(init=False)
    done: Doing | None = None
    _doing: Doing | None = None
    _granted: frozenset[str] = frozenset()
    _login: str = ""

    def __post_init__(self) -> None:
        self.logins = Logins(self.ports.trust)

    async def approve(self, act: Act) -> None:
        """Ask before an irreversible act; raises ToolFailed when it is not approved."""
        self._granted, self._login = frozenset(), ""
        cleared = self.logins.is_cleared(act)
        if act.sends_password:
            self.logins.check(act.here)
            self._login = act.here
        why = why_ask(act, self._posted_to(act.host), login_is_cleared=cleared)
        why = why or self._why_not_tell(act)
        if why is not None:
            await self._put(act.details(why))
        if why is not None or cleared:
            self._granted = frozenset({act.host, act.here})
            self.ports.trust.note("posted", act.host if act.submits else act.here)

    async def ask(self, details: dict[str, Any]) -> None:
        """Ask about the act that comes next. What the policy raises passes through."""
        self._granted, self._login = frozenset(), ""
        await self._put(details)
        self._granted = frozenset(urlsplit(details[name]).netloc for name in ("url", "page"))

    async def _put(self, details: dict[str, Any]) -> None:
        if not await self.ports.approve(details):
            raise ToolFailed(
                f"not approved: {details['action']} on {details['url']} ({details['why']})"
            )

    def _posted_to(self, host: str) -> frozenset[str]:
        return frozenset({host}) if self.ports.trust.knows("posted", host) else frozenset()

    def _why_not_tell(self, act: Act) -> str | None:
        trust = self.ports.trust
        if not act.submits or act.host == act.here or trust.may_be_told(act.host):
            return None
        private = trust.private(act.host)
        filled = any(field.get("filled") for field in act.fields)
        if not private or not filled:
            return None
        return f"it sends what was typed to {act.host}, after reading {_listed(private)}"

    @contextmanager
    def watching(self, page: Page, element: str) -> Iterator[Doing]:
        """While an act is under way its requests are looked at."""
        context = contextvars.copy_context()
        doing = Doing(page, element, context, self._granted, self._login)
        self._doing, self._granted, self._login = doing, frozenset(), ""
        self._let_go()
        page.on("framenavigated", doing.note_navigation)
        self.done = doing
        try:
            yield doing
        finally:
            self._doing = None

    def _let_go(self) -> None:
        if self.done is not None:
            self.done.page.remove_listener("framenavigated", self.done.note_navigation)

    async def lets_through(self, request: Request) -> bool:
        """Whether a request may be sent. What an act causes and nobody has consented to is asked
        about; what comes when the act is long over is turned away."""
        doing = self._doing
        closed = closed_by(request.url, self.ports.closed_places)
        if closed is not None:
            self.notes.append(refusal(request.url, closed))
            return False
        why = self._why_hold(request)
        if why is None:
            current = doing or self.done
            if current is not None:
                current.note_request(request)
            return True
        if doing is None or request.resource_type in PINGS:
            if request.resource_type not in PINGS:
                place = one_line(neutral(request.url.partition("?")[0]), 120)
                self.notes.append(f"held back: {request.method} {place} ({why})")
            return False
        return await self._consented(request, doing, why)

    async def _consented(self, request: Request, doing: Doing, why: str) -> bool:
        self.asking += 1
        try:
            await asyncio.create_task(
                self._put(_request_details(request, doing, why)), context=doing.context
            )
        except QuaestorError as fault:
            doing.fault = fault
            return False
        finally:
            self.asking -= 1
        host = urlsplit(request.url).netloc
        if request.method not in SAFE_METHODS:
            self.ports.trust.note("posted", host)
        doing.granted |= {host}
        doing.note_request(request)
        return True

    def _why_hold(self, request: Request) -> str | None:
        parts, doing = urlsplit(request.url), self._doing
        current = doing or self.done
        covered = current is not None and parts.netloc in current.granted
        if request.method in SAFE_METHODS:
            return None if doing is None or covered else _why_hold_get(request, doing)
        if request.resource_type in PINGS:
            return "it is telemetry" if self._is_caused(request) else None
        first = f"it is the first {request.method} to {parts.netloc}"
        if covered:
            return None
        if self.ports.trust.knows("posted", parts.netloc):
            verb = firm_verb(parts.path)
            return f'its address says "{verb}"' if verb and self._is_caused(request) else None
        if request.resource_type == "document" and not _is_inner(request):
            return first
        if not self._is_caused(request):
            self.chatty.add((parts.netloc, parts.path))
            signed_in = self.ports.trust.knows("private", parts.netloc)
            return first if signed_in and not _same_site(request) else None
        known = (parts.netloc, parts.path) in self.chatty
        return None if known and not _is_mutation(request) else first

    def _is_caused(self, request: Request) -> bool:
        """Whether an act may be behind it: the page has not been left since."""
        doing = self._doing or self.done
        if doing is None or doing.navigated:
            return False
        frame = _frame(request)
        return self._doing is not None or (frame is not None and frame.page == doing.page)


def _why_hold_get(request: Request, doing: Doing) -> str | None:
    if doing.navigated:
        return None
    verb = verb_in_url(request.url)
    return f'its address says "{verb}"' if verb else None


def _request_details(request: Request, doing: Doing, why: str) -> dict[str, Any]:
    body = _MASKED.sub(r"\1(masked)", request.post_data or "")
    pairs = parse_qsl(body, keep_blank_values=True)[:MAX_FIELDS] if "=" in body else []
    fields = [{"name": one_line(name), "value": _value(name, value)} for name, value in pairs]
    return {
        "action": "send",
        "why": why,
        "method": request.method,
        "url": neutral(request.url),
        "page": neutral(doing.page.url),
        "element": doing.element,
        "fields": fields or [{"name": "body", "value": one_line(body, 400)}],
    }


def _value(name: str, value: str) -> str:
    return "(masked)" if _SECRET_NAME.search(name) else one_line(value, 200)


def _is_mutation(request: Request) -> bool:
    """One GraphQL address takes questions and changes alike."""
    return "mutation" in (request.post_data or "")[:2000]


def _frame(request: Request) -> Frame | None:
    try:
        return request.frame
    except browser_error():
        return None  # the request opens a page that does not exist yet


def _is_inner(request: Request) -> bool:
    """Whether it is a document for a frame inside of a page."""
    frame = _frame(request)
    return frame is not None and frame.parent_frame is not None


def _same_site(request: Request) -> bool:
    frame = _frame(request)
    return frame is not None and urlsplit(frame.url).netloc == urlsplit(request.url).netloc


def _listed(private: frozenset[str]) -> str:
    return ", ".join(sorted(private))
