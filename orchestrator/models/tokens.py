"""Counts tokens where nobody else does: characters / 4, and what a prefix cache would reuse.

Knows no tokenizer: an estimate that is the same everywhere beats an exact one for one vendor.
"""

from __future__ import annotations

import hashlib
import json

from orchestrator.models.llm import Message, Request

CHARS_PER_TOKEN = 4
IMAGE_TOKENS = 1105  # a 1224 x 765 screenshot at high detail
BLOCK = 64  # characters; providers cache in blocks of tokens too, so a share is never exact


def estimate_tokens(text: str, images: int = 0) -> int:
    """Tokens of a text and its images, rounded up."""
    return -(-len(text) // CHARS_PER_TOKEN) + images * IMAGE_TOKENS


def request_text(request: Request) -> str:
    """Everything of a request that a model reads, in the order in which a cache sees it."""
    head = [json.dumps(tool.model_dump(), ensure_ascii=False) for tool in request.tools]
    if request.output:
        head.append(json.dumps(request.output.model_dump(), ensure_ascii=False))
    return "\n".join([*head, *(_message_text(message) for message in request.messages)])


def image_count(request: Request) -> int:
    """How many images a request carries."""
    return sum(len(message.images) for message in request.messages)


class PrefixCache:
    """Every prompt shown so far, as a chain of block hashes: memory stays small over long runs."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def add(self, prompt: str) -> int:
        """Remember a prompt; returns how many of its first characters an earlier one had too."""
        chain, shared, still_shared = hashlib.blake2b(digest_size=16), 0, True
        for start in range(0, len(prompt) - BLOCK + 1, BLOCK):
            chain.update(prompt[start : start + BLOCK].encode("utf-8", "replace"))
            digest = chain.copy().digest()
            still_shared = still_shared and digest in self._seen
            shared += BLOCK if still_shared else 0
            self._seen.add(digest)
        return shared


def _message_text(message: Message) -> str:
    calls = "".join(f"\n{call.name}({call.arguments})" for call in message.tool_calls)
    images = "".join(f"\n[image {sha256}]" for sha256 in message.images)
    return f"{message.role}: {message.content}{calls}{images}"
