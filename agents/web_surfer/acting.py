"""Does things to elements the way a person would: pointer and keys, aimed by a hit test.

Every failure is one line that names the reason. Knows no tools and asks no permission.
"""

from __future__ import annotations

import asyncio
import base64
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from agents.web_surfer.browser import browser_error
from agents.web_surfer.outline import Reader
from agents.web_surfer.text import folded, neutral, one_line
from orchestrator.errors import ToolFailed

if TYPE_CHECKING:
    from agents.web_surfer.browser import ElementHandle, Page

Button = Literal["left", "right", "middle"]
Place = Literal["before", "center", "after"]
HOVER_SECONDS = 0.04  # without the pause a picture that swaps on hover swallows the press
PRESS_MS = 10
KEYED_LENGTH = 120
DRAG_STEPS = 12
OPEN_SECONDS = 2.0  # for the options of a widget that fetches them
MAX_STEPS = 400
_KEYED_TYPES = frozenset({"text", "search", "email", "tel", "url", "password", ""})
_TICKED = frozenset({"true", "yes", "on", "checked", "1"})
_WRITTEN_AS = {
    "date": "YYYY-MM-DD", "time": "HH:MM", "datetime-local": "YYYY-MM-DDTHH:MM",
    "month": "YYYY-MM", "week": "YYYY-Www", "color": "#rrggbb", "number": "digits",
    "range": "a number between min and max, in its steps",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spot:
    """A point of the viewport."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Hand:
    """Acts on one page. `reader` finds elements and answers hit tests."""

    page: Page
    reader: Reader

    async def element(self, ref: int) -> ElementHandle:
        return await self.reader.element(self.page, ref)

    async def spot(self, ref: int) -> Spot:
        """Where a press reaches the element; raises ToolFailed naming what covers it."""
        handle = await self.element(ref)
        found = await self.reader.call(handle, "aimAt")
        if found.get("gone"):
            handle = await self.element(ref)
            found = await self.reader.call(handle, "aimAt")
        if found.get("disabled"):
            raise ToolFailed(f"{self.named(ref)} is disabled")
        if "x" not in found:
            cover = found.get("cover")
            if cover:
                raise ToolFailed(f"{self.named(ref)} is covered by {one_line(cover, 160)}")
            raise ToolFailed(f"{self.named(ref)} is not visible")
        await self._check_outer_frames(handle, ref, found)
        dx, dy = await self._frame_offset(handle)
        return Spot(found["x"] + dx, found["y"] + dy)

    async def click(self, ref: int, *, count: int = 1, button: Button = "left") -> None:
        """Press where the element itself receives it."""
        spot = await self.spot(ref)
        await self.page.mouse.move(spot.x, spot.y)
        await asyncio.sleep(HOVER_SECONDS)
        await self.page.mouse.click(
            spot.x, spot.y, click_count=count, button=button, delay=PRESS_MS
        )

    async def hover(self, ref: int) -> None:
        spot = await self.spot(ref)
        await self.page.mouse.move(spot.x, spot.y, steps=3)

    async def type_text(self, ref: int, text: str, *, clear: bool) -> None:
        """Put text into a field, whatever kind it is; a list takes an option, a box takes true."""
        handle = await self.element(ref)
        kind = await self.reader.call(handle, "kindOf")
        if await self.reader.call(handle, "aimAt") == {"disabled": True}:
            raise ToolFailed(f"{self.named(ref)} is disabled")
        if kind["readonly"]:
            raise ToolFailed(f"{self.named(ref)} is read-only; click it to see what sets it")
        if kind["tag"] == "select":
            await self.select(ref, [text])
        elif kind["type"] in ("checkbox", "radio"):
            await self._tick(ref, handle, text)
        elif kind["steps"]:
            await self._step_to(ref, handle, text)
        elif kind["field"] or kind["editable"]:
            await self._type_into_field(ref, handle, text, clear=clear)
        else:
            await self._type_into_custom(ref, text, clear=clear)

    async def select(self, ref: int, labels: list[str]) -> None:
        """Choose options of a select; other widgets are opened and clicked."""
        handle = await self.element(ref)
        kind = await self.reader.call(handle, "kindOf")
        if kind["tag"] != "select":
            await self._select_custom(ref, kind, labels)
            return
        options = await handle.evaluate(
            "el => [...el.options].map(o => [o.label.replace(/\\s+/g, ' ').trim(), o.value])"
        )
        chosen = [_matching_option(options, label) for label in labels]
        missing = [label for label, index in zip(labels, chosen, strict=True) if index is None]
        if missing:
            offered = ", ".join(f'"{label}"' for label, _ in options[:25])
            raise ToolFailed(
                f"{self.named(ref)} has no option {one_line(str(missing))}; it offers {offered}"
            )
        await handle.select_option(index=[i for i in chosen if i is not None], timeout=3000)

    async def drag(self, source: int, target: int, place: Place) -> None:
        """Pick one element up and drop it on (or at an edge of) another."""
        await self.reader.call(await self.element(target), "bringIntoView")
        start = await self.spot(source)
        await self._pick_up(start)
        try:
            end = await self._drop_point(source, target, place)
            await self.page.mouse.move(end.x, end.y, steps=DRAG_STEPS)
            await self.page.mouse.move(end.x + 1, end.y)
            await asyncio.sleep(HOVER_SECONDS)
        finally:
            await self.page.mouse.up()

    async def drag_by(self, source: int, dx: float, dy: float) -> None:
        """Pick an element up and drop it some pixels further."""
        start = await self.spot(source)
        await self._pick_up(start)
        try:
            await self.page.mouse.move(start.x + dx, start.y + dy, steps=DRAG_STEPS)
            await asyncio.sleep(HOVER_SECONDS)
        finally:
            await self.page.mouse.up()

    async def press(self, keys: str) -> None:
        """One or several key combinations, separated by spaces."""
        for key in keys.split():
            try:
                await self.page.keyboard.press(key)
            except browser_error() as error:
                raise ToolFailed(
                    f"{key!r} is not a key; use names like Enter, Control+A"
                ) from error

    async def upload(self, ref: int, name: str, content: bytes) -> None:
        """Give a file to a file input, to the chooser that the element opens, or drop it there."""
        handle = await self.element(ref)
        kind = await self.reader.call(handle, "kindOf")
        payload: Any = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
        if kind["tag"] == "input" and kind["type"] == "file":
            await handle.set_input_files(payload, timeout=5000)
            return
        try:
            async with self.page.expect_file_chooser(timeout=3000) as chooser:
                await self.click(ref)
            await (await chooser.value).set_files(payload, timeout=5000)
        except browser_error() as error:
            written = base64.b64encode(content).decode()
            if not await self.reader.call(handle, "dropFile", name, written):
                said = f"{self.named(ref)} opens no file chooser and takes no dropped file"
                raise ToolFailed(said) from error

    def named(self, ref: int) -> str:
        """The element as a model knows it."""
        role, name, _ = self.reader.known[ref][1]
        return f'[{ref}] {role} "{one_line(name, 60)}"' if name else f"[{ref}] {role}"

    async def _type_by_keys(self, handle: ElementHandle, text: str, *, clear: bool) -> None:
        await handle.focus()
        if clear:
            await handle.select_text(timeout=2000)
            await self.page.keyboard.press("Delete")
        else:
            await self.page.keyboard.press("End")
        await self.page.keyboard.type(text)

    async def _type_into_custom(self, ref: int, text: str, *, clear: bool) -> None:
        """What has no value of its own may take keys: an editor, a game, a row of digits."""
        await self.click(ref)
        if clear and await self.reader.ask(self.page, "isWriting"):
            await self.page.keyboard.press("Control+A")
        if len(text) <= KEYED_LENGTH:
            await self.page.keyboard.type(text)
        else:
            await self.page.keyboard.insert_text(text)

    async def _type_into_field(
        self, ref: int, handle: ElementHandle, text: str, *, clear: bool
    ) -> None:
        """Keys for short text, since pages listen to them; else the value at once."""
        kind = await self.reader.call(handle, "kindOf")
        keyed = kind["tag"] == "textarea" or (
            kind["tag"] == "input" and kind["type"] in _KEYED_TYPES
        )
        try:
            if keyed and len(text) <= KEYED_LENGTH and "\n" not in text:
                await self._type_by_keys(handle, text, clear=clear)
            elif clear or kind["type"] in _WRITTEN_AS:
                await handle.fill(text, timeout=3000)
                await self._check_kept(ref, handle, kind["type"], text)
            else:
                await handle.focus()
                await self.page.keyboard.press("Control+End")
                await self.page.keyboard.insert_text(text)
        except browser_error() as error:
            if kind["type"] in _WRITTEN_AS:
                raise self._refused(ref, kind["type"], text) from error
            await self._type_into_custom(ref, text, clear=clear)

    async def _check_kept(self, ref: int, handle: ElementHandle, kind: str, text: str) -> None:
        """A field with a form of its own is empty after a value of another form."""
        if text and kind in _WRITTEN_AS:
            now = await self.reader.call(handle, "kindOf")
            if not now["value"]:
                raise self._refused(ref, kind, text)

    def _refused(self, ref: int, kind: str, text: str) -> ToolFailed:
        return ToolFailed(
            f"{self.named(ref)} does not accept {text!r}; it takes {_WRITTEN_AS[kind]}"
        )

    async def _tick(self, ref: int, handle: ElementHandle, text: str) -> None:
        if await handle.is_checked() != (text.strip().lower() in _TICKED):
            await self.click(ref)

    async def _step_to(self, ref: int, handle: ElementHandle, text: str) -> None:
        """Bring a slider that was built by hand to a value with the arrow keys."""
        try:
            wanted = float(text)
        except ValueError as error:
            raise ToolFailed(f"{self.named(ref)} takes a number, not {text!r}") from error
        await handle.focus()
        now = float(await self.reader.call(handle, "steppedValue"))
        for _ in range(MAX_STEPS):
            if now == wanted:
                return
            await self.page.keyboard.press("ArrowRight" if now < wanted else "ArrowLeft")
            before, now = now, float(await self.reader.call(handle, "steppedValue"))
            if now == before:
                raise ToolFailed(f"{self.named(ref)} stays at {now:g}; try to drag it")
            if (before < wanted < now) or (now < wanted < before):
                raise ToolFailed(f"{self.named(ref)} has no step at {wanted:g}; it is at {now:g}")
        raise ToolFailed(f"{self.named(ref)} is at {now:g}; its steps are too small, drag it")

    async def _select_custom(self, ref: int, kind: Any, labels: list[str]) -> None:
        """Open the widget and click the option; one that filters is typed into."""
        for label in labels:
            option = await self._option(ref, label, seconds=0.0)
            if option is None:
                await self.click(ref)
                option = await self._option(ref, label, seconds=OPEN_SECONDS)
            if option is None and kind["field"] and not kind["readonly"]:
                await self._type_by_keys(await self.element(ref), label, clear=True)
                option = await self._option(ref, label, seconds=OPEN_SECONDS)
            if option is None:
                raise ToolFailed(f'{self.named(ref)} was opened, but shows no option "{label}"')
            await self.click(option)

    async def _option(self, ref: int, label: str, *, seconds: float) -> int | None:
        """The number of the option with these words, as soon as it is shown. With no time to wait
        only what is marked as an option counts."""
        deadline = time.monotonic() + seconds
        wanted = folded(label)
        while True:
            seen = await self.reader.read(self.page, words=label)
            named = {n: found for n, found in seen.refs.items() if folded(found.name) == wanted}
            options = [n for n, found in named.items() if "option" in found.role and n != ref]
            others = [n for n in named if n != ref] if seconds else []
            if options or others:
                return (options or others)[-1]
            if time.monotonic() >= deadline:
                return None
            await asyncio.sleep(0.1)

    async def _pick_up(self, start: Spot) -> None:
        mouse = self.page.mouse
        await self.reader.ask(self.page, "dropSelection")
        await mouse.move(start.x, start.y)
        await asyncio.sleep(HOVER_SECONDS)
        await mouse.down()
        await mouse.move(start.x + 4, start.y + 4, steps=2)

    async def _drop_point(self, source: int, target: int, place: Place) -> Spot:
        """Inside the target, or near the edge that faces its neighbours in the list."""
        handle = await self.element(target)
        await self.reader.call(handle, "bringIntoView")
        box = await self.reader.call(handle, "boxOf")
        dx, dy = await self._frame_offset(handle)
        share = {"before": 0.15, "center": 0.5, "after": 0.85}[place]
        start = await self.reader.call(await self.element(source), "boxOf")
        across = _stand_side_by_side(start, box)
        x = box["width"] * (share if across else 0.5)
        y = box["height"] * (0.5 if across else share)
        return Spot(box["x"] + dx + x, box["y"] + dy + y)

    async def _frame_offset(self, handle: ElementHandle) -> tuple[float, float]:
        frame = await handle.owner_frame()
        if frame is None or frame == self.page.main_frame:
            return 0.0, 0.0
        outer = await handle.bounding_box()
        inner = await self.reader.call(handle, "boxOf")
        if outer is None:
            raise ToolFailed("the element is not visible")
        return outer["x"] - inner["x"], outer["y"] - inner["y"]

    async def _check_outer_frames(self, handle: ElementHandle, ref: int, spot: Any) -> None:
        """A press inside a frame must not land on something that lies over the frame, and the
        frame has to be in view."""
        frame, x, y = await handle.owner_frame(), float(spot["x"]), float(spot["y"])
        while frame is not None and frame.parent_frame is not None:
            around = await frame.frame_element()
            box = await self.reader.call(around, "bringPointIntoView", x, y)
            x, y = box["x"], box["y"]
            if box["cover"]:
                raise ToolFailed(f"{self.named(ref)} is covered by {one_line(box['cover'], 160)}")
            frame = frame.parent_frame


def _stand_side_by_side(one: Any, other: Any) -> bool:
    """Whether two boxes are neighbours in a row rather than in a column."""
    top, bottom = (
        max(one["y"], other["y"]),
        min(one["y"] + one["height"], other["y"] + other["height"]),
    )
    return bool(bottom - top > min(one["height"], other["height"]) / 2)


def _matching_option(options: list[Any], label: str) -> int | None:
    """By its words as they are shown, then by its value, then whatever the case."""
    wanted = " ".join(neutral(label).split())
    texts = [" ".join(neutral(str(text)).split()) for text, _ in options]
    values = [str(value) for _, value in options]
    for offered in (texts, values):
        if wanted in offered:
            return offered.index(wanted)
    lowered = [text.lower() for text in texts]
    return lowered.index(wanted.lower()) if wanted.lower() in lowered else None
