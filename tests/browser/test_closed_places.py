"""Places that a run must not look at: not by address, link, redirect, fetch or search."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio
from browser.hard_pages import PAGES, Site, page, serving
from browser.piloting import Office, Pilot

from agents.web_surfer.browser import WebSettings
from agents.web_surfer.search import SearchSettings
from agents.web_surfer.surfer import WebSurfer
from orchestrator.errors import ToolFailed
from sandbox.egress_policy import EgressPolicy

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLACES = ("127.0.0.1/second", "127.0.0.1/answers", "answers.test")
FOUND = [{"title": "All answers", "url": "https://answers.test/1", "content": "42"},
         {"title": "News", "url": "https://news.test/1", "content": "nothing"}]  # fmt: skip


@pytest.fixture(scope="module")
def target() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def closed(target: Site) -> AsyncIterator[Pilot]:
    PAGES["/answers"] = page("<h1>The answer is 42</h1>")
    with serving(target.url("/answers")) as site:
        ports = replace(Office().ports, closed_places=PLACES)
        allowed = frozenset({site.authority, target.authority})
        settings = WebSettings(policy=EgressPolicy(allow=allowed))
        search = SearchSettings("searxng", site.url("/hits"))
        PAGES["/hits/search"] = json.dumps({"results": FOUND}).encode()
        async with WebSurfer.open(settings, ports=ports, search=search) as surfer:
            yield Pilot(surfer, site)
    for path in ("/answers", "/hits/search"):
        del PAGES[path]


@pytest.mark.parametrize("tool", ["goto", "fetch"])
async def test_a_closed_place_is_not_asked_at_all(closed: Pilot, tool: str) -> None:
    with pytest.raises(ToolFailed, match="closed for this run: 127"):
        await closed.do(tool, url=closed.site.url("/second"))
    assert not any("/second" in line for line in closed.site.requests)


async def test_a_link_to_a_closed_place_leads_nowhere(closed: Pilot) -> None:
    await closed.goto("/plain")
    shown = await closed.click('link "Next page"')
    assert "closed for this run" in shown
    assert not any("/second" in line for line in closed.site.requests)


@pytest.mark.parametrize("tool", ["goto", "fetch"])
async def test_a_redirect_to_a_closed_place_is_not_shown(closed: Pilot, tool: str) -> None:
    with pytest.raises(ToolFailed, match="closed for this run"):
        await closed.do(tool, url=closed.site.url("/redirect"))
    assert "42" not in await closed.do("observe")


async def test_results_of_closed_places_are_left_out_and_counted(closed: Pilot) -> None:
    shown = await closed.do("search", query="answers")
    assert "News" in shown
    assert "All answers" not in shown
    assert shown.endswith("closed for this run: 1 results were left out")
