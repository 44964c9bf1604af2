"""Fetches a URL without a browser: through the proxy, every redirect checked anew, bounded.

The one module that imports httpx2. Knows bytes and headers, not what they mean.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from agents.web_surfer.text import one_line
from orchestrator.errors import ToolFailed
from sandbox.egress import Credential
from sandbox.egress_answers import VERDICT_HEADER

MAX_REDIRECTS = 8
SECONDS = 25.0
AGENT = "Mozilla/5.0 (compatible; Quaestor)"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `url` is where the redirects ended; `cut` says that there was more."""

    url: str
    status: int
    media_type: str
    encoding: str
    content: bytes
    cut: bool = False

    @property
    def text(self) -> str:
        """The content as text, whatever the server said of its encoding."""
        try:
            return self.content.decode(self.encoding or "utf-8", errors="replace")
        except LookupError:
            return self.content.decode("utf-8", errors="replace")


async def send(
    url: str,
    *,
    credential: Credential | None,
    max_bytes: int,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    json_body: Any = None,
) -> Answer:
    """One request with its redirects. Without a credential it goes out directly, which is for
    endpoints that the operator has configured. Raises ToolFailed with one line."""
    for _ in range(MAX_REDIRECTS + 1):
        check_scheme(url)
        try:
            async with asyncio.timeout(SECONDS):
                answer, location = await _send_once(
                    url, credential, max_bytes, method, headers or {}, json_body
                )
        except TimeoutError as error:
            raise ToolFailed(f"{_host(url)} did not answer within {SECONDS:g} seconds") from error
        if not location:
            return answer
        if credential is None:
            raise ToolFailed(f"{_host(url)} redirects elsewhere, which is not followed")
        url = urljoin(url, location)
    raise ToolFailed(f"{_host(url)} redirects in a circle")


def check_scheme(url: str) -> None:
    """Raises ToolFailed for anything but a web address."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise ToolFailed(f"{one_line(url, 120)} is not a web address (http or https)")


async def _send_once(
    url: str,
    credential: Credential | None,
    max_bytes: int,
    method: str,
    headers: dict[str, str],
    json_body: Any,
) -> tuple[Answer, str]:
    import httpx2

    proxy = None
    if credential is not None:
        proxy = httpx2.Proxy(credential.server, auth=(credential.username, credential.password))
    given = {"User-Agent": AGENT, "Accept-Language": "en", **headers}
    try:
        async with (
            httpx2.AsyncClient(proxy=proxy, trust_env=False, timeout=SECONDS) as client,
            client.stream(method, url, headers=given, json=json_body) as response,
        ):
            content, cut = bytearray(), False
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > max_bytes:
                    cut = True
                    break
            _check_verdict(response.headers.get(VERDICT_HEADER), bytes(content))
            media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            answer = Answer(
                url=url,
                status=response.status_code,
                media_type=media_type,
                encoding=response.charset_encoding or "",
                content=bytes(content[:max_bytes]),
                cut=cut,
            )
            redirects = response.status_code in (301, 302, 303, 307, 308)
            return answer, response.headers.get("location", "") if redirects else ""
    except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError, UnicodeError) as error:
        reason = one_line(str(error) or type(error).__name__, 160)
        raise ToolFailed(f"{_host(url)} could not be fetched: {reason}") from error


def _check_verdict(verdict: str | None, page: bytes) -> None:
    """The proxy's own pages are a refusal, never content."""
    if verdict is not None:
        raise ToolFailed(one_line(page.decode("utf-8", errors="replace")))


def _host(url: str) -> str:
    return one_line(urlsplit(url).netloc or url, 100)
