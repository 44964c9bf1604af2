"""Which requests of a page are held because of an act, and what a host is told with consent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from browser.hard_pages import PAGES, SHOW, Site, page
from browser.piloting import Office, Pilot

from agents.web_surfer.browser import WebSettings
from agents.web_surfer.provenance import Trust
from agents.web_surfer.secrets import Secret, Vault
from agents.web_surfer.surfer import WebSurfer
from orchestrator.errors import ToolFailed
from sandbox.egress_policy import EgressPolicy

TALKS = "<script>const talk = (path, body) => fetch(path, {method: 'POST', body});</script>"
PAGES["/chatty"] = page(
    SHOW + TALKS + "<button>Look</button><button>More</button><button>Other</button>"
    "<button>Later</button><script>talk('/beat', '1').then(() => say('ready'));"
    "talk('/graphql', 'query {me}'); const on = (n, f) => document.querySelectorAll('button')[n]"
    ".addEventListener('click', f); on(0, () => talk('/beat', '2'));"
    "on(1, () => talk('/new', '1')); on(2, () => talk('/graphql', 'mutation {x}'));"
    "on(3, () => setTimeout(() => talk('/late', '1'), 3000));</script>"
)
PAGES["/private-form"] = page("<label>Note <input></label><label>Also <input></label>")
PAGES["/framed-secret"] = page(
    "<iframe srcdoc='<label>Pass <input type=password></label>'></iframe>"
    "<label>Own <input type=password></label>"
)


@pytest.fixture
async def trusted(site: Site, office: Office) -> AsyncIterator[Pilot]:
    """A surfer of a run that has read a file, with one secret for the site."""
    trust = Trust(read=lambda: frozenset({"what FileSurfer has read"}), said=lambda: "say good day")
    vault = Vault({"pw": Secret("pw", site.url(""), lambda: "canary-77")})
    vault.load()
    ports = replace(office.ports, trust=trust, secrets=vault)
    settings = WebSettings(policy=EgressPolicy(allow=frozenset({site.authority})))
    trust.note_links(site.url(path) for path in ("/chatty", "/private-form", "/framed-secret"))
    async with WebSurfer.open(settings, ports=ports) as surfer:
        yield Pilot(surfer, site)


async def test_a_page_may_go_on_talking_but_an_act_of_ours_says_nothing_new(
    trusted: Pilot, office: Office
) -> None:
    await trusted.goto("/chatty")
    await trusted.click('button "Look"')
    assert office.asked == []
    for name in ("More", "Other"):
        with pytest.raises(ToolFailed, match="not approved"):
            await trusted.click(f'button "{name}"')
    assert [asked["url"].rpartition("/")[2] for asked in office.asked] == ["new", "graphql"]
    await trusted.click('button "Later"')
    await asyncio.sleep(3.5)
    assert "held back: POST" in await trusted.do("observe")
    assert sorted(trusted.site.bodies) == ["1", "2", "query {me}"]


async def test_a_host_is_told_private_things_after_one_consent(
    trusted: Pilot, office: Office
) -> None:
    await trusted.goto("/private-form")
    note = trusted.ref('textbox "Note"')
    with pytest.raises(ToolFailed, match="not approved: type"):
        await trusted.do("type", ref=note, text="secret plan")
    assert 'value=""' in await trusted.do("observe")
    await trusted.do("type", ref=note, text="good day")
    office.approves = True
    await trusted.do("type", ref=note, text="secret plan")
    await trusted.do("type", ref=trusted.ref('textbox "Also"'), text="another")
    await trusted.goto("/private-form?composed=1")
    assert [asked["fields"][0]["value"] for asked in office.asked] == ["secret plan"] * 2


async def test_a_composed_url_is_asked_about_and_a_known_one_is_not(
    trusted: Pilot, office: Office
) -> None:
    await trusted.goto("/private-form")
    for name in ("goto", "fetch"):
        with pytest.raises(ToolFailed, match="not approved"):
            await trusted.do(name, url=trusted.site.url("/private-form?d=secret"))
    assert [asked["url"] for asked in office.asked] == [
        trusted.site.url("/private-form?d=secret")
    ] * 2
    assert trusted.site.requests == ["GET /private-form"]


async def test_a_secret_is_refused_in_a_document_without_an_address(trusted: Pilot) -> None:
    await trusted.goto("/framed-secret")
    with pytest.raises(ToolFailed, match="secret_refused"):
        await trusted.do("type", ref=trusted.ref('password "Pass"'), text="<secret:pw>")
    await trusted.do("type", ref=trusted.ref('password "Own"'), text="<secret:pw>")
    assert "masked(9)" in trusted.text
