"""Loads an address into a tab and says what is worth knowing about how it went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.web_surfer.browser import browser_error
from agents.web_surfer.text import one_line
from orchestrator.errors import ToolFailed
from sandbox.egress_answers import VERDICT_HEADER

if TYPE_CHECKING:
    from agents.web_surfer.browser import Page


async def load(page: Page, url: str, seconds: float) -> list[str]:
    """Go to a URL and say what is worth knowing: slow, redirected, not found."""
    from_redirect = []
    for attempt in (1, 2):
        try:
            response = await page.goto(url, wait_until="domcontentloaded", timeout=seconds * 1000)
            break
        except browser_error() as error:
            if "Timeout" in str(error):
                return [f"still loading after {seconds:g} seconds; this is what is there"]
            if attempt == 2 or "interrupted by another navigation" not in str(error):
                raise
    if response is None:
        return []
    if response.headers.get(VERDICT_HEADER.lower()) is not None:
        raise ToolFailed(one_line(await response.text()))
    if response.request.redirected_from is not None:
        from_redirect = [f"redirected from {url}"]
    if response.status >= 400:
        from_redirect.append(f"the server answered with HTTP {response.status}")
    return from_redirect
