"""Reads for a tool: long text in parts, tables as CSV, pages without a
browser, pictures. Marks no tools and asks no permission."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import html
import io
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from agents.web_surfer.acting import Hand
from agents.web_surfer.browser import browser_error
from agents.web_surfer.closing import CLOSED, closed_by, refusal
from agents.web_surfer.device import Device
from agents.web_surfer.html_text import readable_html
from agents.web_surfer.http_client import Answer, check_scheme, send
from agents.web_surfer.outline import Line
from agents.web_surfer.provenance import named_urls
from agents.web_surfer.search import Hit
from agents.web_surfer.text import folded, neutral, neutral_document, one_line, safe_name
from orchestrator.agent import Observation, Source
from orchestrator.errors import ToolFailed

if TYPE_CHECKING:
    from agents.web_surfer.browser import Page

PAGE_CHARS = 8_000
FETCH_CHARS = 2 * 1024 * 1024
PICTURE_MS = 8_000
POLL_SECONDS = 0.1
MAX_HITS = 20
MAX_WAIT_SECONDS = 60.0
MAX_LINKS = 4_000
_HREF = re.compile(
    r"""<(?:a|area)\b[^<>]{0,2000}?\bhref\s*=\s*(?:"([^"]{1,2000})"|'([^']{1,2000})'|([^\s<>"']+))""",
    re.I,
)
HTML_TYPES = ("text/html", "application/xhtml+xml")
TEXT_TYPES = ("text/", "application/json", "application/xml", "application/xhtml+xml")


def with_scheme(url: str) -> str:
    trimmed = url.strip()
    whole = trimmed if "://" in trimmed or trimmed.startswith("about:") else f"https://{trimmed}"
    if whole != "about:blank":
        check_scheme(whole)
    return whole


async def readable(answer: Answer) -> tuple[str, str]:
    """The title and the text of what was fetched."""
    text = answer.text[:FETCH_CHARS]
    if answer.media_type not in HTML_TYPES:
        return "", text
    try:
        return await readable_html(text, answer.url)
    except (TimeoutError, ValueError) as error:
        raise ToolFailed(
            f"{one_line(answer.url, 200)} is no page that can be read as text; use goto"
        ) from error


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


async def fetch(device: Device, url: str, page: int) -> Observation:
    """A URL as text through the proxy, without a browser; what is no text is saved."""
    answer = await send(
        with_scheme(url),
        credential=device.browser.egress.credential(device.branch),
        max_bytes=device.browser.settings.max_download_bytes,
    )
    closed = closed_by(answer.url, device.ports.closed_places)
    if closed is not None:
        raise ToolFailed(refusal(answer.url, closed))
    if answer.status >= 400:
        raise ToolFailed(f"{one_line(answer.url, 200)} answered with HTTP {answer.status}")
    if answer.media_type.startswith(TEXT_TYPES):
        device.ports.trust.note_links([answer.url, *links_in(answer)])
        title, text = await readable(answer)
        return paged(answer.url, title, text, page)
    if answer.cut:
        raise ToolFailed(f"{one_line(answer.url, 200)} is too large to be fetched")
    name = safe_name(urlsplit(answer.url).path.rsplit("/", 1)[-1])
    said = await device.downloads.keep(name, answer.content, answer.media_type)
    return Observation(text=said, source=Source(kind="url", ref=answer.url))


def links_in(answer: Answer) -> list[str]:
    """The links of a page, or the URLs of a plain text, as the server wrote them."""
    text = answer.text[:FETCH_CHARS]
    if answer.media_type not in HTML_TYPES:
        return named_urls(text)[:MAX_LINKS]
    hrefs = (html.unescape(a or b or c).strip() for a, b, c in _HREF.findall(text))
    found = []
    for href in hrefs:
        with contextlib.suppress(ValueError):
            found.append(urljoin(answer.url, href))
    return found[:MAX_LINKS]


