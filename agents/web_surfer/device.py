"""The surfer's device: one branch's tabs with everything that has to be true around an action.

Before it: the page is restored, no dialog is open, irreversible acts are approved. After it: the
page has come to rest, downloads are saved, and the page is shown. Knows no tools.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from agents.web_surfer.acting import Hand
from agents.web_surfer.approving import Act
from agents.web_surfer.browser import Browser, browser_error
from agents.web_surfer.closing import closed_by, refusal
from agents.web_surfer.downloading import PDF, Downloads
from agents.web_surfer.gating import Gate
from agents.web_surfer.loading import load
from agents.web_surfer.outline import Descriptor, Outline, Reader, fit
from agents.web_surfer.ports import Ports
from agents.web_surfer.restoring import kept_session, origin_of, reopen
from agents.web_surfer.showing import MAX_IN_A_ROW, offer, view
from agents.web_surfer.tabs import CRASHED, LOST_FORMS, Tabs
from agents.web_surfer.telling import Discretion
from agents.web_surfer.text import neutral, one_line
from agents.web_surfer.watching import look_at
from orchestrator.agent import Json, Observation, Source
from orchestrator.errors import ToolFailed
from sandbox.egress_policy import Refused, canonical_host

if TYPE_CHECKING:
    from agents.web_surfer.browser import Page

ROOM_FOR_WORDS = 300  # what is said about changes and pictures


class Device:
    """Acts on and shows the pages of one branch."""

    def __init__(self, browser: Browser, ports: Ports, branch: str, storage: Json = None) -> None:
        self.browser = browser
        self.ports = ports
        self.branch = branch
        self.reader = Reader()
        self.gate = Gate(ports)
        self.discretion = Discretion(self.gate)
        self.tabs = Tabs(browser, branch, self.reader, self.gate, storage)
        self.downloads = Downloads(ports, browser.settings.max_download_bytes)
        self.looked_at = ""
        self._recalled: Json = None
        self._standing: Json = None
        self._passages_seen = 0
        self._shown: list[str] | None = None
        self._shown_url = ""
        self._views_of_changes = 0
        self._idle_acts = 0
        self._offered: set[tuple[str, str]] = set()
        self._local: dict[str, Any] = {}
        self._sessions: dict[Page, Json] = {}

    async def page(self) -> Page:
        return await self.tabs.page()

    async def hand(self) -> Hand:
        return Hand(await self.page(), self.reader)

    def recall(self, snapshot: Json) -> None:
        """Stand like this again before the next live step."""
        if snapshot is not None:
            self._recalled = snapshot

    async def ready(self, *, dialog_allowed: bool = False, leaving: bool = False) -> None:
        """Restore what a crash or a resume took away; refuse to act past an open dialog. `leaving`:
        the active page is not needed, since another one is about to be opened in its place."""
        if self._recalled is not None:
            await self.restore(self._recalled, leaving=leaving)
        elif self._standing is not None and not self.tabs.is_alive:
            await self.restore(self._standing, leaving=leaving)
        if self.tabs.dialog is not None:
            await self.tabs.race(asyncio.sleep(0))
        dialog = self.tabs.dialog
        if dialog is not None and not dialog_allowed:
            raise ToolFailed(
                f'a {dialog.type} dialog is open: "{one_line(dialog.message)}"; '
                "answer it first with dialog(accept, text)"
            )

    async def do(
        self, action: Callable[[Hand], Awaitable[object]], *, element: str = "", saves: bool = False
    ) -> Observation:
        """Act, wait until the page has come to rest, and show it. `saves`: a download follows."""
        since = time.monotonic()
        hand = await self.hand()

        async def whole() -> None:
            await self.tabs.watch()
            await action(hand)
            await self.tabs.settle(since)
            await self.tabs.expect_download(since, sure=saves)

        with self.gate.watching(hand.page, element) as doing:
            try:
                await self.tabs.race(whole())
            except TimeoutError as error:
                await self.tabs.give_up(hand.page)
                raise ToolFailed(f"{hand.page.url} stopped responding and was closed") from error
            except browser_error() as error:
                if not hand.page.is_closed() and not await self.tabs.is_lost():
                    raise ToolFailed(one_line(str(error))) from error
        if doing.fault is not None:
            raise doing.fault
        return await self.show(acted=True)

    async def open_url(self, url: str) -> Observation:
        """Load a URL in the active tab, and tell a refused host from an unreachable one."""
        since = time.monotonic()
        page = await self.page()
        said: list[str] = []

        async def whole() -> None:
            said.extend(await load(page, url, self.browser.settings.goto_seconds))
            await self.tabs.settle(since)

        with self.gate.watching(page, "the URL") as doing:
            doing.leaving = True
            try:
                await self.tabs.race(whole())
            except browser_error() as error:
                unloaded = doing.fault is None and not self.tabs.downloads
                if unloaded and not await self.tabs.is_lost():
                    raise ToolFailed(self._why_not_loaded(url, str(error))) from error
        if doing.fault is not None:
            raise doing.fault
        return await self.show(said)

    async def travel(self, way: Literal["back", "forward"]) -> Observation:
        """Go through the active tab's history."""
        since = time.monotonic()
        page = await self.page()
        left = page.url
        move = page.go_back if way == "back" else page.go_forward

        async def whole() -> None:
            await move(wait_until="commit", timeout=self.browser.settings.goto_seconds * 1000)
            await self.tabs.settle(since)

        try:
            await self.tabs.race(whole())
        except browser_error() as error:
            if not await self.tabs.is_lost():
                raise ToolFailed(one_line(str(error))) from error
            return await self.show()
        if page.url == left and self.tabs.dialog is None:
            raise ToolFailed(f"there is no page to go {way} to in this tab")
        return await self.show()

    async def answer_dialog(self, *, accept: bool, text: str | None) -> Observation:
        """Answer the open dialog; saying yes to a confirmation has to be approved."""
        await self.ready(dialog_allowed=True)
        page, dialog, since = await self.page(), self.tabs.dialog, time.monotonic()
        if dialog is None:
            raise ToolFailed("no dialog is open")
        if accept and dialog.type == "confirm":
            said = one_line(dialog.message)
            details = Act("accept", page.url, f'confirm dialog "{said}"').details(
                "it says yes to a confirmation"
            )
            await self.gate.ask(details)
        if accept and text:
            await self.discretion.say_to_all(text, page, "prompt dialog", "answer")
        with self.gate.watching(page, "dialog") as doing:
            await self.tabs.answer_dialog(accept=accept, text=text)
            await self.tabs.race(self.tabs.settle(since))
        if doing.fault is not None:
            raise doing.fault
        return await self.show()

    async def show(
        self, said: Sequence[str] = (), *, whole: bool = False, acted: bool = False
    ) -> Observation:
        """The active page as an observation, with what there is to say about it: all of it when
        `whole`, else what changed where that says it shorter."""
        if self._standing is not None and await self.tabs.is_lost():
            await self.restore(self._standing)
            self.tabs.notes.append(CRASHED)
        await self.tabs.trim()
        await self._leave_closed(await self.page())
        pending, self.tabs.downloads = self.tabs.downloads, []
        self.tabs.notes += [*said, *await self.downloads.collect(pending)]
        page = await self.page()
        outline = None if self.tabs.dialog is not None else await self._outline(page)
        if outline is not None and outline.content_type == PDF:
            self.tabs.notes += await self.downloads.keep_displayed(page)
        url, wall = page.url, None
        if outline is not None:
            look = await look_at(page, self.reader, self.gate)
            wall = look.wall
            self.tabs.notes += look.notes
        header = await self._header(page, outline)
        if wall is not None:
            header.insert(2, f"in the way: {wall.kind} ({wall.why})")
        lines: list[str] = []
        if outline is not None:
            room = self.limit - sum(len(line) + 1 for line in header) - ROOM_FOR_WORDS
            lines = fit(outline, room)
        before = self._shown if self._shown_url == url else None
        seen = view(before, lines, MAX_IN_A_ROW if whole else self._views_of_changes)
        self._idle_acts = self._idle_acts + 1 if acted and before == lines else 0
        self._views_of_changes = 0 if seen.whole else self._views_of_changes + 1
        self._shown, self._shown_url = lines, url
        self._standing = await self._snapshot(page, outline)
        self._standing["wall"] = wall.kind if wall is not None else ""
        header += [line for line in (seen.said, self._offer(outline, url)) if line and lines]
        text = neutral("\n".join([*header, "---", *seen.lines] if seen.lines else header))
        return Observation(
            text=text,
            source=Source(kind="url", ref=url),
            page=url,
            snapshot=self._standing,
            view="whole" if seen.whole else "changes",
        )

    async def _leave_closed(self, page: Page) -> None:
        """A redirect is not seen on its way: its end is."""
        url = page.url
        closed = closed_by(url, self.ports.closed_places)
        if closed is not None:
            with contextlib.suppress(browser_error()):
                await page.goto("about:blank")
            raise ToolFailed(refusal(url, closed))

    @property
    def limit(self) -> int:
        """Characters that an observation may have."""
        return min(self.browser.settings.observation_chars, self.ports.room)

    def start_over(self) -> None:
        """The reader of the observations is a new one: nothing was shown to it."""
        self._shown = None
        self._offered.clear()

    def _offer(self, outline: Outline | None, url: str) -> str:
        """A word on `look` where text cannot carry the page, once for each reason."""
        if outline is None or not self.ports.sees:
            return ""
        why = offer(outline.refs.values(), self._idle_acts)
        if not why or (url, why) in self._offered:
            return ""
        self._offered.add((url, why))
        return f"note: {why}; look shows it as a picture"

    def say(self, url: str, text: str, locator: str = "") -> Observation:
        """A short result that leaves the page as it is."""
        return Observation(
            text=text,
            source=Source(kind="url", ref=url),
            locator=locator,
            page=url,
            snapshot=self._standing,
        )

    async def restore(self, snapshot: Json, *, leaving: bool = False) -> None:
        """Make the tabs again from a snapshot; elements keep their numbers. `leaving`: the active
        page is not loaded, only its session storage is there for the page that comes next."""
        self._recalled = None
        await self.tabs.close()
        self.tabs.storage = snapshot["storage"]
        self._local = {origin["origin"]: origin for origin in snapshot["storage"]["origins"]}
        refs = {int(ref): Descriptor(*found) for ref, found in snapshot["refs"].items()}
        self.reader.remember(snapshot["url"], refs, snapshot["next_ref"])
        urls = snapshot["tabs"] or [snapshot["url"]]
        sessions = snapshot.get("sessions") or [None] * len(urls)
        self._sessions.clear()
        for number, (url, session) in enumerate(zip(urls, sessions, strict=True)):
            page = await self.tabs.new_page()
            self._sessions[page] = session
            here = number == snapshot["active"]
            seconds = self.browser.settings.goto_seconds
            await reopen(page, url, session, seconds=seconds, loads=not (leaving and here))
            if here and not leaving:
                with contextlib.suppress(browser_error()):
                    await page.evaluate(f"window.scrollTo(0, {int(snapshot['scroll'])})")
        self.tabs.active = min(snapshot["active"], max(0, len(self.tabs.pages) - 1))
        self.tabs.take_notes()
        self.tabs.notes.append(LOST_FORMS)
        await self.tabs.race(self.tabs.settle(time.monotonic()))

    async def storage(self) -> Json:
        """Cookies and local storage, in the shape that a new context takes."""
        if not self.tabs.is_alive:
            return self.tabs.storage or {"cookies": [], "origins": []}
        context = await self.tabs.context()
        return {"cookies": await context.cookies(), "origins": list(self._local.values())}

    def refusals(self) -> list[str]:
        """What the proxy did not let pages through to since the last look."""
        fresh = self.browser.egress.verdicts(self.branch, self._passages_seen)
        self._passages_seen = self.browser.egress.count
        told = {
            (passage.host, passage.verdict): passage
            for passage in fresh
            if passage.verdict in ("refused", "unreachable") and self._asked_for(passage.host)
        }
        return [f"{p.verdict}: {p.host}:{p.port} ({p.reason})" for p in told.values()]

    def _asked_for(self, host: str) -> bool:
        """Pages write hosts in their own ways; the proxy logs the canonical one."""
        with contextlib.suppress(Refused):
            return host in {canonical_host(asked) for asked in self.tabs.hosts if asked}
        return True

    def _why_not_loaded(self, url: str, message: str) -> str:
        host = urlsplit(url).hostname or url
        refusals = self.refusals()
        if refusals and "ERR_TUNNEL" in message:
            return one_line(f"{host} was not loaded: {'; '.join(refusals)}")
        found = re.search(r"net::(ERR_[A-Z_]+)", message)
        return one_line(f"{host} was not loaded: {found.group(1) if found else message}")

    async def _outline(self, page: Page) -> Outline | None:
        try:
            return await self.tabs.race(self.reader.read(page))
        except (TimeoutError, browser_error()):
            self.tabs.notes.append("the page does not respond")
            return None

    async def _header(self, page: Page, outline: Outline | None) -> list[str]:
        header = [f"url: {one_line(page.url, 2000)}"]
        if outline is not None:
            header.append(f"title: {one_line(outline.title, 200)}")
            header += _scroll_lines(outline)
        if len(self.tabs.pages) > 1:
            header.append("tabs: " + await self._tab_list())
        header += [f"note: {one_line(note)}" for note in self.tabs.take_notes()]
        header += [f"network policy: {one_line(refusal)}" for refusal in self.refusals()[:4]]
        if self.tabs.dialog is not None:
            dialog = self.tabs.dialog
            header.append(f'dialog: {dialog.type} "{one_line(dialog.message)}"')
            header.append("answer it with dialog(accept, text) before anything else")
        return header

    async def _tab_list(self) -> str:
        parts = []
        for number, page in enumerate(self.tabs.pages, 1):
            mark = "*" if number - 1 == self.tabs.active else ""
            parts.append(f"{mark}{number} {one_line(page.url, 80)}")
        return " | ".join(parts)

    async def _snapshot(self, page: Page, outline: Outline | None) -> Json:
        if self._standing is not None and not self.tabs.is_alive:
            return self._standing  # it crashed just now: what stood before is what to restore
        if outline is not None:
            await self._remember_storage(page)
        refs = outline.refs if outline is not None else {}
        return {
            "url": page.url,
            "tabs": [tab.url for tab in self.tabs.pages],
            "active": self.tabs.active,
            "scroll": outline.scroll[0] if outline is not None else 0,
            "storage": await self.storage(),
            "sessions": [self._sessions.get(tab) for tab in self.tabs.pages],
            "refs": {str(ref): list(found) for ref, found in refs.items()},
            "next_ref": self.reader.next_ref,
        }

    async def _remember_storage(self, page: Page) -> None:
        """Of the page that is shown; every page with storage was shown once."""
        origin = origin_of(page.url)
        if not origin:
            return
        with contextlib.suppress(TimeoutError, browser_error()):
            items = await self.reader.ask(page, "localItems")
            self._local[origin] = {"origin": origin, "localStorage": items}
            session = await self.reader.ask(page, "sessionItems")
            open_pages = {tab: self._sessions.get(tab) for tab in self.tabs.pages}
            self._sessions = {**open_pages, page: kept_session(origin, session)}


def _scroll_lines(outline: Outline) -> list[str]:
    at, screen, height = outline.scroll
    if height <= screen + 4:
        return []
    below = max(0.0, (height - at - screen) / max(1, screen))
    line = f"scroll: at {at} of {height - screen} px, {below:.1f} screens below"
    if outline.long:
        above_n, below_n = outline.skipped
        line += f" (only the part near the viewport is shown; controls: {above_n} above, {below_n}"
        line += " below)"
    return [line]
