"""The search providers against servers on loopback that answer as the real ones do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from listening import Visit, listening

from agents.web_surfer.search import (
    Brave,
    DuckDuckGo,
    Hit,
    SearchBlocked,
    SearchSettings,
    SearXNG,
    Tavily,
    make_search,
)
from orchestrator.errors import ToolFailed, UsageError
from sandbox.egress import Credential, open_egress
from sandbox.egress_policy import EgressPolicy

Reply = tuple[int, str, str]
DUCK_PAGE = """
<div class="result results_links"><h2><a class="result__a"
 href="//duckduckgo.com/l/?uddg=https%3A%2F%2Flamps.test%2Fa%3Fb%3Dc&amp;rut=1">
 Lamps <b>here</b></a></h2>
<a class="result__snippet" href="x">Bright &amp; <b>cheap</b> lamps.</a></div>
<div class="result result--ad">
<a class="result__a" href="https://duckduckgo.com/y.js?ad=1">Ad</a></div>
<div class="result"><a class="result__a" href="https://plain.test/">Plain</a></div>
"""


class Server:
    """Answers everything with `reply`, and remembers what it was asked."""

    def __init__(self) -> None:
        self.reply: Reply = (200, "application/json", "{}")
        self.seen: list[tuple[str, dict[str, str], str]] = []
        self.url = ""
        self.authority = ""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()

    class Query(Visit):
        def do_GET(self) -> None:
            headers = {name.title(): value for name, value in self.headers.items()}
            made.seen.append((self.path, headers, self.body()))
            status, media, text = made.reply
            self.send(text, media, status)

        do_POST = do_GET

    with listening(Query) as port:
        made.authority = f"127.0.0.1:{port}"
        made.url = f"http://{made.authority}"
        yield made


async def duck(server: Server, query: str = "lamps") -> list[Hit]:
    policy = EgressPolicy(allow=frozenset({server.authority}))
    async with open_egress(policy) as egress:
        provider = DuckDuckGo(egress.credential("main"), f"{server.url}/html/")
        return await provider.search(query, 5)


async def test_duckduckgo_is_read_without_advertisements(server: Server) -> None:
    server.reply = (200, "text/html", DUCK_PAGE)
    assert await duck(server, "red lamps & co") == [
        Hit("Lamps here", "https://lamps.test/a?b=c", "Bright & cheap lamps."),
        Hit("Plain", "https://plain.test/", ""),
    ]
    assert server.seen[0][0] == "/html/?q=red+lamps+%26+co"


@pytest.mark.parametrize(
    "reply",
    [
        (202, "text/html", "<form id='challenge-form'></form>"),
        (200, "text/html", "<div class='anomaly-modal__title'>bots</div>"),
        (403, "text/html", ""),
    ],
)
async def test_a_captcha_is_a_failure_of_its_own(server: Server, reply: Reply) -> None:
    server.reply = reply
    with pytest.raises(SearchBlocked, match="CAPTCHA"):
        await duck(server)


async def test_nothing_found_is_an_empty_list(server: Server) -> None:
    server.reply = (200, "text/html", "<div class='no-results'>No results.</div>")
    assert await duck(server) == []


async def test_searxng_brave_and_tavily_answer_in_json(server: Server) -> None:
    entry = {"title": "T", "url": "https://t.test/", "content": "c", "description": "c"}
    expected = [Hit("T", "https://t.test/", "c")]
    server.reply = (200, "application/json", json.dumps({"results": [entry, entry]}))
    assert await SearXNG(server.url).search("q", 1) == expected
    assert await Tavily("key1", server.url).search("q", 2) == expected * 2
    server.reply = (200, "application/json", json.dumps({"web": {"results": [entry]}}))
    assert await Brave("key2", server.url).search("q", 3) == expected
    assert server.seen[0][0] == "/search?q=q&format=json"
    assert json.loads(server.seen[1][2]) == {"query": "q", "max_results": 2}
    assert server.seen[1][1]["Authorization"] == "Bearer key1"
    assert server.seen[2][1]["X-Subscription-Token"] == "key2"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ((401, "application/json", "{}"), "refused the key"),
        ((429, "application/json", "{}"), "no more searches"),
        ((500, "application/json", "{}"), "HTTP 500"),
        ((200, "text/html", "<html>"), "did not answer in JSON"),
        ((200, "application/json", "[]"), "JSON object"),
    ],
)
@pytest.mark.parametrize(
    "make", [SearXNG, lambda url: Brave("k", url), lambda url: Tavily("k", url)]
)
async def test_a_failing_provider_is_one_line(
    server: Server, make: Callable[[str], Any], reply: Reply, said: str
) -> None:
    server.reply = reply
    with pytest.raises(ToolFailed, match=said) as caught:
        await make(server.url).search("q", 3)
    assert "\n" not in caught.value.message


async def test_an_unreachable_provider_is_one_line() -> None:
    with pytest.raises(ToolFailed, match="could not be fetched"):
        await SearXNG("http://127.0.0.1:9").search("q", 3)


def test_a_provider_without_its_url_or_key_is_an_error_of_usage() -> None:
    credential = Credential("http://127.0.0.1:1", "main", "x")
    for settings in (
        SearchSettings("searxng"),
        SearchSettings("brave"),
        SearchSettings("tavily"),
    ):
        with pytest.raises(UsageError):
            make_search(settings, credential)
    assert isinstance(make_search(SearchSettings(), credential), DuckDuckGo)
