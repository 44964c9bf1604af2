"""A browser that was lost comes back with its tabs, its storage and the same numbers."""

from __future__ import annotations

import json

from browser.hard_pages import Site
from browser.piloting import Office, Pilot

from agents.web_surfer.browser import WebSettings
from agents.web_surfer.surfer import WebSurfer
from agents.web_surfer.tabs import LOST_FORMS
from sandbox.egress_policy import EgressPolicy


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


async def test_a_crashed_browser_is_started_again(pilot: Pilot) -> None:
    await pilot.goto("/plain")
    chromium = pilot.surfer._device.browser._chromium
    assert chromium is not None
    await chromium.close()
    text = await pilot.do("observe")
    assert LOST_FORMS in text
    assert "Welcome" in text


async def test_branches_have_their_own_tabs_and_a_copy_of_the_cookies(pilot: Pilot) -> None:
    await pilot.goto("/storage")
    await pilot.click('button "Keep"')
    other = Pilot(await pilot.surfer.branch("second"), pilot.site)
    assert "stored: kept c=1" in await other.goto("/storage")
    await other.goto("/second")
    assert "Keep" in await pilot.do("observe")
