"""Looks at a page after each act, for the run's own sake: which links were seen, what stands in the
way, whether a login has failed. Everything comes from the surfer's own code, nothing from a model.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agents.web_surfer.browser import browser_error
from agents.web_surfer.gating import Gate
from agents.web_surfer.outline import Reader
from agents.web_surfer.page_kinds import Signs, Wall, wall_of

if TYPE_CHECKING:
    from agents.web_surfer.browser import Page

MAX_FRAMES = 12
SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Look:
    """What was found: what is in the way, and what the model has to be told."""

    wall: Wall | None
    notes: tuple[str, ...]


async def look_at(page: Page, reader: Reader, gate: Gate) -> Look:
    """Take note of a page. A frame that does not answer is left out."""
    main, *inner = await _signs(page, reader)
    frames = [main, *inner]
    trust = gate.ports.trust
    trust.note_links([page.url, *(link for frame in frames for link in frame.links)])
    notes, gate.notes = [*gate.notes], []
    doing = gate.done
    if doing is not None and doing.login and doing.sent:
        said = gate.logins.judge(doing.login, frames)
        doing.login = ""
        notes += [said] if said else []
    return Look(wall_of(main), tuple(notes))


async def _signs(page: Page, reader: Reader) -> list[Signs]:
    frames = page.frames[:MAX_FRAMES]

    async def ask(number: int) -> Signs:
        try:
            async with asyncio.timeout(SECONDS):
                return Signs.of(await reader.ask_frame(frames[number], "signs"))
        except (TimeoutError, browser_error()):
            return Signs(url=frames[number].url)

    return list(await asyncio.gather(*(ask(number) for number in range(len(frames)))))
