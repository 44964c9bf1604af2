"""A model without a model: a policy plays the part by reading what it is shown.

Ships with the product, so demos and tests run the real browser, files and container without a
key. Same requests in the same order give the same completions, token counts included.
"""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.models.llm import Completion, Profile, Request, Usage
from orchestrator.models.tokens import (
    CHARS_PER_TOKEN,
    PrefixCache,
    estimate_tokens,
    image_count,
    request_text,
)

Policy = Callable[[Request], Completion | str]


class ScriptedModel:
    """Answers by a policy; costs nothing and counts as if it did."""

    def __init__(
        self, policy: Policy, name: str = "scripted", profile: Profile | None = None
    ) -> None:
        self._policy = policy
        self._name = name
        self._profile = profile or Profile()
        self._cache = PrefixCache()

    @property
    def name(self) -> str:
        return self._name

    @property
    def profile(self) -> Profile:
        return self._profile

    async def complete(self, request: Request) -> Completion:
        played = self._policy(request)
        reply = Completion(text=played) if isinstance(played, str) else played
        finish = "tool_calls" if reply.tool_calls else reply.finish
        return reply.model_copy(
            update={"usage": self._count(request, reply), "model": self._name, "finish": finish}
        )

    async def close(self) -> None:
        """Nothing to release."""

    def _count(self, request: Request, reply: Completion) -> Usage:
        prompt = request_text(request)
        written = reply.text + "".join(call.name + call.arguments for call in reply.tool_calls)
        return Usage(
            calls=1,
            prompt_tokens=estimate_tokens(prompt, image_count(request)),
            cached_tokens=self._cache.add(prompt) // CHARS_PER_TOKEN,
            completion_tokens=estimate_tokens(written),
        )
