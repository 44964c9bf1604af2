"""Does things to elements the way a person would: pointer and keys, aimed by a hit test.

Every failure is one line that names the reason. Knows no tools and asks no permission.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from agents.web_surfer.browser import browser_error
from agents.web_surfer.outline import Reader
from agents.web_surfer.text import one_line
from orchestrator.errors import ToolFailed

if TYPE_CHECKING:
    from agents.web_surfer.browser import ElementHandle, Page

Button = Literal["left", "right", "middle"]
Place = Literal["before", "center", "after"]
HOVER_SECONDS = 0.04  # without the pause a picture that swaps on hover swallows the press
PRESS_MS = 10
KEYED_LENGTH = 120
DRAG_STEPS = 12
_KEYED_TYPES = frozenset({"text", "search", "email", "tel", "url", "password", ""})


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
        dx, dy = await self._frame_offset(handle)
        spot = Spot(found["x"] + dx, found["y"] + dy)
        await self._check_outer_frames(handle, spot, ref)
        return spot

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
        """Put text into a field; keys for short text, since pages listen to them."""
        handle = await self.element(ref)
        kind = await self.reader.call(handle, "kindOf")
        keyed = (
            kind["tag"] in ("input", "textarea")
            and (kind["tag"] == "textarea" or kind["type"] in _KEYED_TYPES)
            and len(text) <= KEYED_LENGTH
            and "\n" not in text
        )
        if await self.reader.call(handle, "aimAt") == {"disabled": True}:
            raise ToolFailed(f"{self.named(ref)} is disabled")
        try:
            if keyed:
                await self._type_by_keys(handle, text, clear=clear)
            elif clear:
                await handle.fill(text, timeout=3000)
            else:
                await handle.focus()
                await self.page.keyboard.press("Control+End")
                await self.page.keyboard.insert_text(text)
        except browser_error() as error:
            if _is_about_value(error):
                raise ToolFailed(f"{self.named(ref)} does not accept {text!r}") from error
            await self._type_into_custom(ref, text, clear=clear)

    async def select(self, ref: int, labels: list[str]) -> None:
        """Choose options of a select; other widgets are opened and clicked."""
        handle = await self.element(ref)
        kind = await self.reader.call(handle, "kindOf")
        if kind["tag"] != "select":
            await self._select_custom(ref, labels)
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
        start = await self.spot(source)
        end = await self._drop_point(target, place)
        mouse = self.page.mouse
        await mouse.move(start.x, start.y)
        await asyncio.sleep(HOVER_SECONDS)
        await mouse.down()
        await mouse.move(start.x + 4, start.y + 4, steps=2)
        await mouse.move(end.x, end.y, steps=DRAG_STEPS)
        await asyncio.sleep(HOVER_SECONDS)
        await mouse.up()

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
        """Give a file to a file input, or to the chooser that the element opens."""
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
            raise ToolFailed(f"{self.named(ref)} opens no file chooser") from error

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
        await self.click(ref)
        if clear:
            await self.page.keyboard.press("Control+A")
        await self.page.keyboard.insert_text(text)

    async def _select_custom(self, ref: int, labels: list[str]) -> None:
        for label in labels:
            await self.click(ref)
            await asyncio.sleep(0.15)
            seen = await self.reader.read(self.page, everything=True)
            wanted = label.strip().lower()
            options = [
                found
                for found, descriptor in seen.refs.items()
                if descriptor.name.strip().lower() == wanted and found != ref
            ]
            if not options:
                raise ToolFailed(f'{self.named(ref)} was opened, but shows no option "{label}"')
            preferred = [o for o in options if "option" in seen.refs[o].role]
            await self.click((preferred or options)[-1])

    async def _drop_point(self, ref: int, place: Place) -> Spot:
        handle = await self.element(ref)
        box = await self.reader.call(handle, "boxOf")
        dx, dy = await self._frame_offset(handle)
        share = {"before": 0.15, "center": 0.5, "after": 0.85}[place]
        return Spot(box["x"] + dx + box["width"] / 2, box["y"] + dy + box["height"] * share)

    async def _frame_offset(self, handle: ElementHandle) -> tuple[float, float]:
        frame = await handle.owner_frame()
        if frame is None or frame == self.page.main_frame:
            return 0.0, 0.0
        outer = await handle.bounding_box()
        inner = await self.reader.call(handle, "boxOf")
        if outer is None:
            raise ToolFailed("the element is not visible")
        return outer["x"] - inner["x"], outer["y"] - inner["y"]

    async def _check_outer_frames(self, handle: ElementHandle, spot: Spot, ref: int) -> None:
        """A press inside a frame must not land on something that lies over the frame."""
        frame = await handle.owner_frame()
        if frame is None or frame.parent_frame != self.page.main_frame:
            return
        cover = await self.reader.call(await frame.frame_element(), "isAt", spot.x, spot.y)
        if cover:
            raise ToolFailed(f"{self.named(ref)} is covered by {one_line(cover, 160)}")


def _matching_option(options: list[Any], label: str) -> int | None:
    """By its words, then by its value, then whatever the case."""
    wanted = " ".join(label.split())
    texts = [str(text) for text, _ in options]
    values = [str(value) for _, value in options]
    for offered in (texts, values):
        if wanted in offered:
            return offered.index(wanted)
    lowered = [text.lower() for text in texts]
    return lowered.index(wanted.lower()) if wanted.lower() in lowered else None


def _is_about_value(error: BaseException) -> bool:
    return "Malformed value" in str(error) or "Cannot type text into input[type=number]" in str(
        error
    )
