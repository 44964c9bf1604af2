"""Reads a page as numbered lines over all its frames, and finds the element behind a number again.

The walk itself is JavaScript (`outline.js` and its neighbours). Knows no tools and no actions.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from agents.web_surfer.browser import browser_error
from agents.web_surfer.text import folded, neutral
from orchestrator.errors import ToolFailed

if TYPE_CHECKING:
    from agents.web_surfer.browser import ElementHandle, Frame, JSHandle, Page

FRAME_SECONDS = 3.0
PAGE_SECONDS = 10.0
MAX_FRAMES = 25
MAX_FRAME_DEPTH = 4
STALE_TRIES = 2
_PARTS = (
    *("looks.js", "names.js", "outline.js", "reading.js"),
    *("acting.js", "passing.js", "intent.js", "signs.js"),
)
_EXPORTS = (
    "outline refOf nodeOf adopt aimAt boxOf kindOf steppedValue isWriting dropSelection isShown "
    "bringIntoView bringPointIntoView dropFile watch scrollOne localItems sessionItems mark "
    "settled intent intentAt focusIntent signs markdown tables tableAround shownText chunks"
)


class Descriptor(NamedTuple):
    """How an element is told from its neighbours when its node is gone."""

    role: str
    name: str
    rank: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the outline, and the numbers that stand in it."""

    depth: int
    text: str
    y: int
    refs: tuple[int, ...] = ()

    @property
    def shown(self) -> str:
        return "  " * self.depth + self.text


@dataclass(frozen=True, slots=True)
class Outline:
    """A page at one moment."""

    url: str
    title: str
    content_type: str
    lines: tuple[Line, ...]
    refs: dict[int, Descriptor]
    scroll: tuple[int, int, int]
    skipped: tuple[int, int]
    long: bool


