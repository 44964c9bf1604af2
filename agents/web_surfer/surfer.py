"""The WebSurfer's tools: everything a model can do in the browser, one method each.

Thin on purpose: how it is done stands in `acting`, what surrounds an action in `device`.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from pydantic import BaseModel

from agents.toolkit import tool, tools_of
from agents.web_surfer.acting import Button, Hand, Place
from agents.web_surfer.approving import Act
from agents.web_surfer.browser import Browser, WebSettings, browser_error, open_browser
from agents.web_surfer.device import Device
from agents.web_surfer.ports import Ports
from agents.web_surfer.reading import (
    fetch,
    find,
    listed,
    marked_picture,
    paged,
    table,
    wait,
    with_scheme,
)
from agents.web_surfer.search import SearchProvider, SearchSettings, make_search, search_host
from agents.web_surfer.text import one_line, safe_name
from orchestrator.agent import Json, Observation, Source
from orchestrator.errors import ToolFailed

ACTING_KEYS = frozenset({"Enter", "NumpadEnter", "Space"})


class Filling(BaseModel):
    """One field of a form and what goes into it."""

    ref: int
    text: str


class WebSurfer:
    """One branch of browsing. Every tool returns what the page looks like afterwards."""

    def __init__(self, device: Device, search: SearchProvider, settings: SearchSettings) -> None:
        self._device = device
        self._search = search
        self._search_settings = settings
        self._branches: list[WebSurfer] = []

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: WebSettings | None = None,
        *,
        ports: Ports | None = None,
        search: SearchSettings | None = None,
        branch: str = "main",
    ) -> AsyncIterator[WebSurfer]:
        """A surfer with a browser of its own; closes its pages, its branches and the browser."""
        async with open_browser(settings or WebSettings()) as browser:
            surfer = cls.on(browser, ports or Ports(), search or SearchSettings(), branch)
            try:
                yield surfer
            finally:
                await surfer.close()

    @classmethod
    def on(
        cls,
        browser: Browser,
        ports: Ports,
        search: SearchSettings,
        branch: str,
        storage: Json = None,
    ) -> WebSurfer:
        """A surfer on a browser that somebody else closes."""
        device = Device(browser, ports, branch, storage or browser.settings.storage)
        credential = browser.egress.credential(branch)
        return cls(device, make_search(search, credential), search)

    async def branch(self, name: str, ports: Ports | None = None) -> WebSurfer:
        """A second surfer on the same browser, with a copy of the cookies and its own tabs."""
        device = self._device
        storage = await device.storage()
        ports = ports or device.ports
        made = WebSurfer.on(device.browser, ports, self._search_settings, name, storage)
        self._branches.append(made)
        return made

    async def close(self) -> None:
        """Close the tabs of this branch and of those that came from it."""
        for made in self._branches:
            await made.close()
        self._branches.clear()
        await self._device.tabs.close()

    async def act(self, name: str, **arguments: Any) -> Observation:
        """Use a tool by its name, with the arguments checked as a model's are."""
        tools = tools_of(self)
        if name not in tools:
            raise ToolFailed(f"there is no tool {name}; there are {', '.join(tools)}")
        return await self.use(name, tools[name].parse(json.dumps(arguments)))

    async def use(self, name: str, arguments: dict[str, Any]) -> Observation:
        """Use a tool with arguments that were checked; whatever the browser says against it comes
        as ToolFailed, in one line."""
        try:
            observation: Observation = await getattr(self, name)(**arguments)
        except TimeoutError as error:
            raise ToolFailed(f"{name}: the page does not respond") from error
        except browser_error() as error:
            raise ToolFailed(f"{name}: {one_line(str(error))}") from error
        return observation

    def start_over(self) -> None:
        """Whoever reads from now on has seen nothing yet: the next page is shown in full."""
        self._device.start_over()

    async def restore(self, snapshot: Json) -> None:
        """Make the tabs of an earlier observation again. Unsaved form input is lost."""
        await self._device.restore(snapshot)

    def recall(self, observation: Observation) -> None:
        """A recorded step was found: stand as it left the pages, before the next live step."""
        self._device.recall(observation.snapshot)

    @tool()
    async def observe(self) -> Observation:
        """Show the active page again, in full."""
        await self._device.ready(dialog_allowed=True)
        return await self._device.show(whole=True)

    @tool()
    async def goto(self, url: str) -> Observation:
        """Open a URL in the active tab."""
        whole = with_scheme(url)
        await self._device.discretion.follow(whole, "open")
        await self._device.ready(leaving=True)
        return await self._device.open_url(whole)

    @tool(direct=True)
    async def search(self, query: str, count: int = 8) -> Observation:
        """Search the web: titles, URLs and snippets. Then open a result with goto or fetch."""
        if not self._device.browser.settings.policy.enabled:
            raise ToolFailed("the web is switched off for this run")
        await self._device.discretion.search(query, search_host(self._search_settings))
        hits = await self._search.search(query, max(1, min(count, 20)))
        self._device.ports.trust.note_links(hit.url for hit in hits)
        if not hits:
            return Observation(text=f"no results for {query!r}", failed=True)
        source = Source(kind="tool", ref=f"search:{self._search_settings.provider}")
        return listed(hits, source, query, self._device.ports.closed_places)

    @tool(direct=True)
    async def fetch(self, url: str, page: int = 1) -> Observation:
        """Read a URL as text without the browser: quick, but without scripts or cookies."""
        await self._device.discretion.follow(with_scheme(url), "fetch")
        return await fetch(self._device, url, page)

    @tool()
    async def back(self) -> Observation:
        """Go back one page in the active tab."""
        await self._device.ready()
        return await self._device.travel("back")

    @tool()
    async def forward(self) -> Observation:
        """Go forward one page in the active tab."""
        await self._device.ready()
        return await self._device.travel("forward")

    @tool()
    async def tabs(
        self, action: Literal["list", "switch", "close"] = "list", tab: int = 0
    ) -> Observation:
        """List the tabs, switch to one, or close one (numbers start at 1)."""
        await self._device.ready()
        tabs = self._device.tabs
        if action != "list" and not 1 <= tab <= len(tabs.pages):
            raise ToolFailed(f"there is no tab {tab}; there are {len(tabs.pages)}")
        if action == "switch":
            tabs.active = tab - 1
            await (await tabs.page()).bring_to_front()
        elif action == "close":
            await tabs.pages[tab - 1].close()
        return await self._device.show()

    @tool(risk="write", effect="ambiguous")
    async def click(self, ref: int, count: int = 1, button: Button = "left") -> Observation:
        """Click an element by its number; count=2 for a double click."""
        await self._device.ready()
        hand = await self._device.hand()
        intent = await hand.reader.call(await hand.element(ref), "intent")
        act = Act.from_intent("click", hand.page.url, hand.named(ref), intent)
        await self._device.gate.approve(act)
        return await self._device.do(
            lambda hand: hand.click(ref, count=count, button=button),
            element=hand.named(ref),
            saves=intent["saves"],
        )

    @tool(risk="write", effect="ambiguous")
    async def type(
        self, ref: int, text: str, submit: bool = False, clear: bool = True
    ) -> Observation:
        """Type into a field; clear=False appends. submit=True presses Enter. Dates: 2026-03-31."""
        await self._device.ready()
        hand = await self._device.hand()
        writing = await self._device.discretion.writing(hand, ref, text, clear=clear)
        typed = await self._device.do(writing, element=hand.named(ref))
        if not submit or self._device.tabs.dialog is not None:
            return typed
        await self._approve_key("Enter")
        return await self._device.do(lambda hand: hand.press("Enter"), element=hand.named(ref))

    @tool(risk="write", effect="ambiguous")
    async def fill_form(self, fields: list[Filling]) -> Observation:
        """Fill several fields at once, without submitting; a box takes true or false."""
        await self._device.ready()
        own, discretion = await self._device.hand(), self._device.discretion
        writings = [await discretion.writing(own, f.ref, f.text, clear=True) for f in fields]

        async def fill(hand: Hand) -> None:
            for writing in writings:
                await writing(hand)

        return await self._device.do(fill)

    @tool(risk="write", effect="ambiguous")
    async def select(self, ref: int, labels: list[str]) -> Observation:
        """Choose one or more options by their words, of a list or of a widget that opens one."""
        await self._device.ready()
        return await self._device.do(lambda hand: hand.select(ref, labels))

    @tool(risk="write", effect="ambiguous")
    async def press(self, keys: str, ref: int | None = None) -> Observation:
        """Press keys such as Enter, Escape, ArrowDown or Control+A, on an element if one is named;
        several are separated by spaces."""
        await self._device.ready()
        hand = await self._device.hand()
        if ref is not None:
            await (await hand.element(ref)).focus()
        await self._device.discretion.press(keys, hand.page)
        for key in ACTING_KEYS & set(re.split(r"[\s+]", f" {keys} ")):
            await self._approve_key(key)
        return await self._device.do(lambda hand: hand.press(keys))

    @tool()
    async def hover(self, ref: int) -> Observation:
        """Move the pointer over an element, for menus that open so."""
        await self._device.ready()
        return await self._device.do(lambda hand: hand.hover(ref))

    @tool(risk="write", effect="ambiguous")
    async def drag(
        self,
        source: int,
        target: int | None = None,
        place: Place = "center",
        dx: float = 0,
        dy: float = 0,
    ) -> Observation:
        """Drag one element onto another or beside it; without a target by dx, dy pixels."""
        await self._device.ready()
        if target is None and dx == dy == 0:
            raise ToolFailed("name a target, or dx and dy in pixels")
        hand = await self._device.hand()
        for ref in (source,) if target is None else (source, target):
            intent = await hand.reader.call(await hand.element(ref), "intent")
            act = Act.from_intent("drag", hand.page.url, hand.named(ref), intent)
            await self._device.gate.approve(act)
        return await self._device.do(
            lambda hand: (
                hand.drag_by(source, dx, dy) if target is None else hand.drag(source, target, place)
            ),
            element=hand.named(source if target is None else target),
        )

    @tool()
    async def scroll(
        self,
        ref: int | None = None,
        direction: Literal["down", "up", "right", "left"] = "down",
        screens: float = 0.9,
        to: Literal["top", "bottom"] | None = None,
    ) -> Observation:
        """Scroll the page, or a scroll area by its number."""
        await self._device.ready()
        dx = {"right": screens, "left": -screens}.get(direction, 0.0)
        dy = {"down": screens, "up": -screens}.get(direction, 0.0)

        async def move(hand: Hand) -> None:
            if ref is None:
                await hand.reader.ask(hand.page, "scrollOne", None, dx, dy, to)
            else:
                await hand.reader.call(await hand.element(ref), "scrollOne", dx, dy, to)

        return await self._device.do(move)

    @tool(risk="write", effect="ambiguous")
    async def upload(self, ref: int, path: str) -> Observation:
        """Give a file of the workspace to a file input or an upload button."""
        await self._device.ready()
        hand = await self._device.hand()
        await hand.element(ref)
        content = await self._device.ports.load(path)
        await self._device.gate.ask(
            {
                "action": "upload",
                "why": "it hands a file to a web page",
                "method": "POST",
                "url": hand.page.url,
                "page": hand.page.url,
                "element": hand.named(ref),
                "fields": [{"name": path, "value": f"{len(content)} bytes"}],
            }
        )
        name = safe_name(path)
        return await self._device.do(lambda hand: hand.upload(ref, name, content))

    @tool(risk="write", effect="ambiguous")
    async def dialog(self, accept: bool, text: str | None = None) -> Observation:
        """Answer the open dialog; text is what a prompt asks for."""
        return await self._device.answer_dialog(accept=accept, text=text)

    @tool()
    async def find(self, text: str) -> Observation:
        """Find words anywhere on the page; shows the lines with their numbers and scrolls there."""
        await self._device.ready()
        return await find(self._device, text)

    @tool()
    async def read_page(self, page: int = 1) -> Observation:
        """Read the page's whole text in parts, with headings, links and tables."""
        await self._device.ready()
        current = await self._device.page()
        parts = await self._device.reader.ask_shown(current, "markdown")
        text = "\n\n".join(part for part in parts if part)
        shown = paged(current.url, await current.title(), text, page)
        return shown.model_copy(update={"snapshot": self._device.say(current.url, "").snapshot})

    @tool()
    async def extract_table(self, ref: int | None = None) -> Observation:
        """The table around an element (or the page's largest) as CSV; a long one is also saved."""
        await self._device.ready()
        hand = await self._device.hand()
        return await table(self._device, hand, ref)

    @tool()
    async def wait_for(self, text: str, seconds: float = 10.0, gone: bool = False) -> Observation:
        """Wait until words appear on the page (or are gone)."""
        await self._device.ready()
        return await wait(self._device, text, seconds, gone=gone)

    @tool()
    async def look(self) -> Observation:
        """A picture of the viewport with the numbers drawn on it, for what text cannot tell."""
        await self._device.ready()
        page = await self._device.page()
        picture = await marked_picture(self._device, page)
        image = self._device.ports.keep_image(picture)
        shown = self._device.say(page.url, "the viewport; click_at takes its pixels as x, y")
        self._device.looked_at = page.url
        return shown.model_copy(update={"images": (image,)})

    @tool(risk="write", effect="ambiguous")
    async def click_at(self, x: float, y: float) -> Observation:
        """Click a point of the viewport, in pixels; only after look."""
        await self._device.ready()
        page = await self._device.page()
        if self._device.looked_at != page.url:
            raise ToolFailed("look at the page first; click_at needs the picture's pixels")
        intent = await self._device.reader.ask(page, "intentAt", x, y)
        element = f"point {x:g},{y:g} of {page.url}"
        if intent is not None:
            await self._device.gate.approve(Act.from_intent("click", page.url, element, intent))
        return await self._device.do(lambda hand: hand.page.mouse.click(x, y), element=element)

    @tool()
    async def downloads(self) -> Observation:
        """List the files that were downloaded."""
        return Observation(text="\n".join(self._device.downloads.saved) or "nothing was downloaded")

    async def _approve_key(self, key: str) -> None:
        """Ask about what Enter or Space does to the element that has the focus."""
        page = await self._device.page()
        enter = key in ("Enter", "NumpadEnter")
        for intent in await self._device.reader.ask_frames(page, "focusIntent", enter):
            if intent is not None and intent["pressed"]:
                element = one_line(" ".join(intent["names"][:1]))
                act = Act.from_intent(f"press {key}", page.url, element, intent)
                await self._device.gate.approve(act)
                return