def listed(
    found: Sequence[Hit], source: Source, query: str, closed: Sequence[str] = ()
) -> Observation:
    """Search results as a numbered list, but for those of closed places."""
    hits = [hit for hit in found if closed_by(hit.url, closed) is None]
    blocks = [f"{n}. {hit.title}\n   {hit.url}\n   {hit.snippet}" for n, hit in enumerate(hits, 1)]
    if len(hits) < len(found):
        blocks.append(f"{CLOSED}: {len(found) - len(hits)} results were left out")
    text = neutral_document("\n".join(blocks))
    return Observation(text=text, source=source, locator=f"query {query!r}")


async def table(device: Device, hand: Hand, ref: int | None) -> Observation:
    """A table as CSV; one that is too long to show is also saved."""
    rows = await table_rows(hand, ref)
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    text = neutral(written.getvalue())
    head = f"{len(rows)} rows, {max(len(row) for row in rows)} columns"
    limit = device.limit - 200
    if len(text) > limit:
        path = await device.ports.save("table.csv", text.encode())
        text = text[:limit].rpartition("\n")[0] + "\n"
        head += f"; cut here, the whole table is in {path}"
    return device.say(hand.page.url, f"{head}\n{text}", locator="table")


async def marked_picture(device: Device, page: Page) -> bytes:
    """The viewport as PNG with the numbers drawn over the controls."""
    seen = await device.reader.read(page, everything=True)
    if device.ports.secrets.shows("\n".join(line.text for line in seen.lines)):
        raise ToolFailed("secret_refused: the page shows a secret, so no picture is taken of it")
    seen = await device.reader.read(page)
    marks = [ref for ref, found in seen.refs.items() if found.role not in ("text", "image")]
    async with device.reader.marked(marks):
        try:
            return await page.screenshot(type="png", animations="disabled", timeout=PICTURE_MS)
        except browser_error() as error:
            raise ToolFailed(f"no picture could be taken: {one_line(str(error))}") from error


async def find(device: Device, text: str) -> Observation:
    """The lines with these words, wherever they stand; the first one is scrolled to."""
    page = await device.page()
    seen = await device.reader.read(page, words=text)
    hits = [line for line in seen.lines if folded(text) in folded(line.text)]
    if not hits:
        return device.say(page.url, f"nothing on the page contains {text!r}")
    await scroll_to(await device.hand(), hits[0])
    shown = [line.text for line in hits[:MAX_HITS]]
    if len(hits) > MAX_HITS:
        shown.append(f"({len(hits) - MAX_HITS} more)")
    return device.say(page.url, "\n".join(shown), locator=f"lines with {text!r}")


async def wait(device: Device, text: str, seconds: float, *, gone: bool) -> Observation:
    """The page, once the words are there (or gone), or a dialog opens."""
    page = await device.page()
    bounded = max(0.1, min(seconds, MAX_WAIT_SECONDS))
    if not await device.tabs.race(appears(device, text, bounded, gone)):
        if device.tabs.dialog is not None:
            return await device.show()
        state = "still there" if gone else "not there"
        raise ToolFailed(f"{text!r} is {state} after {bounded:g} seconds on {page.url}")
    return await device.show()


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
    tables = await hand.reader.ask_shown(hand.page, "tables")
    largest = max((table for found in tables for table in found), key=len, default=None)
    if largest is None:
        raise ToolFailed("the page has no table")
    return [[str(cell) for cell in row] for row in largest]


async def appears(device: Device, text: str, seconds: float, gone: bool) -> bool:
    """Wait until words can be read in one of the frames (or in none); false when the time is
    over. Compared here: a page could listen to what is asked in it."""
    deadline, wanted = time.monotonic() + seconds, folded(text)
    while True:
        said = await device.reader.ask_shown(await device.page(), "shownText")
        if any(wanted in folded(part) for part in said) is not gone:
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
