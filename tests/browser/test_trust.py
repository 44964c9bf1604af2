"""What may leave the browser, and what is asked before: the servers' own logs are the witness."""

from __future__ import annotations

import asyncio
import re

import pytest
from browser.conftest import Office, Pilot
from browser.hard_pages import Site

from orchestrator.errors import ToolFailed


async def test_a_post_is_asked_about_with_its_real_fields(pilot: Pilot, office: Office) -> None:
    await pilot.goto("/feedback")
    await pilot.do("type", ref=pilot.ref('textarea "Comment"'), text="nice")
    with pytest.raises(ToolFailed, match="not approved"):
        await pilot.click('button "Save"')
    assert not any(line.startswith("POST") for line in pilot.site.requests)
    asked = office.asked[0]
    assert (asked["method"], asked["url"]) == ("POST", pilot.site.url("/submit"))
    assert {"name": "comment", "value": "nice"} in asked["fields"]
    office.approves = True
    assert "Thank you" in await pilot.click('button "Save"')
    assert pilot.site.bodies == ["comment=nice"]
    assert len(office.asked) == 2


async def test_enter_in_a_form_is_asked_about_too(pilot: Pilot, office: Office) -> None:
    await pilot.goto("/login")
    await pilot.do("type", ref=pilot.ref('textbox "User"'), text="ada")
    with pytest.raises(ToolFailed, match="it submits a password"):
        await pilot.do("type", ref=pilot.ref('password "Password"'), text="lovelace", submit=True)
    assert not any(line.startswith("POST") for line in pilot.site.requests)
    assert "lovelace" not in str(office.asked)


async def test_a_button_that_says_delete_is_asked_about(pilot: Pilot, office: Office) -> None:
    await pilot.goto("/danger")
    with pytest.raises(ToolFailed, match="Delete account"):
        await pilot.click('button "Delete account"')
    assert "deleted" not in await pilot.do("observe")
    office.approves = True
    assert "deleted" in await pilot.click('button "Delete account"')


async def test_a_post_behind_a_harmless_button_is_held_back(pilot: Pilot, office: Office) -> None:
    await pilot.goto("/hidden-post")
    with pytest.raises(ToolFailed, match="not approved"):
        await pilot.click('button "Show more"')
    assert "blocked" in await pilot.do("observe")
    assert not any(line.startswith("POST") for line in pilot.site.requests)
    assert office.asked[0]["fields"] == [{"name": "secret", "value": "42"}]


async def test_an_upload_is_asked_about(pilot: Pilot, office: Office) -> None:
    office.files["report.txt"] = b"12345"
    await pilot.goto("/upload")
    with pytest.raises(ToolFailed, match="not approved"):
        await pilot.do("upload", ref=pilot.ref('file input "File"'), path="report.txt")
    assert 'files=""' in await pilot.do("observe")
    office.approves = True
    text = await pilot.do("upload", ref=pilot.ref('file input "File"'), path="report.txt")
    assert "got report.txt 5" in text


async def test_a_forbidden_host_is_refused_with_its_reason(pilot: Pilot, forbidden: Site) -> None:
    for url in (forbidden.url("/"), "http://169.254.169.254/latest", "http://2130706433/"):
        with pytest.raises(ToolFailed, match="refused by the network policy"):
            await pilot.surfer.act("goto", url=url)
    with pytest.raises(ToolFailed, match="not a web address"):
        await pilot.surfer.act("goto", url="file:///etc/passwd")
    assert forbidden.requests == []


async def test_a_redirect_to_a_forbidden_host_ends_at_the_proxy(
    pilot: Pilot, forbidden: Site
) -> None:
    with pytest.raises(ToolFailed, match="refused by the network policy"):
        await pilot.goto("/redirect")
    assert pilot.site.requests == ["GET /redirect"]
    assert forbidden.requests == []


async def test_no_way_out_of_a_page_reaches_a_forbidden_host(pilot: Pilot, forbidden: Site) -> None:
    text = await pilot.goto("/escape")
    await asyncio.sleep(1.0)
    text += await pilot.do("observe")
    assert "All tried" in text
    assert re.search(r"network policy: refused: 127\.0\.0\.1:\d+", text)
    assert forbidden.requests == []


async def test_fetching_without_the_browser_goes_through_the_same_proxy(
    pilot: Pilot, forbidden: Site, office: Office
) -> None:
    assert "# Article" in await pilot.do("fetch", url=pilot.site.url("/slow-article"))
    assert "late words" in await pilot.do("fetch", url=pilot.site.url("/slow.json"))
    for url in (forbidden.url("/"), pilot.site.url("/redirect")):
        with pytest.raises(ToolFailed, match="refused by the network policy"):
            await pilot.do("fetch", url=url)
    assert forbidden.requests == []
    await pilot.do("fetch", url=pilot.site.url("/paper.pdf"))
    assert "downloads/paper.pdf" in office.files
