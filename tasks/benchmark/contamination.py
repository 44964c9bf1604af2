"""Hosts where benchmarks and their answers stand in the open: blocked by default, hits counted.

Agents have been caught looking their benchmark up, and a score that was read somewhere says
nothing. A list and words only: whoever runs a unit closes these places in its settings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from urllib.parse import unquote

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


def named_in(url: str) -> str | None:
    """The benchmark's name that a URL holds, in its path or what it asks for."""
    text = unquote(url).lower()
    return next((name for name in NAMES if name in text), None)


def names_in(urls: Iterable[str]) -> Counter[str]:
    """How often each benchmark is named, over the URLs of a unit."""
    return Counter(name for name in map(named_in, urls) if name is not None)
