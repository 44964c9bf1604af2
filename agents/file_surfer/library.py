"""What is known of the workspace's documents: each is converted once, by content.

Questions go to the box; a pattern or a query of a model never runs here.
"""

from __future__ import annotations

from agents.workspace import Workspace
from sandbox.base import Conversion, Part, Span

TEXTS_CHARS = 3_000_000
"""What one search carries of known texts; the rest is read anew inside the box."""
TEXT_TYPES = ("text/", "application/json", "application/xml")
FOUND_PARTS = 8


class Library:
    """Converted documents by the sha256 of their bytes, and members of archives under them."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._converted: dict[str, Conversion] = {}

    def listing(self) -> str:
        """Every file of the workspace, one a line."""
        return self._workspace.describe()

    async def document(self, path: str) -> tuple[str, Conversion]:
        """The document under a path that a model wrote, and the path as it is."""
        path = self._workspace.known(path)
        key = self._key(path)
        if key not in self._converted:
            file, members = self._place(path)
            async with self._workspace.reading() as box:
                self._converted[key] = await box.convert(file, members=members)
        return path, self._converted[key]

    def is_known(self, path: str) -> bool:
        """True when the document has been converted."""
        return self._key(self._workspace.known(path)) in self._converted

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
            _, document = await self.document(name)
            left -= sum(len(part.text) for part in document.parts)
            if "!" not in name and (left < 0 or not document.whole):
                files.append(name)
            else:
                texts[name] = document.parts
        return texts, tuple(files)

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
