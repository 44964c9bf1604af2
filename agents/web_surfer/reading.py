"""Reads for a tool: long text in parts, tables as CSV, words on a page. No tools, no policy."""

from __future__ import annotations

import contextlib
import csv
import io
from typing import TYPE_CHECKING

from agents.web_surfer.acting import Hand
from agents.web_surfer.browser import browser_error
from agents.web_surfer.html_text import html_to_text
from agents.web_surfer.http_client import Answer, check_scheme
from agents.web_surfer.outline import Line
from agents.web_surfer.text import neutral, neutral_document, one_line
from orchestrator.agent import Observation, Source
from orchestrator.errors import ToolFailed

if TYPE_CHECKING:
    from agents.web_surfer.browser import Page

PAGE_CHARS = 8_000
FETCH_CHARS = 2 * 1024 * 1024
TEXT_TYPES = ("text/", "application/json", "application/xml", "application/javascript")
HTML_TYPES = ("text/html", "application/xhtml+xml")


def with_scheme(url: str) -> str:
    trimmed = url.strip()
    whole = trimmed if "://" in trimmed or trimmed.startswith("about:") else f"https://{trimmed}"
    if whole != "about:blank":
        check_scheme(whole)
    return whole


def readable(answer: Answer) -> tuple[str, str]:
    text = answer.text[:FETCH_CHARS]
    return html_to_text(text, answer.url) if answer.media_type in HTML_TYPES else ("", text)


def paged(url: str, title: str, text: str, page: int) -> Observation:
    """One part of a long text, cut at line ends where it can be."""
    clean = neutral_document(text)
    count = max(1, -(-len(clean) // PAGE_CHARS))
    if not 1 <= page <= count:
        raise ToolFailed(f"there are pages 1 to {count}")
    part = clean[(page - 1) * PAGE_CHARS : page * PAGE_CHARS]
    head = f"url: {url}\ntitle: {one_line(title, 200)}\npage {page} of {count}\n---\n"
    return Observation(
        text=head + part,
        source=Source(kind="url", ref=url),
        locator=f"page {page} of {count}",
        page=url,
    )


def is_text(answer: Answer) -> bool:
    """Whether it can be read as it is; everything else is a file."""
    return answer.media_type.startswith(TEXT_TYPES) or answer.media_type in HTML_TYPES


def as_csv(rows: list[list[str]]) -> str:
    """Rows as comma separated values."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return neutral(written.getvalue())


async def scroll_to(hand: Hand, line: Line) -> None:
    """Bring a line into view, if its element is still there."""
    if not line.refs:
        return
    with contextlib.suppress(ToolFailed, browser_error()):
        element = await hand.element(line.refs[0])
        await element.scroll_into_view_if_needed(timeout=1000)


async def table_rows(hand: Hand, ref: int | None) -> list[list[str]]:
    """The table around an element, or the largest one of the page."""
    if ref is not None:
        rows = await hand.reader.call(await hand.element(ref), "tableAround")
        if not rows:
            raise ToolFailed(f"{hand.named(ref)} is in no table")
        return [[str(cell) for cell in row] for row in rows]
    tables = await hand.reader.ask_frames(hand.page, "tables")
    largest = max((table for found in tables for table in found), key=len, default=None)
    if largest is None:
        raise ToolFailed("the page has no table")
    return [[str(cell) for cell in row] for row in largest]


async def appears(page: Page, text: str, seconds: float, gone: bool) -> bool:
    """Wait until words are on the page (or gone); false when the time is over."""
    script = "([t, gone]) => document.body.innerText.toLowerCase().includes(t) !== gone"
    try:
        await page.wait_for_function(
            script, arg=[text.lower(), gone], timeout=seconds * 1000, polling=100
        )
    except browser_error():
        return False
    return True
