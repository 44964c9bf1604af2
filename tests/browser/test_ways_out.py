"""No way out of a page reaches a forbidden server: its own log of connections is the witness.

The same pages are opened by a Chromium that nothing holds, and in the box with the forbidden ports
allowed: there the ways do get out, or the test would prove nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal

import pytest
from browser.ways_out import WAYS, Outside, outside
from playwright.async_api import BrowserContext, Error, async_playwright
from sampling import sampled

from agents.web_surfer.browser import BYPASS_NOTHING, FLAGS, Browser, WebSettings, find_chromium
from sandbox.browser_box import outlet, private_folder
from sandbox.egress import Egress, open_egress
from sandbox.egress_policy import Address, EgressPolicy

DEADLINE_S = 100.0
PUBLIC = "2001:4860:4860::1"  # of a public range; nothing answers there
# Headless Chromium does not take these at all, not even where nothing holds it.
NEVER = {"preconnect", "alternative service", "name prefetch", "prerender"}
PLACES = sampled(("box", "no box"), 0, always=("box",))
# These do not go through a proxy, or are switched off.
HELD = {"stun", "turn over tcp", "web transport", "service worker"}
NAMES = (
    *("127.0.0.1", "0.0.0.0", "localhost", "a.localhost", "127-0-0-1.wildcard.test"),
    *("mapped.test", "both.test", "rebind.test"),
)


@dataclass
class Names:
    """A name server that lies: names lead to loopback, one of them only from the second time on."""

    asked: dict[str, int] = field(default_factory=dict)

    async def resolve(self, host: str, port: int) -> list[Address]:
        self.asked[host] = self.asked.get(host, 0) + 1
        match host:
            case "rebind.test":
                return [ip_address(PUBLIC if self.asked[host] == 1 else "127.0.0.1")]
            case "both.test":
                return [ip_address("127.0.0.1"), ip_address(PUBLIC)]
            case "mapped.test":
                return [ip_address("::ffff:127.0.0.1")]
        return [ip_address("127.0.0.1")]


async def wander(context: BrowserContext, there: Outside) -> None:
    """Open every page in a tab and leave it open."""
    some = asyncio.Semaphore(4)

    async def visit(url: str) -> None:
        async with some:
            page = await context.new_page()
            with contextlib.suppress(Error):
                await page.goto(url, wait_until="commit", timeout=20_000)

    await asyncio.gather(*(visit(url) for url in there.pages()))


async def until(found: Callable[[], set[str]], wanted: set[str]) -> None:
    """Wait for these ways to have been taken, and a moment for what should not come."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DEADLINE_S):
            while not found() >= wanted:
                await asyncio.sleep(0.1)
    await asyncio.sleep(1)


def turned_away(egress: Egress, there: Outside) -> set[str]:
    """The ways that ended at the proxy."""
    return {there.name_of(one.port) for one in egress.passages if one.verdict != "passed"}


@contextlib.asynccontextmanager
async def context_of(
    place: Literal["box", "no box"], egress: Egress, browser: Browser
) -> AsyncIterator[BrowserContext]:
    """A context as the surfer has it, in the box or bound to the proxy by its settings alone."""
    if place == "box":
        yield await browser.new_context("main", None)
        return
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=find_chromium(),
            args=FLAGS,
            chromium_sandbox=False,  # the tests may run as root
            proxy={"server": egress.server_url, "bypass": BYPASS_NOTHING},
        )
        login = egress.credential("main")
        yield await chromium.new_context(
            service_workers="block",
            proxy={
                "server": login.server,
                "bypass": BYPASS_NOTHING,
                "username": login.username,
                "password": login.password,
            },
        )
        await chromium.close()


@contextlib.asynccontextmanager
async def behind(
    policy: EgressPolicy, place: Literal["box", "no box"] = "box"
) -> AsyncIterator[tuple[Egress, BrowserContext]]:
    """The proxy with the lying name server, and a context behind it."""
    names = Names()
    with private_folder() as folder:
        opening = open_egress(policy, socket_path=outlet(folder), resolve=names.resolve)
        async with opening as egress:
            browser = Browser(WebSettings(), egress, folder)
            async with context_of(place, egress, browser) as context:
                yield egress, context
            await browser.close()


def allowing(there: Outside, *hosts: str) -> EgressPolicy:
    ports = there.ports.values()
    allowed = {there.site.removeprefix("http://"), *(f"{h}:{p}" for h in hosts for p in ports)}
    return EgressPolicy(allow=frozenset(allowed), connect_seconds=2.0)


@pytest.mark.soak
async def test_from_a_chromium_that_nothing_holds_the_ways_lead_out() -> None:
    async with outside() as there, async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=find_chromium(),
            args=["--host-resolver-rules=MAP *.test 127.0.0.1"],
            chromium_sandbox=False,
        )
        await wander(await chromium.new_context(), there)
        await until(lambda: there.hits, set(WAYS) - NEVER)
        await chromium.close()
    assert set(WAYS) - there.hits <= NEVER


async def test_in_the_box_the_ways_lead_to_what_is_allowed() -> None:
    async with outside() as there, behind(allowing(there, *NAMES)) as (_, context):
        await wander(context, there)
        await until(lambda: there.hits, set(WAYS) - NEVER - HELD)
    assert set(WAYS) - NEVER - HELD <= there.hits
    assert not HELD & there.hits


@pytest.mark.parametrize("place", PLACES)
async def test_no_way_leads_out(place: Literal["box", "no box"]) -> None:
    async with outside() as there, behind(allowing(there), place) as (egress, context):
        await wander(context, there)
        await until(lambda: turned_away(egress, there), set(WAYS) - NEVER - HELD)
        away = turned_away(egress, there)
    assert there.hits == set()
    assert set(WAYS) - away <= NEVER | HELD  # every way was tried, and ended at the proxy