@dataclass(slots=True)
class Reader:
    """Numbers the elements of all pages of a branch; a number is never given out twice.
    `touched` is the frame of the element that was asked for last."""

    key: str = field(default_factory=lambda: f"_{secrets.token_hex(8)}")
    next_ref: int = 1
    known: dict[int, tuple[str, Descriptor]] = field(default_factory=dict)
    touched: Frame | None = None
    _frames: dict[int, Frame] = field(default_factory=dict)
    _walkers: WeakKeyDictionary[Frame, JSHandle] = field(default_factory=WeakKeyDictionary)

    @property
    def init_script(self) -> str:
        """Has to run in every frame before the page's own scripts."""
        return f"({_read('hooks.js')})({self.key!r})"

    async def read(self, page: Page, *, everything: bool = False, words: str = "") -> Outline:
        """The page as it is now; also what is far from the viewport with `everything`, or with
        `words` the parts of it that hold them."""
        chosen = await self._parts_with(page.main_frame, words) if words else None
        wanted = bool(words) or everything
        raw = await self._ask(page.main_frame, "outline", self.next_ref, wanted, chosen)
        self.next_ref = max(self.next_ref, raw["next"])
        budget = iter(range(MAX_FRAMES))
        entries = await self._splice(page.main_frame, raw["lines"], wanted, 0, budget)
        url = page.url
        refs = _descriptors(entries)
        self.known.update({ref: (url, descriptor) for ref, descriptor in refs.items()})
        return Outline(
            url=url,
            title=neutral(raw["title"]),
            content_type=raw["type"],
            lines=tuple(_line(entry) for entry in entries),
            refs=refs,
            scroll=(raw["scroll"][0], raw["scroll"][1], raw["scroll"][2]),
            skipped=(raw["skipped"]["above"], raw["skipped"]["below"]),
            long=raw["long"],
        )

    async def element(self, page: Page, ref: int) -> ElementHandle:
        """The element behind a number; a node that was drawn anew is found by its descriptor."""
        if ref not in self.known:
            raise ToolFailed(f"there is no [{ref}]; use a number of the newest page")
        for _ in range(STALE_TRIES + 1):
            handle = await self._live_node(ref)
            if handle is not None:
                self.touched = self._frames[ref]
                return handle
            if not await self._find_again(page, ref):
                await asyncio.sleep(0.15)
        role, name, _ = self.known[ref][1]
        raise ToolFailed(f'[{ref}] {role} "{name}" is gone from the page')

    async def call(self, handle: ElementHandle, name: str, *arguments: Any) -> Any:
        """Call one function of the walker on an element, in the element's own frame."""
        frame = await handle.owner_frame()
        if frame is None:
            raise ToolFailed("the element is gone from the page")
        walker = await self._walker(frame)
        async with asyncio.timeout(PAGE_SECONDS):
            return await walker.evaluate(
                f"(w, [el, rest]) => w.{name}(el, ...rest)", [handle, list(arguments)]
            )

    async def ask(self, page: Page, name: str, *arguments: Any) -> Any:
        """Call one function of the walker of the page's main frame."""
        return await self._ask(page.main_frame, name, *arguments)

    async def ask_where_it_happens(self, page: Page, name: str, *arguments: Any) -> list[Any]:
        """Call one function in the main frame and in the one that was touched last."""
        frames = {page.main_frame}
        if (
            self.touched is not None
            and self.touched.page == page
            and not self.touched.is_detached()
        ):
            frames.add(self.touched)
        return await asyncio.gather(*(self._ask(frame, name, *arguments) for frame in frames))

    async def ask_shown(self, page: Page, name: str, *arguments: Any) -> list[Any]:
        """Call one function in every frame that a person sees."""
        shown: list[Frame] = []
        for frame in page.frames[:MAX_FRAMES]:
            with contextlib.suppress(TimeoutError, browser_error()):
                if await self._is_shown(frame, shown):
                    shown.append(frame)
        return await self._ask_each(shown, name, *arguments)

    async def ask_frames(self, page: Page, name: str, *arguments: Any) -> list[Any]:
        """Call one function in every frame; frames that do not answer are left out."""
        return await self._ask_each(page.frames[:MAX_FRAMES], name, *arguments)

    async def _is_shown(self, frame: Frame, shown: list[Frame]) -> bool:
        """Whether the frame's place in its parent, which has to be shown too, can be seen."""
        parent = frame.parent_frame
        if parent is None:
            return True
        if parent not in shown:
            return False
        walker = await self._walker(parent)
        async with asyncio.timeout(FRAME_SECONDS):
            element = await frame.frame_element()
            return bool(await walker.evaluate("(w, el) => w.isShown(el)", element))

    async def _ask_each(self, frames: list[Frame], name: str, *arguments: Any) -> list[Any]:
        answers = []
        for frame in frames:
            try:
                answers.append(await self._ask(frame, name, *arguments))
            except (TimeoutError, browser_error()):
                continue
        return answers

    async def ask_frame(self, frame: Frame, name: str) -> Any:
        """Call one function of the walker of one frame."""
        return await self._ask(frame, name)

    @asynccontextmanager
    async def marked(self, refs: list[int]) -> AsyncIterator[None]:
        """Draw the numbers over their elements, in every frame, for as long as the block lasts."""
        by_frame: dict[Frame, list[int]] = {}
        for ref in refs:
            by_frame.setdefault(self._frames[ref], []).append(ref)
        drawn: list[JSHandle] = []
        try:
            for frame, numbers in by_frame.items():
                with contextlib.suppress(browser_error()):
                    walker = await self._walker(frame)
                    drawn.append(await walker.evaluate_handle("(w, refs) => w.mark(refs)", numbers))
            yield
        finally:
            for marks in drawn:
                with contextlib.suppress(browser_error()):
                    await marks.evaluate("remove => remove()")

    def remember(self, url: str, refs: dict[int, Descriptor], next_ref: int) -> None:
        """Numbers that were given out before a restart."""
        self.known.update({ref: (url, descriptor) for ref, descriptor in refs.items()})
        self.next_ref = max(self.next_ref, next_ref)

    async def _live_node(self, ref: int) -> ElementHandle | None:
        frame = self._frames.get(ref)
        if frame is None or frame.is_detached() or frame not in self._walkers:
            return None
        try:
            async with asyncio.timeout(FRAME_SECONDS):
                walker = self._walkers[frame]
                node = await walker.evaluate_handle("(w, ref) => w.nodeOf(ref)", ref)
        except (TimeoutError, browser_error()):
            self._walkers.pop(frame, None)
            return None
        return node.as_element()

    async def _find_again(self, page: Page, ref: int) -> bool:
        url, wanted = self.known[ref]
        if _without_fragment(page.url) != _without_fragment(url):
            return False
        fresh = await self.read(page)
        for candidate, descriptor in fresh.refs.items():
            if descriptor == wanted and candidate != ref:
                frame = self._frames[candidate]
                await self._ask(frame, "adopt", candidate, ref)
                self._frames[ref] = frame
                return True
        return False

    async def _parts_with(self, frame: Frame, words: str) -> list[int]:
        """The numbers of the parts of a document that hold the words, or may."""
        wanted = folded(words)
        said = await self._ask(frame, "chunks")
        return [n for n, text in enumerate(said) if text is None or wanted in folded(text)]

    async def _splice(
        self,
        frame: Frame,
        entries: list[Any],
        everything: bool,
        depth: int,
        budget: Iterator[int],
    ) -> list[Any]:
        """Put the lines of child frames below the line of their frame."""
        spliced: list[Any] = []
        for entry in entries:
            spliced.append(entry)
            for ref, _, _ in entry["refs"]:
                self._frames[ref] = frame
            if "frame" not in entry or depth >= MAX_FRAME_DEPTH or next(budget, None) is None:
                continue
            for line in await self._child_lines(entry["frame"], everything, depth, budget):
                spliced.append({**line, "d": line["d"] + entry["d"] + 1, "y": entry["y"]})
        return spliced

    async def _child_lines(
        self, ref: int, everything: bool, depth: int, budget: Iterator[int]
    ) -> list[Any]:
        try:
            node = await self._live_node(ref)
            child = await node.content_frame() if node is not None else None
            if child is None:
                return []
            raw = await self._ask(child, "outline", self.next_ref, everything)
        except (TimeoutError, browser_error()):
            return [{"d": 0, "s": "(this frame does not answer)", "y": 0, "refs": []}]
        self.next_ref = max(self.next_ref, raw["next"])
        return await self._splice(child, raw["lines"], everything, depth + 1, budget)

    async def _ask(self, frame: Frame, name: str, *arguments: Any) -> Any:
        for attempt in (1, 2):
            try:
                async with asyncio.timeout(FRAME_SECONDS if frame.parent_frame else PAGE_SECONDS):
                    walker = await self._walker(frame)
                    return await walker.evaluate(f"(w, rest) => w.{name}(...rest)", list(arguments))
            except browser_error():
                # The document was replaced under us: its walker went with it.
                self._walkers.pop(frame, None)
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    async def _walker(self, frame: Frame) -> JSHandle:
        walker = self._walkers.get(frame)
        if walker is None:
            walker = await frame.evaluate_handle(_walker_script(), self.key)
            self._walkers[frame] = walker
        return walker


