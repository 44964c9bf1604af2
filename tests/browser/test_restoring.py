"""A browser that was lost comes back with its tabs, its storage and the same numbers."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import pytest
from browser.hard_pages import Site
from browser.piloting import Office, Pilot
from browser.processes import chromium_of

from agents.web_surfer.browser import WebSettings
from agents.web_surfer.surfer import WebSurfer
from agents.web_surfer.tabs import CRASHED, LOST_FORMS
from sandbox.egress_policy import EgressPolicy


@pytest.mark.soak  # a browser of its own
async def test_a_snapshot_is_restored_in_another_browser(
    pilot: Pilot, site: Site, office: Office
) -> None:
    await pilot.goto("/plain")
    await pilot.goto("/storage")
    await pilot.click('button "Keep"')
    await pilot.do("type", ref=pilot.ref('textbox "Draft"'), text="unsaved")
    button = pilot.ref('button "Keep"')
    assert pilot.seen is not None
    snapshot = json.loads(json.dumps(pilot.seen.snapshot))
    settings = WebSettings(policy=EgressPolicy(allow=frozenset({site.authority})))
    async with WebSurfer.open(settings, ports=office.ports) as other:
        await other.restore(snapshot)
        seen = await other.observe()
        assert LOST_FORMS in seen.text
        assert "stored: kept c=1" in seen.text
        assert 'value="unsaved"' not in seen.text
        assert LOST_FORMS not in (await other.act("click", ref=button)).text


async def test_a_recorded_step_is_stood_upon_before_the_next_live_one(
    pilot: Pilot, site: Site
) -> None:
    await pilot.goto("/rerender")
    recorded, beta = pilot.seen, pilot.ref('button "Beta"')
    assert recorded is not None
    await pilot.goto("/plain")
    pilot.surfer.recall(recorded)
    assert "Beta in drawing 1" in await pilot.do("click", ref=beta)


async def test_a_killed_browser_is_started_again(pilot: Pilot) -> None:
    await pilot.goto("/plain")
    browser = pilot.surfer._device.browser
    os.kill(chromium_of(os.getpid()), signal.SIGKILL)
    await browser.wait_for_end(30)
    text = await pilot.do("observe")
    assert LOST_FORMS in text
    assert CRASHED not in text
    assert "Welcome" in text


async def test_a_browser_that_is_killed_during_an_act_comes_back_and_says_so(
    pilot: Pilot, site: Site
) -> None:
    await pilot.goto("/session")
    await pilot.click('button "Keep"')
    await pilot.do("observe")
    acting = asyncio.create_task(pilot.click('button "Ask"'))
    async with asyncio.timeout(30):
        while "GET /never" not in site.requests:
            await asyncio.sleep(0.05)
    os.kill(chromium_of(os.getpid()), signal.SIGKILL)
    text = await acting
    assert LOST_FORMS in text
    assert CRASHED in text
    assert "session: kept" in text
    assert "Keep" in await pilot.click('button "Keep"')


@pytest.mark.soak  # a browser of its own
async def test_session_storage_is_restored_and_leaves_no_trace_in_the_history(
    pilot: Pilot, site: Site, office: Office
) -> None:
    await pilot.goto("/session")
    await pilot.click('button "Keep"')
    snapshot = json.loads(json.dumps((await pilot.surfer.observe()).snapshot))
    settings = WebSettings(policy=EgressPolicy(allow=frozenset({site.authority})))
    async with WebSurfer.open(settings, ports=office.ports) as surfer:
        await surfer.restore(snapshot)
        other = Pilot(surfer, site)
        assert "session: kept" in await other.do("observe")
        # Filling the storage left no page of ours in the history.
        assert "url: about:blank" in await other.do("back")


@pytest.mark.soak  # a browser of its own
async def test_a_page_that_is_left_at_once_is_not_loaded_again(pilot: Pilot, site: Site) -> None:
    await pilot.goto("/session")
    await pilot.click('button "Keep"')
    recorded = await pilot.surfer.observe()
    await pilot.surfer.close()
    site.requests.clear()
    pilot.surfer.recall(recorded)
    assert "Welcome" in await pilot.goto("/plain")
    assert "session: kept" in await pilot.goto("/session")
    assert site.requests == ["GET /plain", "GET /session"]


@pytest.mark.soak  # a browser of its own
async def test_branches_have_their_own_tabs_and_a_copy_of_the_cookies(pilot: Pilot) -> None:
    await pilot.goto("/storage")
    await pilot.click('button "Keep"')
    other = Pilot(await pilot.surfer.branch("second"), pilot.site)
    assert "stored: kept c=1" in await other.goto("/storage")
    await other.goto("/second")
    assert "Keep" in await pilot.do("observe")
