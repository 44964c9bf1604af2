"""What is known of the workspace's documents: each is converted once, by content, also over a
resume: a recorded step names the conversions that it made, which are stored like its files.

Questions go to the box; a pattern or a query of a model never runs here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from agents.file_surfer import sounds
from agents.toolkit import Tool, ToolFunction, words_heard
from agents.workspace import Workspace
from orchestrator.agent import Observation
from orchestrator.canonical import canonical
from orchestrator.errors import NeedsHearing
from sandbox.base import Conversion, Part, Span

TEXTS_CHARS = 3_000_000
"""What one search carries of known texts; the rest is read anew inside the box."""
TEXT_TYPES = ("text/", "application/json", "application/xml")
FOUND_PARTS = 8
SOUNDS = sounds.KINDS


class Library:
    """Converted documents by the sha256 of their bytes, and members of archives under them."""

    def __init__(self, workspace: Workspace, *, ears: bool = False) -> None:
        self._workspace = workspace
        self._ears = ears
        self._converted: dict[str, Conversion] = {}
        self._stored: dict[str, str] = {}
        self._fresh: dict[str, str] = {}
        """Conversions that no recorded step names yet: key to the sha256 of their bytes."""

    def listing(self) -> str:
        """Every file of the workspace, one a line."""
        return self._workspace.describe()

    def recall(self, observation: Observation) -> None:
        """Take over what a recorded step has converted."""
        self._workspace.recall(observation)
        self._stored.update((observation.snapshot or {}).get("converted", {}))

    def remembering(self, tools: Mapping[str, Tool]) -> dict[str, Tool]:
        """The tools, with each observation naming the conversions that were made for it."""
        return {
            name: replace(tool, function=self._naming(tool.function))
            for name, tool in tools.items()
        }

    async def document(self, path: str) -> tuple[str, Conversion]:
        """The document under a path that a model wrote, and the path as it is. Raises
        NeedsHearing for a recording whose words are not known yet."""
        path = self._workspace.known(path)
        document = await self._conversion(path)
        if document.kind not in SOUNDS or document.whole or not self._ears:
            return path, document
        file, _ = self._place(path)
        item = self._workspace.files[file]
        reason = sounds.objection(path, item.size)
        if reason:
            return path, sounds.unheard(document, reason)
        words = words_heard.get().get(item.sha256)
        if words is None:
            raise NeedsHearing(sounds.named(item.sha256, self._workspace.blobs.get(item.sha256)))
        document = sounds.transcript(document, words)
        self._keep(self._key(path), document)
        return path, document

    def is_known(self, path: str) -> bool:
        """True when the document has been converted."""
        key = self._key(self._workspace.known(path))
        return key in self._converted or key in self._stored

    async def span(self, path: str, span: Span) -> tuple[str, Conversion]:
        """A range of a document."""
        path = self._workspace.known(path)
        file, members = self._place(path)
        async with self._workspace.reading() as box:
            return path, await box.span(file, span, members=members)

    async def table(self, path: str, query: str) -> tuple[str, Conversion]:
        """The rows of a query."""
        path = self._workspace.known(path)
        file, members = self._place(path)
        async with self._workspace.reading() as box:
            return path, await box.table(file, query, members=members)

    async def picture(self, path: str, page: int) -> tuple[str, bytes]:
        """A picture, or a page as one."""
        path = self._workspace.known(path)
        file, members = self._place(path)
        async with self._workspace.reading() as box:
            return path, await box.picture(file, page=page, members=members)

    async def grep(self, pattern: str, path: str, most: int) -> Conversion:
        """Lines that match, in one document or in all."""
        texts, files = await self._searched(path)
        async with self._workspace.reading() as box:
            return await box.grep(pattern, texts=texts, paths=files, most=most)

    async def find(self, words: str, path: str) -> Conversion:
        """The parts that hold the most of the words."""
        texts, files = await self._searched(path)
        async with self._workspace.reading() as box:
            return await box.find(words, texts=texts, paths=files, most=FOUND_PARTS)

    async def _searched(self, path: str) -> tuple[dict[str, tuple[Part, ...]], tuple[str, ...]]:
        """Texts that are known in full, and the files that have to be read where they are."""
        names = [self._workspace.known(path)] if path else sorted(self._workspace.files)
        texts: dict[str, tuple[Part, ...]] = {}
        files: list[str] = []
        left = TEXTS_CHARS
        for name in names:
            known = self._workspace.files.get(name)
            if known is not None and known.media_type.startswith(TEXT_TYPES):
                files.append(name)
                continue
            document = (await self.document(name))[1] if path else await self._conversion(name)
            left -= sum(len(part.text) for part in document.parts)
            if "!" not in name and (left < 0 or not document.whole):
                files.append(name)
            else:
                texts[name] = document.parts
        return texts, tuple(files)

    async def _conversion(self, path: str) -> Conversion:
        """The conversion of a file, made at most once in a run."""
        key = self._key(path)
        if key not in self._converted and key in self._stored:
            self._converted[key] = _read(self._workspace.blobs.get(self._stored[key]))
        if key not in self._converted:
            file, members = self._place(path)
            async with self._workspace.reading() as box:
                self._keep(key, await box.convert(file, members=members))
        return self._converted[key]

    def _keep(self, key: str, document: Conversion) -> None:
        self._converted[key] = document
        content = canonical(asdict(document)).encode("utf-8", "surrogatepass")
        self._stored[key] = self._fresh[key] = self._workspace.blobs.put(content)

    def _naming(self, function: ToolFunction) -> ToolFunction:
        async def run(**arguments: Any) -> Observation:
            observation = await function(**arguments)
            fresh, self._fresh = self._fresh, {}
            if not fresh:
                return observation
            return observation.model_copy(update={"snapshot": {"converted": fresh}})

        return run

    def _key(self, path: str) -> str:
        file, members = self._place(path)
        return "!".join((self._workspace.files[file].sha256, *members))

    def _place(self, path: str) -> tuple[str, tuple[str, ...]]:
        """The workspace's file and the members below it."""
        if path in self._workspace.files:
            return path, ()
        file, _, member = path.rpartition("!")
        file, members = self._place(file)
        return file, (*members, member)


def _read(content: bytes) -> Conversion:
    stored = json.loads(content.decode("utf-8", "surrogatepass"))
    parts = tuple(Part(**part) for part in stored["parts"])
    return Conversion(**{**stored, "parts": parts, "notes": tuple(stored["notes"])})