def fit(outline: Outline, limit: int) -> list[str]:
    """The lines that fit, those around the viewport first, with a word on what is missing."""
    start = 0
    total = sum(len(line.shown) + 1 for line in outline.lines)
    screen = outline.scroll[1]
    while total > limit and start < len(outline.lines) - 1:
        if outline.lines[start].y >= -screen // 4:
            break
        total -= len(outline.lines[start].shown) + 1
        start += 1
    shown: list[str] = [f"(… {start} lines above: scroll up or use find)"] if start else []
    room = limit
    for position, line in enumerate(outline.lines[start:], start):
        room -= len(line.shown) + 1
        if room < 0:
            left = len(outline.lines) - position
            shown.append(f"(… {left} more lines: scroll, use find or read_page)")
            break
        shown.append(line.shown)
    return shown


def _descriptors(entries: list[Any]) -> dict[int, Descriptor]:
    seen: Counter[tuple[str, str]] = Counter()
    found: dict[int, Descriptor] = {}
    for entry in entries:
        for ref, role, name in entry["refs"]:
            found[ref] = Descriptor(role, neutral(name), seen[(role, name)])
            seen[(role, name)] += 1
    return found


def _line(entry: Any) -> Line:
    refs = tuple(ref for ref, _, _ in entry["refs"])
    return Line(entry["d"], neutral(entry["s"]), entry["y"], refs)


def _without_fragment(url: str) -> str:
    return url.partition("#")[0]


@cache
def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8").strip()


@cache
def _walker_script() -> str:
    """All parts in one scope. `hooks` is what the init script left, or a stand-in."""
    body = "\n".join(_read(part) for part in _PARTS)
    stand_in = (
        "{ isListening: () => false, settled: async () => true, observe: () => 0,"
        " opened: () => 0, rootOf: (el) => el.shadowRoot }"
    )
    exports = ", ".join(_EXPORTS.split())
    return (
        f"(key) => {{ const hooks = window[key] || {stand_in};\n{body}\nreturn {{ {exports} }}; }}"
    )
