"""Opens a page again in a new browser, with the session storage that it had before it loads.

Knows one page and what was remembered of it; refuses to know tabs, snapshots and why.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agents.web_surfer.browser import browser_error
from orchestrator.agent import Json

if TYPE_CHECKING:
    from agents.web_surfer.browser import Page, Route

MOST_CHARS = 200_000
"""Of one page's session storage; more is not worth its place in every observation."""
FILL = "(items) => { for (const [name, value] of items) sessionStorage.setItem(name, value); }"


def origin_of(url: str) -> str:
    """Scheme, host and port of a web address, else nothing."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else ""


def kept_session(origin: str, items: list[list[str]]) -> Json:
    """What a snapshot keeps of a page's session storage; None when there is nothing to keep."""
    if not items or len(json.dumps(items)) > MOST_CHARS:
        return None
    return {"origin": origin, "items": items}


async def reopen(page: Page, url: str, session: Json, *, seconds: float, loads: bool) -> None:
    """Load a URL in a fresh tab. Without `loads` only its session storage is made, and no server
    is asked: the tab is about to go elsewhere. What cannot be loaded is left out."""
    if not origin_of(url):
        return
    with contextlib.suppress(browser_error()):
        if session is not None and session["origin"] == origin_of(url):
            await _fill(page, url, session["items"])
            if loads:
                await page.reload(wait_until="domcontentloaded", timeout=seconds * 1000)
        elif loads:
            await page.goto(url, wait_until="domcontentloaded", timeout=seconds * 1000)


async def _fill(page: Page, url: str, items: list[list[str]]) -> None:
    """An empty page of ours under that URL is enough to write to its storage."""

    async def answer(route: Route) -> None:
        await route.fulfill(body="", content_type="text/html")

    def everything(_url: Any) -> bool:
        return True

    await page.route(everything, answer)
    try:
        await page.goto(url)
        await page.evaluate(FILL, items)
    finally:
        await page.unroute(everything, answer)
