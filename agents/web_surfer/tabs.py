"""The open tabs of one branch, and everything that happens to them unasked: popups, dialogs,
downloads, crashes, requests. Knows how to wait for a page to come to rest. Refuses to know tools.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from agents.web_surfer.browser import Browser, browser_error
from agents.web_surfer.gating import Gate
from agents.web_surfer.outline import Reader
from agents.web_surfer.text import one_line
from orchestrator.errors import ToolFailed

if TYPE_CHECKING:
    from agents.web_surfer.browser import (
        BrowserContext,
        Dialog,
        Download,
        Page,
        Request,
        Route,
        WebSocket,
    )

T = TypeVar("T")
MAX_TABS = 12
QUIET_MS, TIMER_MS, CALM_CAP_MS = 80, 800, 1500
CAUSED_SECONDS = 5.0
DOWNLOAD_SECONDS = 5.0
WINDOW_SECONDS = 3.0
NAVIGATION_SECONDS = 15.0
ACT_SECONDS = 75.0
MAX_STREAMS = 200
WAITED_FOR = frozenset({"document", "xhr", "fetch", "script", "stylesheet"})
LOST_FORMS = "the browser was restarted; unsaved form input is lost"
CRASHED = "the browser crashed during this act; whether the act had an effect is not known"
NOTICED_S = 5.0


@dataclass
class Tabs:  # no slots: playwright writes an attribute on the owner of a handler
    """One browser context with its pages. `gate` decides on requests that change something."""

    browser: Browser
    branch: str
    reader: Reader
    gate: Gate
    storage: Any = None
    pages: list[Page] = field(default_factory=list)
    active: int = 0
    dialog: Dialog | None = None
    notes: list[str] = field(default_factory=list)
    downloads: list[Download] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    _context: BrowserContext | None = None
    _crashed: bool = False
    _requests: dict[Request, float] = field(default_factory=dict)
    _turned_away: set[Request] = field(default_factory=set)
    _streams: set[str] = field(default_factory=set)
    _aborted_at: float = 0.0
    _opened_at: float = 0.0
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)  # one context per branch
    _blocked: asyncio.Task[Any] | None = None

    @property
    def is_alive(self) -> bool:
        """Whether there is a context, and its browser has not crashed."""
        return self._context is not None and self.browser.is_running and not self._crashed

    async def is_lost(self) -> bool:
        """Whether the browser is gone since the tabs were opened; asks it, since the word of a
        crash comes a moment later than the crash."""
        if self._context is None or self._crashed:
            return self._crashed
        try:
            async with asyncio.timeout(NOTICED_S):
                await self._context.cookies()
        except (browser_error(), TimeoutError):
            await self.browser.wait_for_end(NOTICED_S)
        return not self.browser.is_running

    async def context(self) -> BrowserContext:
        """The branch's own context, made when it is first needed."""
        async with self._opening:
            if self._context is None or not self.browser.is_running:
                self._crashed = self._crashed or self._context is not None
                self._forget()
                context = await self.browser.new_context(self.branch, self.storage)
                await context.add_init_script(self.reader.init_script)
                await context.route("**/*", self._guard)
                context.on("page", self._page_opened)
                context.on("request", self._request_begun)
                context.on("requestfinished", self._request_ended)
                context.on("requestfailed", self._request_failed)
                self._context = context
            return self._context

    async def page(self) -> Page:
        """The active page; opens an empty one if there is none."""
        context = await self.context()
        if not self.pages:
            await context.new_page()
        self.active = min(self.active, len(self.pages) - 1)
        return self.pages[self.active]

    async def new_page(self) -> Page:
        """Open a tab and make it the active one."""
        context = await self.context()
        page = await context.new_page()
        self.active = self.pages.index(page)
        return page

    async def close(self) -> None:
        """Close the context and its pages."""
        context = self._context
        self._crashed = False
        self._forget()
        if context is not None and self.browser.is_running:
            with contextlib.suppress(browser_error()):
                await context.close()

    async def race(self, action: Coroutine[Any, Any, T]) -> T | None:
        """Do an action, but come back (with None) as soon as a dialog waits for an answer. Raises
        TimeoutError when the page does not respond; a held question does not count."""
        task = asyncio.create_task(action)
        deadline = time.monotonic() + ACT_SECONDS
        try:
            while not task.done():
                self._news.clear()
                if self.dialog is not None and not await self._wave_through(self.dialog):
                    self._blocked = task
                    # Its page may close before the dialog is answered; nobody asks then.
                    task.add_done_callback(lambda done: done.cancelled() or done.exception())
                    return None
                if self.gate.asking:
                    deadline = time.monotonic() + ACT_SECONDS
                elif time.monotonic() > deadline:
                    raise TimeoutError
                news = asyncio.create_task(self._news.wait())
                await asyncio.wait({task, news}, timeout=1, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
        except (asyncio.CancelledError, TimeoutError):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        return task.result()

    async def give_up(self, page: Page) -> None:
        """Close a page whose scripts never end."""
        with contextlib.suppress(TimeoutError, browser_error()):
            async with asyncio.timeout(CAUSED_SECONDS):
                await page.close()
        self._page_closed(page)

    async def trim(self) -> None:
        """Close the oldest of too many tabs: a page may open them without end."""
        while len(self.pages) > MAX_TABS:
            oldest = self.pages[1 if self.active == 0 else 0]
            self.notes.append(f"tab {self.pages.index(oldest) + 1} was closed: too many are open")
            await self.give_up(oldest)

    async def answer_dialog(self, *, accept: bool, text: str | None) -> None:
        """Answer the open dialog and let the action that it had stopped come to its end."""
        dialog, self.dialog = self.dialog, None
        if dialog is None:
            raise ToolFailed("no dialog is open")
        with contextlib.suppress(browser_error()):
            await (dialog.accept(text or "") if accept else dialog.dismiss())
        blocked, self._blocked = self._blocked, None
        if blocked is not None:
            done, pending = await asyncio.wait({blocked}, timeout=NAVIGATION_SECONDS)
            for task in pending:
                task.cancel()
            for task in done:
                if task.exception() is not None and not isinstance(
                    task.exception(), (ToolFailed, browser_error())
                ):
                    task.result()

    async def watch(self) -> None:
        """From now on, note what appears on the active page and vanishes before it has settled."""
        with contextlib.suppress(TimeoutError, browser_error()):
            await self.reader.ask_where_it_happens(await self.page(), "watch")

    async def settle(self, since: float) -> None:
        """Wait for what an action that began at `since` has caused, never for a fixed time."""
        await asyncio.sleep(0.02)
        deadline = time.monotonic() + NAVIGATION_SECONDS
        for _ in range(4):
            if not self.is_alive:
                return
            page = await self.page()
            await self._finish_navigation(page, since)
            await self._calm(page, since)
            if self.pages and await self.page() != page:
                continue
            if not await self._finish_caused(since, deadline) and not self._navigating(page, since):
                return

    async def expect_download(self, since: float, *, sure: bool) -> None:
        """Wait for the word of a download that a link promised, or that a broken-off navigation
        hints at: it comes after the page has come to rest."""
        deadline = time.monotonic() + DOWNLOAD_SECONDS
        while not self.downloads and (sure or self._aborted_at >= since):
            if time.monotonic() > deadline:
                return
            await self._next_news(deadline)

    def take_notes(self) -> list[str]:
        """What happened since the last look; each thing is told once."""
        notes, self.notes = self.notes, []
        return notes

    async def _finish_navigation(self, page: Page, since: float) -> None:
        deadline = time.monotonic() + NAVIGATION_SECONDS
        while self._navigating(page, since) and time.monotonic() < deadline:
            await self._next_news(deadline)
        with contextlib.suppress(browser_error()):
            left = max(0.1, deadline - time.monotonic())
            await page.wait_for_load_state("domcontentloaded", timeout=left * 1000)

    async def _calm(self, page: Page, since: float) -> None:
        opened = 0
        with contextlib.suppress(TimeoutError, browser_error()):
            async with asyncio.timeout(CALM_CAP_MS / 1000 + 1):
                how = (QUIET_MS, TIMER_MS, CALM_CAP_MS)
                for seen in await self.reader.ask_where_it_happens(page, "settled", *how):
                    passed = [one_line(words) for words in seen["passed"]]
                    self.notes += [f'shown for a moment: "{words}"' for words in passed]
                    opened += seen["opened"]
        deadline = time.monotonic() + WINDOW_SECONDS
        while opened and self._opened_at < since and time.monotonic() < deadline:
            await self._next_news(deadline)

    async def _finish_caused(self, since: float, deadline: float) -> bool:
        """Whether there was anything to wait for. What takes longer than the cap is a stream."""
        waited = False
        while self.gate.asking or self._caused(since):
            waited = True
            if not self.gate.asking and time.monotonic() > deadline:
                break
            await self._next_news(min(deadline, time.monotonic() + CAUSED_SECONDS))
        return waited

    def _caused(self, since: float) -> bool:
        """Whether something is under way that an answer can be expected of. An address that once
        took too long is one that the page polls: it is never waited for again."""
        oldest = time.monotonic() - CAUSED_SECONDS
        caused = False
        for request, started in self._requests.items():
            if request.resource_type not in WAITED_FOR or started < since:
                continue
            place = request.url.partition("?")[0]
            if started <= oldest and len(self._streams) < MAX_STREAMS:
                self._streams.add(place)
            caused = caused or place not in self._streams
        return caused

    def _navigating(self, page: Page, since: float) -> bool:
        return any(
            started >= since and request.resource_type == "document" and _loads_into(request, page)
            for request, started in self._requests.items()
        )

    async def _next_news(self, deadline: float) -> None:
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(0.5, max(0.05, deadline - time.monotonic()))):
                await self._news.wait()

    async def _wave_through(self, dialog: Dialog) -> bool:
        """Alerts and leave-this-page questions need no decision; the model is told of them."""
        if dialog.type not in ("alert", "beforeunload"):
            return False
        self.dialog = None
        said = f': "{one_line(dialog.message)}"' if dialog.message else ""
        self.notes.append(f"{dialog.type} was closed{said}")
        with contextlib.suppress(browser_error()):
            await dialog.accept()
        return True

    async def _guard(self, route: Route, request: Request) -> None:
        try:
            passes = await self.gate.lets_through(request)
            if not passes:
                self._turned_away.add(request)
            await (route.continue_() if passes else route.abort("aborted"))
        except browser_error():
            return  # the page was closed while its request was held

    def _page_opened(self, page: Page) -> None:
        page.on("dialog", self._dialog_opened)
        page.on("download", self._download_begun)
        page.on("close", self._page_closed)
        page.on("websocket", self._socket_opened)
        page.on("crash", self._page_crashed)
        self.pages.append(page)
        self._opened_at = time.monotonic()
        if len(self.pages) > 1:
            self.active = len(self.pages) - 1
            self.notes.append(f"tab {len(self.pages)} was opened and is now the active one")
        self._news.set()

    def _socket_opened(self, socket: WebSocket) -> None:
        self.hosts.add(urlsplit(socket.url).hostname or "")

    def _page_closed(self, page: Page) -> None:
        if page not in self.pages:
            return
        position = self.pages.index(page)
        self.pages.remove(page)
        if self.active >= position and self.active > 0:
            self.active -= 1
        self._news.set()

    def _page_crashed(self, page: Page) -> None:
        self.notes.append(f"the page {page.url} crashed; go to it again")
        self._page_closed(page)

    def _dialog_opened(self, dialog: Dialog) -> None:
        self.dialog = dialog
        self._news.set()

    def _download_begun(self, download: Download) -> None:
        self.downloads.append(download)
        self._news.set()

    def _request_begun(self, request: Request) -> None:
        self._requests[request] = time.monotonic()
        host = urlsplit(request.url).hostname or ""
        self.hosts.add(host)
        if _goes_to(request):
            self.browser.egress.visit(self.branch, host)
        self._news.set()

    def _request_ended(self, request: Request) -> None:
        self._requests.pop(request, None)
        self._news.set()

    def _request_failed(self, request: Request) -> None:
        if request in self._turned_away:
            self._turned_away.discard(request)
        elif request.resource_type == "document" and "ERR_ABORTED" in (request.failure or ""):
            self._aborted_at = time.monotonic()
        self._request_ended(request)

    def _forget(self) -> None:
        self._context = None
        self.pages.clear()
        self._requests.clear()
        self.downloads.clear()
        self.dialog = None
        self.active = 0
        if self._blocked is not None:
            self._blocked.cancel()
            self._blocked = None


def _goes_to(request: Request) -> bool:
    """Whether a tab itself goes there, and not a frame or a part of its page."""
    if not request.is_navigation_request():
        return False
    try:
        return request.frame.parent_frame is None
    except browser_error():
        return True  # a new tab has no frame yet


def _loads_into(request: Request, page: Page) -> bool:
    """Whether it is a navigation of the page itself. One without a frame opens a new page."""
    if not request.is_navigation_request():
        return False
    try:
        return bool(request.frame == page.main_frame)
    except browser_error():
        return True
