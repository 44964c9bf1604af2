"""Web search behind one small port: SearXNG, Brave, Tavily, or DuckDuckGo's page without a key.

Knows how to ask and how to read the answer. A CAPTCHA or a refused key is a typed failure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, Literal, Protocol
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

from agents.web_surfer.http_client import Answer, send
from agents.web_surfer.text import neutral, one_line
from orchestrator.errors import ToolFailed, UsageError
from sandbox.egress import Credential

ProviderName = Literal["searxng", "brave", "tavily", "duckduckgo"]
MAX_BYTES = 3 * 1024 * 1024
DUCKDUCKGO = "https://html.duckduckgo.com/html/"
BRAVE = "https://api.search.brave.com/res/v1/web/search"
TAVILY = "https://api.tavily.com/search"
_CAPTCHA_MARKS = ("anomaly-modal", "challenge-form", "g-recaptcha", "captcha")


class SearchBlocked(ToolFailed):
    """The provider wants to see a person; asking again at once will not help."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Who searches. `url` replaces the provider's own address."""

    provider: ProviderName = "duckduckgo"
    url: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One result."""

    title: str
    url: str
    snippet: str


class SearchProvider(Protocol):
    """Answers a query; raises ToolFailed with one line."""

    async def search(self, query: str, count: int) -> list[Hit]:
        """The first `count` results."""
        ...


def make_search(settings: SearchSettings, credential: Credential) -> SearchProvider:
    """The configured provider. Its own endpoint is called directly, a public page through the
    proxy like any other page."""
    match settings.provider:
        case "searxng":
            if not settings.url:
                raise UsageError("the search provider searxng needs its URL", fix="set search_url")
            return SearXNG(settings.url)
        case "brave":
            return Brave(_key(settings), settings.url or BRAVE)
        case "tavily":
            return Tavily(_key(settings), settings.url or TAVILY)
        case "duckduckgo":
            return DuckDuckGo(credential, settings.url or DUCKDUCKGO)


def search_host(settings: SearchSettings) -> str:
    """The host that is told the queries."""
    own = {"brave": BRAVE, "tavily": TAVILY, "duckduckgo": DUCKDUCKGO}
    return urlsplit(settings.url or own.get(settings.provider, "")).netloc


@dataclass(frozen=True, slots=True)
class SearXNG:
    """An instance of one's own with the JSON format switched on."""

    url: str

    async def search(self, query: str, count: int) -> list[Hit]:
        parameters = urlencode({"q": query, "format": "json"})
        address = f"{self.url.rstrip('/')}/search?{parameters}"
        answer = await send(address, credential=None, max_bytes=MAX_BYTES)
        found = _json(answer, "SearXNG").get("results", [])
        return [_hit(entry, "title", "url", "content") for entry in found[:count]]


@dataclass(frozen=True, slots=True)
class Brave:
    """The Brave Search API."""

    key: str
    url: str

    async def search(self, query: str, count: int) -> list[Hit]:
        address = f"{self.url}?{urlencode({'q': query, 'count': min(count, 20)})}"
        headers = {"X-Subscription-Token": self.key, "Accept": "application/json"}
        answer = await send(address, credential=None, max_bytes=MAX_BYTES, headers=headers)
        found = (_json(answer, "Brave").get("web") or {}).get("results", [])
        return [_hit(entry, "title", "url", "description") for entry in found[:count]]


@dataclass(frozen=True, slots=True)
class Tavily:
    """The Tavily API."""

    key: str
    url: str

    async def search(self, query: str, count: int) -> list[Hit]:
        answer = await send(
            self.url,
            credential=None,
            max_bytes=MAX_BYTES,
            method="POST",
            headers={"Authorization": f"Bearer {self.key}"},
            json_body={"query": query, "max_results": min(count, 20)},
        )
        found = _json(answer, "Tavily").get("results", [])
        return [_hit(entry, "title", "url", "content") for entry in found[:count]]


@dataclass(frozen=True, slots=True)
class DuckDuckGo:
    """The page without scripts, read as HTML; needs no key and may ask for a CAPTCHA."""

    credential: Credential
    url: str

    async def search(self, query: str, count: int) -> list[Hit]:
        address = f"{self.url}?q={quote_plus(query)}"
        answer = await send(address, credential=self.credential, max_bytes=MAX_BYTES)
        page = _ResultPage()
        page.feed(answer.text)
        page.close()
        hits = page.hits[:count]
        if not hits and (answer.status in (202, 403, 429) or page.wants_a_person):
            raise SearchBlocked(
                "DuckDuckGo asks for a CAPTCHA; configure a search provider with a key or SearXNG"
            )
        if answer.status >= 400:
            raise ToolFailed(f"DuckDuckGo answered with HTTP {answer.status}")
        return hits


class _ResultPage(HTMLParser):
    """Reads DuckDuckGo's result list: links of class result__a, texts of class result__snippet."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.hits: list[Hit] = []
        self.wants_a_person = False
        self._part = ""
        self._depth = 0
        self._text: list[str] = []
        self._url = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        classes = (given.get("class") or "").split()
        marks = f"{given.get('class') or ''} {given.get('id') or ''}".lower()
        self.wants_a_person |= any(mark in marks for mark in _CAPTCHA_MARKS)
        if self._part:
            self._depth += tag not in ("br", "img")
        elif "result__a" in classes:
            self._begin("title")
            self._url = _target(given.get("href") or "")
        elif "result__snippet" in classes:
            self._begin("snippet")

    def handle_endtag(self, tag: str) -> None:
        if not self._part:
            return
        if self._depth:
            self._depth -= 1
            return
        said = one_line("".join(self._text), 400)
        if self._part == "title" and self._url and said:
            self.hits.append(Hit(said, self._url, ""))
        elif self._part == "snippet" and self.hits and not self.hits[-1].snippet:
            last = self.hits[-1]
            self.hits[-1] = Hit(last.title, last.url, said)
        self._part = ""

    def handle_data(self, data: str) -> None:
        if self._part:
            self._text.append(data)

    def _begin(self, part: str) -> None:
        self._part, self._depth, self._text = part, 0, []


def _target(href: str) -> str:
    """The real address behind a redirecting result link; advertisements have none."""
    parts = urlsplit(href)
    if parts.path == "/l/":
        href = parse_qs(parts.query).get("uddg", [""])[0]
        parts = urlsplit(href)
    if parts.scheme not in ("http", "https") or parts.path == "/y.js":
        return ""
    return neutral(href)


def _json(answer: Answer, provider: str) -> dict[str, Any]:
    if answer.status in (401, 403):
        raise ToolFailed(f"{provider} refused the key (HTTP {answer.status})")
    if answer.status == 429:
        raise ToolFailed(f"{provider} allows no more searches at present (HTTP 429)")
    if answer.status >= 400:
        raise ToolFailed(f"{provider} answered with HTTP {answer.status}")
    try:
        parsed = json.loads(answer.content)
    except ValueError as error:
        raise ToolFailed(f"{provider} did not answer in JSON") from error
    if not isinstance(parsed, dict):
        raise ToolFailed(f"{provider} did not answer with a JSON object")
    return parsed


def _hit(entry: Any, title: str, url: str, snippet: str) -> Hit:
    fields = entry if isinstance(entry, dict) else {}
    return Hit(
        one_line(str(fields.get(title) or ""), 200),
        neutral(str(fields.get(url) or "")),
        one_line(str(fields.get(snippet) or ""), 400),
    )


def _key(settings: SearchSettings) -> str:
    if not settings.key:
        raise UsageError(f"the search provider {settings.provider} needs a key")
    return settings.key
