"""A surfer driven by the words of the outline alone, and the person behind its ports."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from browser.hard_pages import Site

from agents.web_surfer.ports import Ports
from agents.web_surfer.surfer import WebSurfer
from orchestrator.agent import Observation


@dataclass
class Office:
    """A person with a policy and a folder: what a surfer's ports lead to."""

    approves: bool = False
    sees: bool = True
    asked: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    pictures: list[bytes] = field(default_factory=list)

    async def approve(self, details: dict[str, Any]) -> bool:
        self.asked.append(details)
        return self.approves

    async def save(self, name: str, content: bytes) -> str:
        self.files[f"downloads/{name}"] = content
        return f"downloads/{name}"

    async def load(self, path: str) -> bytes:
        return self.files[path]

    def keep_image(self, content: bytes) -> str:
        self.pictures.append(content)
        return str(len(self.pictures))

    @property
    def ports(self) -> Ports:
        return Ports(self.approve, self.save, self.load, self.keep_image, sees=self.sees)


@dataclass
class Pilot:
    """Drives a surfer by the words of the outline, as a model would."""

    surfer: WebSurfer
    site: Site
    seen: Observation | None = None

    @property
    def text(self) -> str:
        assert self.seen is not None
        return self.seen.text

    def ref(self, words: str) -> int:
        """The number that stands before these words in the newest outline."""
        found = re.search(r"\[(\d+)\] " + re.escape(words), self.text)
        assert found is not None, f"no {words!r} in:\n{self.text}"
        return int(found.group(1))

    async def goto(self, path: str) -> str:
        self.seen = await self.surfer.act("goto", url=self.site.url(path))
        return self.text

    async def click(self, words: str, **more: Any) -> str:
        self.seen = await self.surfer.act("click", ref=self.ref(words), **more)
        return self.text

    async def do(self, name: str, **arguments: Any) -> str:
        self.seen = await self.surfer.act(name, **arguments)
        return self.text
