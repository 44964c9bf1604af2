"""The FileSurfer: finds things in the documents of the workspace.

Every document is converted, searched and queried inside the sandbox; here is only text in parts
(pages, sheets, sections) with an anchor each. A model sees an outline first, then what it asks for.
"""

from __future__ import annotations

from pathlib import Path

from agents.file_surfer.library import SOUNDS, Library
from agents.file_surfer.places import observation, one_page, outline, part_of, span_of, worded
from agents.tool_loop import ToolLoop
from agents.toolkit import tool, tools_of
from agents.workspace import Workspace
from orchestrator.agent import Assignment, Observation, Report, WorkContext
from orchestrator.errors import ToolFailed
from orchestrator.prompt_files import render

PROMPTS = Path(__file__).parent.parent / "prompts"
HITS = 30
EARS = {
    False: "It has no ears.",
    True: "It opens recordings (mp3, m4a, wav) as what is said in them.",
}


class FileSurfer:
    """Gives each assignment a desk, and all of them one library."""

    name = "FileSurfer"

    def __init__(self, workspace: Workspace, *, ears: bool = False) -> None:
        self._library = Library(workspace, ears=ears)
        self.description = (
            "reads documents of the workspace (pdf, office, csv, html, text, pictures, mail, "
            f"archives): outlines, pages, rows, greps, SQL over tables. {EARS[ears]} Direct tools: "
            "list(), open(path), read(path, part), grep(pattern, path?), find(words, path?), "
            "table(path, query)."
        )

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        prompt = render("file_surfer", folder=PROMPTS)
        desk = Desk(self._library, ctx)
        tools = self._library.remembering(tools_of(desk))
        loop = ToolLoop(assignment, ctx, tools, prompt, device=self._library)
        return await loop.work()

    async def close(self) -> None:
        """The workspace is closed by the terminal."""


class Desk:
    """The tools, for one assignment."""

    def __init__(self, library: Library, ctx: WorkContext) -> None:
        self._library = library
        self._ctx = ctx

    @tool(direct=True)
    async def list(self) -> Observation:
        """List the files of the workspace with type and size."""
        return Observation(text=self._library.listing() or "the workspace has no files")

    @tool(direct=True)
    async def open(self, path: str) -> Observation:
        """Open a document: its outline (pages, sheets, sections, columns) and its beginning. A
        member of an archive or an attachment of a mail is ARCHIVE!NAME or ARCHIVE!NUMBER."""
        path, document = await self._library.document(path)
        text = outline(path, document)
        if document.kind in SOUNDS and not document.whole:
            return observation(path, "", text).model_copy(update={"failed": True})
        return observation(path, "outline", text)

    @tool(direct=True)
    async def read(self, path: str, part: str = "1", page: int = 1) -> Observation:
        """Read a part of a document by its number or anchor, or a range of a document of any size:
        "page 7", "pages 7-9", "rows 1200-1300", "Sheet2 rows 5-20", "lines 50-80". A long part
        comes in pages."""
        span = span_of(part)
        if span is None or self._library.is_known(path):
            path, document = await self._library.document(path)
            if span is None or any(part.lower() == one.anchor.lower() for one in document.parts):
                found = part_of(document, part)
                return observation(path, found.anchor, one_page(found, page))
        path, document = await self._library.span(path, span)
        text = "\n".join(f"{piece.anchor}:\n{piece.text}" for piece in document.parts)
        anchors = dict.fromkeys((document.parts[0].anchor, document.parts[-1].anchor))
        return observation(path, " to ".join(anchors), worded(text, document.notes))

    @tool(direct=True)
    async def grep(self, pattern: str, path: str = "", max_hits: int = HITS) -> Observation:
        """Find lines that match a regular expression (case ignored), in one file or in all, of
        any size; each hit says where it stands."""
        found = await self._library.grep(pattern, path, max_hits)
        lines = [f"{part.anchor}: {part.text}" for part in found.parts]
        count = int(found.title or 0)
        if count > len(lines):
            lines.append(f"[{count - len(lines)} more hits]")
        text = worded("\n".join(lines) or f"no line matches {pattern!r}", found.notes)
        return observation(path or "workspace", f"lines matching {pattern}", text)

    @tool(direct=True)
    async def find(self, words: str, path: str = "") -> Observation:
        """Find the parts (pages, sections, rows) that hold the most of some words, best first, in
        one file or in all; for when the exact wording is not known."""
        found = await self._library.find(words, path)
        lines = [f"{part.anchor}: {part.text}" for part in found.parts]
        text = worded("\n".join(lines) or f"nothing holds any of: {words}", found.notes)
        return observation(path or "workspace", f"parts about {words}", text)

    @tool(direct=True)
    async def table(self, path: str, query: str = "") -> Observation:
        """Query a spreadsheet, CSV, JSON or Parquet file of any size by SQL (DuckDB). Its table
        is t; each sheet is a table by its name. Without a query: the tables and their columns."""
        path, document = await self._library.table(path, query)
        text = "\n".join(part.text for part in document.parts)
        where = document.parts[0].anchor if document.parts else "table"
        return observation(path, where, worded(text, document.notes))

    @tool()
    async def image(self, path: str, page: int = 1) -> Observation:
        """Look at a picture, or at a page of a pdf as a picture. A model without eyes gets the
        metadata and the text that was recognized in it."""
        if not self._ctx.profile.vision:
            path, document = await self._library.document(path)
            if document.kind != "image":
                raise ToolFailed(f"{path} is no picture, and this model has no eyes; use read")
            return observation(path, "picture as text", outline(path, document, whole=True))
        path, content = await self._library.picture(path, page)
        name = self._ctx.put_blob(content)
        shown = observation(path, f"picture (page {page})", f"{path}: see the picture")
        return shown.model_copy(update={"images": (name,)})
