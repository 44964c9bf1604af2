"""Holds back what cannot be undone until it is approved: acts before they begin, and requests that
an act turns out to cause, with what they really send.

Knows the policy only as the injected `approve`.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from agents.web_surfer.approving import Act, why_ask
from agents.web_surfer.ports import Ports
from agents.web_surfer.text import neutral, one_line
from orchestrator.errors import QuaestorError, ToolFailed

if TYPE_CHECKING:
    from agents.web_surfer.browser import Frame, Page, Request

NOT_GATED = frozenset({"ping", "beacon", "cspviolationreport"})
MAX_FIELDS = 60


@dataclass
class Doing:  # no slots: playwright writes an attribute on the owner of a handler
    """The act under way. `context` is the tool call's own, for questions asked on its behalf;
    `granted` says that the act itself was asked about."""

    page: Page
    element: str
    context: contextvars.Context
    granted: bool = False
    navigated: bool = False
    fault: QuaestorError | None = None

    def note_navigation(self, frame: Frame) -> None:
        """What a new document sends by itself is not what the act was about."""
        if frame == self.page.main_frame:
            self.navigated = True


@dataclass(slots=True)
class Gate:
    """`posted_to` are the hosts that may be sent to without asking again; `chatty` those that
    pages send to by themselves; `asking` counts the requests that are held."""

    ports: Ports
    posted_to: set[str] = field(default_factory=set)
    chatty: set[str] = field(default_factory=set)
    asking: int = 0
    _doing: Doing | None = None
    _granted: bool = False

    async def approve(self, act: Act) -> None:
        """Ask before an irreversible act; raises ToolFailed when it is not approved."""
        self._granted = False
        why = why_ask(act, self.posted_to)
        if why is None:
            return
        await self.ask(act.details(why))
        self.posted_to.add(act.host if act.submits else urlsplit(act.page).netloc)

    async def ask(self, details: dict[str, Any]) -> None:
        """Ask about the act that comes next. What the policy raises passes through."""
        self._granted = False
        await self._put(details)
        self._granted = True

    async def _put(self, details: dict[str, Any]) -> None:
        if not await self.ports.approve(details):
            raise ToolFailed(
                f"not approved: {details['action']} on {details['url']} ({details['why']})"
            )

    @contextmanager
    def watching(self, page: Page, element: str) -> Iterator[Doing]:
        """While an act is under way its requests are looked at."""
        doing = Doing(page, element, contextvars.copy_context(), self._granted)
        self._doing, self._granted = doing, False
        page.on("framenavigated", doing.note_navigation)
        try:
            yield doing
        finally:
            self._doing = None
            page.remove_listener("framenavigated", doing.note_navigation)

    async def lets_through(self, request: Request) -> bool:
        """Whether a request that changes something may be sent; the first one to a host that an
        act of ours causes is asked about."""
        host, doing = urlsplit(request.url).netloc, self._doing
        if doing is None or request.resource_type in NOT_GATED:
            self.chatty.add(host)
            return True
        if host in self.posted_to:
            return True
        own = _same_site(host, doing.page)
        quiet = doing.navigated or doing.granted or host in self.chatty or not own
        if request.resource_type != "document" and quiet:
            return True
        self.asking += 1
        try:
            await asyncio.create_task(
                self._put(_request_details(request, doing)), context=doing.context
            )
        except QuaestorError as fault:
            doing.fault = fault
            return False
        finally:
            self.asking -= 1
        self.posted_to.add(host)
        return True


def _request_details(request: Request, doing: Doing) -> dict[str, Any]:
    body = request.post_data or ""
    pairs = parse_qsl(body, keep_blank_values=True)[:MAX_FIELDS] if "=" in body else []
    fields = [{"name": one_line(name), "value": one_line(value, 200)} for name, value in pairs]
    return {
        "action": "send",
        "why": f"it is the first {request.method} to {urlsplit(request.url).netloc}",
        "method": request.method,
        "url": neutral(request.url),
        "page": neutral(doing.page.url),
        "element": doing.element,
        "fields": fields or [{"name": "body", "value": one_line(body, 400)}],
    }


def _same_site(host: str, page: Page) -> bool:
    """Telemetry of third parties is not what an act is about."""
    own = urlsplit(page.url).netloc.partition(":")[0].split(".")[-2:]
    return host.partition(":")[0].split(".")[-2:] == own
