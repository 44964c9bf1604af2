"""Where a URL or a text came from, and what the run's browsing has earned or lost on the way.

One `Trust` is shared by all branches of a run. What it learns travels with the observations, so a
resume learns it again from the journal. Pure rules; knows no browser and asks nobody.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from orchestrator.agent import Json
from sandbox.egress_policy import Refused, canonical_host

Kind = Literal["link", "told", "posted", "private", "failed"]
PORTS = {"http": 80, "https": 443}
MIN_QUOTE = 3
"""Shorter texts stand in every task, and a text can be told letter by letter."""
_URL = re.compile(r"https?://[^\s<>\"'`]+", re.I)
_BARE = re.compile(r"(?<![\w@/.:-])(?:[a-z0-9-]+\.)+[a-z]{2,24}(?::\d+)?(?:/[^\s<>\"'`]*)?", re.I)
_TRAILING = ".,;:!?)]}*_|"
_WORD = re.compile(r"\w+")


def nothing_private() -> frozenset[str]:
    """A surfer that is used alone has read nothing but pages."""
    return frozenset()


def nothing_said() -> str:
    """Nobody has given a task."""
    return ""


@dataclass(slots=True)
class Trust:
    """What is known of hosts and URLs over all branches of a run.

    `read` names what the rest of the team has read that is not public, `said` is what people have
    told the run (its task, notes, answers). `tell_hosts` may be told what was read without asking.
    """

    read: Callable[[], frozenset[str]] = nothing_private
    said: Callable[[], str] = nothing_said
    tell_hosts: frozenset[str] = frozenset()
    _facts: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    _news: list[tuple[Kind, str]] = field(default_factory=list)

    def note(self, kind: Kind, value: str) -> None:
        """Remember a fact; failures are counted, everything else is known or not."""
        if kind != "failed" and (kind, value) in self._facts:
            return
        self._facts[kind, value] += 1
        self._news.append((kind, value))

    def note_links(self, urls: Iterable[str]) -> None:
        """Links of a seen page, as the surfer's own code found them."""
        for url in urls:
            self.note("link", fingerprint(url))

    def knows(self, kind: Kind, value: str) -> bool:
        """Whether this was noted, on any branch."""
        return (kind, value) in self._facts

    def failures(self, host: str) -> int:
        """How many logins have failed at a host."""
        return self._facts["failed", host]

    def take_news(self) -> Json:
        """What was learned since the last call, to be recorded with an observation."""
        news, self._news = self._news, []
        return [list(fact) for fact in news]

    def recall(self, news: Json) -> None:
        """Learn again what a recorded observation carries."""
        for kind, value in news:
            self._facts[kind, value] += 1

    def private(self, host: str = "") -> frozenset[str]:
        """What the run has read that is not public, but for what `host` itself has shown."""
        own = {value for kind, value in self._facts if kind == "private" and value != host}
        return self.read() | {f"pages of {name} while signed in" for name in own}

    def may_be_told(self, host: str) -> bool:
        """Whether a host may get text that the model wrote, although private things were read."""
        bare = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        return self.knows("told", host) or bool(self.tell_hosts & {host, bare})

    def is_from_elsewhere(self, url: str) -> bool:
        """Whether a URL came from the task, a search result or a link, and not from a model."""
        mark = fingerprint(url)
        return url == "about:blank" or ("link", mark) in self._facts or mark in _named(self.said())

    def is_quoted(self, text: str) -> bool:
        """Whether a text stands word for word in what people have said."""
        words = " ".join(text.split()).casefold()
        if len(words) < MIN_QUOTE:
            return not words
        said = " ".join(self.said().split()).casefold()
        return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", said) is not None

    def unsaid(self, text: str) -> list[str]:
        """The words of a text that people have not said."""
        said = {word.casefold() for word in _WORD.findall(self.said())}
        return [word for word in _WORD.findall(text) if word.casefold() not in said]


def exact(url: str) -> str:
    """One spelling per URL: scheme, host and port are canonical, path, query and fragment stay."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return url.strip()
    try:
        host = canonical_host(host)
    except Refused:
        host = host.lower()
    scheme = parts.scheme.lower()
    login, at, _ = parts.netloc.rpartition("@")
    query = f"?{parts.query}" if parts.query else ""
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    place = f"{login}{at}{host}:{port or PORTS.get(scheme, 0)}"
    return f"{scheme}://{place}{parts.path or '/'}{query}{fragment}"


def fingerprint(url: str) -> str:
    """A short hash of the exact URL: thousands of links travel with an observation."""
    return hashlib.sha256(exact(url).encode("utf-8", "surrogatepass")).hexdigest()[:20]


def named_urls(text: str) -> list[str]:
    """The URLs in a text; a bare host name counts with either scheme."""
    found = []
    for match in _URL.findall(text):
        found += [match, match.rstrip(_TRAILING)]
    for match in _BARE.findall(_URL.sub(" ", text)):
        found += [f"{scheme}://{match.rstrip(_TRAILING)}" for scheme in PORTS]
    return found


@lru_cache(maxsize=8)
def _named(text: str) -> frozenset[str]:
    return frozenset(fingerprint(url) for url in named_urls(text))
