"""The FileSurfer: finds things in the documents of the workspace.

Documents are converted inside the sandbox; here is only text in parts (pages, sheets, sections)
with an anchor each. A model sees an outline first, then the part or the lines it asks for.
"""

from __future__ import annotations

import re
from pathlib import Path

from agents.tool_loop import ToolLoop
from agents.toolkit import tool, tools_of
from agents.workspace import Workspace
from orchestrator.agent import Assignment, Observation, Report, Source, WorkContext
from orchestrator.errors import ToolFailed
from orchestrator.prompt_files import render
from sandbox.base import Conversion, Part

PROMPTS = Path(__file__).parent / "prompts"
OUTLINE_PARTS = 60
PREVIEW_CHARS = 2_000
PAGE_CHARS = 8_000
MAX_LINE = 400


class FileSurfer:
    """List, open, read and grep over converted documents."""

    name = "FileSurfer"
    description = (
        "reads documents of the workspace (pdf, office, csv, html, text, images' metadata, mail, "
        "archives): lists, outlines, pages and greps. Direct tools: list(), "
        "open(path), read(path, part), grep(pattern, path?)."
    )

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._converted: dict[str, Conversion] = {}

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        prompt = render("file_surfer", folder=PROMPTS)
        loop = ToolLoop(assignment, ctx, tools_of(self), prompt, device=self._workspace)
        return await loop.work()

    async def close(self) -> None:
        """The workspace is closed by the terminal."""

    @tool(direct=True)
    async def list(self) -> Observation:
        """List the files of the workspace with type and size."""
        return Observation(text=self._workspace.describe() or "the workspace has no files")

    @tool(direct=True)
    async def open(self, path: str) -> Observation:
        """Open a document: its outline (pages, sheets, sections, columns) and its beginning."""
        path, document = await self._document(path)
        lines = [f"{path}: {document.kind}, {len(document.parts)} parts. {document.title}".strip()]
        lines += [f"note: {note}" for note in document.notes]
        for number, part in enumerate(document.parts[:OUTLINE_PARTS], start=1):
            lines.append(
                f"{number}. {part.anchor} ({len(part.text)} characters): {_first_line(part)}"
            )
        if len(document.parts) > OUTLINE_PARTS:
            lines.append(f"... and {len(document.parts) - OUTLINE_PARTS} more parts")
        text = "\n".join(lines)
        if document.parts:
            text += f"\n\nBeginning of {document.parts[0].anchor}:\n{_beginning(document.parts[0])}"
        return _observation(path, "outline", text)

    @tool(direct=True)
    async def read(self, path: str, part: str = "1", page: int = 1) -> Observation:
        """Read one part of a document by its number or anchor; long parts come in pages."""
        path, document = await self._document(path)
        found = _part(document, part)
        return _observation(path, found.anchor, _page(found, page))

    @tool(direct=True)
    async def grep(self, pattern: str, path: str = "", max_hits: int = 30) -> Observation:
        """Find lines that match a regular expression (case ignored), in one file or in all."""
        wanted = _compiled(pattern)
        paths = [path] if path else sorted(self._workspace.files)
        hits: list[str] = []
        for name in paths:
            name, document = await self._document(name)
            hits += [
                f"{name} {anchor} line {n}: {line}" for anchor, n, line in _hits(document, wanted)
            ]
        text = "\n".join(hits[:max_hits]) or f"no line matches {pattern!r}"
        if len(hits) > max_hits:
            text += f"\n[{len(hits) - max_hits} more hits]"
        return _observation(path or "workspace", f"lines matching {pattern}", text)

    async def _document(self, path: str) -> tuple[str, Conversion]:
        path = self._workspace.known(path)
        content = self._workspace.files[path].sha256
        if content not in self._converted:
            self._converted[content] = await self._workspace.convert(path)
        return path, self._converted[content]


def _observation(path: str, locator: str, text: str) -> Observation:
    source = Source(kind="path", ref=path)
    return Observation(text=text, source=source, locator=locator, page=path)


def _part(document: Conversion, wanted: str) -> Part:
    parts = document.parts
    if wanted.isdigit() and 1 <= int(wanted) <= len(parts):
        return parts[int(wanted) - 1]
    plain = wanted.strip().lower()
    for fits in (
        lambda part: part.anchor.lower() == plain,
        lambda part: plain in part.anchor.lower(),
    ):
        for part in parts:
            if fits(part):
                return part
    there = ", ".join(part.anchor for part in parts[:OUTLINE_PARTS])
    raise ToolFailed(f"there is no part {wanted!r}; the parts are 1 to {len(parts)}: {there}")


def _page(part: Part, page: int) -> str:
    pages = _pieces(part.text, PAGE_CHARS)
    if not 1 <= page <= len(pages):
        raise ToolFailed(f"{part.anchor} has pages 1 to {len(pages)}")
    text = pages[page - 1]
    return text if len(pages) == 1 else f"{text}\n[page {page} of {len(pages)} of {part.anchor}]"


def _beginning(part: Part) -> str:
    first = _pieces(part.text, PREVIEW_CHARS)[0]
    left = len(part.text) - len(first)
    return f"{first}\n[{left} more characters: read shows them]" if left else first


def _pieces(text: str, size: int) -> list[str]:
    """A text in pieces that end at line ends where they can: half a number is a wrong number."""
    pieces, start = [], 0
    while start < len(text):
        end = start + size
        if end < len(text):
            end = text.rfind("\n", start, end) + 1 or end
        pieces.append(text[start:end])
        start = end
    return pieces or [""]


def _hits(document: Conversion, wanted: re.Pattern[str]) -> list[tuple[str, int, str]]:
    return [
        (part.anchor, number, line.strip()[:MAX_LINE])
        for part in document.parts
        for number, line in enumerate(part.text.splitlines(), start=1)
        if wanted.search(line[:10_000])
    ]


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error:
        return re.compile(re.escape(pattern), re.IGNORECASE)


def _first_line(part: Part) -> str:
    lines = (line.strip() for line in part.text.splitlines())
    return next((line for line in lines if line), "")[:120]
