"""What may leave the browser, and what is asked before: the servers' own logs are the witness."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from browser.hard_pages import PAGES, Site, page
from browser.piloting import Office, Pilot

from agents.web_surfer.browser import WebSettings
from agents.web_surfer.surfer import WebSurfer
from orchestrator.errors import ToolFailed
from sandbox.egress_policy import EgressPolicy


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


async def test_a_consent_to_one_thing_is_no_consent_to_a_post_elsewhere(
    pilot: Pilot, office: Office
) -> None:
    await pilot.goto("/delete-and-post")
    office.approves = True
    await pilot.click('button "Delete account"')
    assert [asked["action"] for asked in office.asked] == ["click", "send"]
    assert office.asked[1]["url"] == "http://localhost:9/"


async def test_a_post_behind_a_harmless_button_is_held_back(pilot: Pilot, office: Office) -> None:
    await pilot.goto("/hidden-post")
    with pytest.raises(ToolFailed, match="not approved"):
        await pilot.click('button "Show more"')
    assert "blocked" in await pilot.do("observe")
    assert not any(line.startswith("POST") for line in pilot.site.requests)
    assert office.asked[0]["fields"] == [{"name": "secret", "value": "(masked)"}]


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


async def test_a_tunnel_is_refused_with_a_reason_too(pilot: Pilot, forbidden: Site) -> None:
    with pytest.raises(ToolFailed, match=r"refused: 127\.0\.0\.1:\d+ .*loopback"):
        await pilot.surfer.act("goto", url=forbidden.url("/").replace("http:", "https:"))


async def test_an_unreachable_host_is_not_called_refused(pilot: Pilot) -> None:
    with pytest.raises(ToolFailed, match="does not resolve"):
        await pilot.surfer.act("goto", url="https://no-such-name.invalid/")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
async def test_a_bad_certificate_is_named(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=elsewhere", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    authority = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = WebSettings(policy=EgressPolicy(allow=frozenset({authority})))
    async with server, WebSurfer.open(settings) as surfer:
        with pytest.raises(ToolFailed, match="ERR_CERT_"):
            await surfer.act("goto", url=f"https://{authority}/")


async def test_a_websocket_to_an_allowed_host_passes_the_proxy(pilot: Pilot) -> None:
    greeted = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            if "Upgrade: websocket" in head and head.startswith("GET /hello"):
                greeted.set()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    authority = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    script = f"<p>sockets</p><script>new WebSocket('ws://{authority}/hello')</script>"
    PAGES["/socket"] = page(script)
    allowed = frozenset({authority, pilot.site.authority})
    async with server, WebSurfer.open(WebSettings(policy=EgressPolicy(allow=allowed))) as surfer:
        await surfer.act("goto", url=pilot.site.url("/socket"))
        async with asyncio.timeout(5):
            await greeted.wait()


async def test_a_list_of_hosts_is_all_the_browser_may_visit(site: Site) -> None:
    policy = EgressPolicy(only_hosts=frozenset({"example.org"}), allow=frozenset({site.authority}))
    async with WebSurfer.open(WebSettings(policy=policy)) as surfer:
        assert "Welcome" in (await surfer.act("goto", url=site.url("/plain"))).text
        with pytest.raises(ToolFailed, match="not among the hosts"):
            await surfer.act("goto", url="http://elsewhere.test/")


async def test_without_the_web_nothing_is_visited_or_searched(site: Site) -> None:
    policy = EgressPolicy(enabled=False, allow=frozenset({site.authority}))
    async with WebSurfer.open(WebSettings(policy=policy)) as surfer:
        for name, arguments in (
            ("goto", {"url": site.url("/plain")}),
            ("fetch", {"url": site.url("/plain")}),
            ("search", {"query": "lamps"}),
        ):
            with pytest.raises(ToolFailed, match="switched off"):
                await surfer.act(name, **arguments)
    assert site.requests == []
