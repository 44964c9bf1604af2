"""Hosts where benchmarks and their answers stand in the open: blocked by default, hits counted.

Agents have been caught looking their benchmark up, and a score that was read somewhere says
nothing. Works on URLs alone; who blocks is the browser and its proxy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

BLOCKED: tuple[str, ...] = (
    "huggingface.co",
    "hf.co",
    "hf-mirror.com",
    "kaggle.com/datasets",
    "paperswithcode.com",
    "hal.cs.princeton.edu",
    "assistantbench.github.io",
    "oriyor.github.io/AssistantBench",
    "webarena.dev",
    "github.com/web-arena-x",
    "github.com/openai/human-eval",
    "github.com/openai/simple-evals",
    "openaipublic.blob.core.windows.net/simple-evals",
)
"""A host (with all below it), or a host with the start of a path."""
NAMES: tuple[str, ...] = (
    "gaia-benchmark",
    "gaia_benchmark",
    "assistantbench",
    "assistant_bench",
    "humaneval",
    "human-eval",
    "human_eval",
    "simpleqa",
    "simple_qa",
    "webarena",
)
"""Words in a URL that name a benchmark: not blocked, but listed in the report."""


def blocked_by(url: str, blocked: Iterable[str] = BLOCKED) -> str | None:
    """The entry that blocks a URL, or None."""
    place = _place(url)
    if place is None:
        return None
    host, path = place
    for entry in blocked:
        entry_host, _, entry_path = entry.lower().partition("/")
        if host != entry_host and not host.endswith(f".{entry_host}"):
            continue
        if path == f"/{entry_path}" or path.startswith(f"/{entry_path}" if entry_path else ""):
            return entry
    return None


def named_in(url: str) -> str | None:
    """The benchmark's name that a URL holds, in its path or what it asks for."""
    text = unquote(url).lower()
    return next((name for name in NAMES if name in text), None)


def hits(urls: Iterable[str], blocked: Iterable[str] = BLOCKED) -> Counter[str]:
    """How often each entry or name was hit, over the URLs of a unit."""
    entries = tuple(blocked)
    found = Counter[str]()
    for url in urls:
        hit = blocked_by(url, entries) or named_in(url)
        if hit:
            found[hit] += 1
    return found


def _place(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return None
    return (host, unquote(parts.path).lower() or "/") if host else None
