"""Takes what the browser downloads to the workspace, under a plain name and below a size.

Knows the workspace only as the injected `save`.
"""

from __future__ import annotations

import asyncio
import mimetypes
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agents.web_surfer.browser import browser_error
from agents.web_surfer.ports import Ports
from agents.web_surfer.text import one_line, safe_name
from orchestrator.errors import ToolFailed
from sandbox.browser_box import taken

if TYPE_CHECKING:
    from agents.web_surfer.browser import Download, Page

SECONDS = 60.0
PDF = "application/pdf"


@dataclass(slots=True)
class Downloads:
    """`saved` lists path, size and type of every file that was kept."""

    ports: Ports
    max_bytes: int
    saved: list[str] = field(default_factory=list)

    async def collect(self, pending: list[Download]) -> list[str]:
        """Keep these; one note for each comes back."""
        notes = []
        for download in pending:
            name = safe_name(download.suggested_filename)
            try:
                async with asyncio.timeout(SECONDS):
                    content = await self._content(download)
            except (TimeoutError, OSError, browser_error()) as error:
                reason = one_line(str(error)) or f"not finished after {SECONDS:g} s"
                notes.append(f"the download {name} failed: {reason}")
                continue
            notes.append(await self.keep(name, content, mimetypes.guess_type(name)[0] or ""))
        return notes

    async def keep_displayed(self, page: Page) -> list[str]:
        """Keep a PDF that the browser only displays, fetched with the page's own cookies."""
        name = safe_name(urlsplit(page.url).path.rsplit("/", 1)[-1], "document.pdf")
        name = name if name.lower().endswith(".pdf") else f"{name}.pdf"
        if any(f"{name} (" in entry for entry in self.saved):
            return []
        try:
            response = await page.context.request.get(page.url, timeout=SECONDS * 1000)
            content = await response.body()
        except browser_error() as error:
            return [f"the document was not saved: {one_line(str(error))}"]
        return [await self.keep(name, content, PDF)]

    async def keep(self, name: str, content: bytes, media_type: str) -> str:
        """Save a file and say what became of it."""
        try:
            path = await self.ports.save(name, content)
        except ToolFailed as error:
            return error.message
        kind = f", {media_type}" if media_type else ""
        entry = f"{path} ({len(content)} bytes{kind})"
        self.saved.append(entry)
        return f"downloaded {entry}; open it with the FileSurfer"

    async def _content(self, download: Download) -> bytes:
        path = await download.path()
        try:
            return await asyncio.to_thread(taken, path, self.max_bytes)
        finally:
            await download.delete()
