"""A model that hears with the ears of another: requests with a recording go to the transcriber.

Knows no endpoint; both models do their own retries and metering.
"""

from __future__ import annotations

import asyncio

from orchestrator.models.llm import LLM, Completion, Profile, Request


class Hearing:
    """Implements LLM over two of them."""

    def __init__(self, model: LLM, ears: LLM) -> None:
        self._model = model
        self._ears = ears

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def profile(self) -> Profile:
        return self._model.profile

    async def complete(self, request: Request) -> Completion:
        model = self._model if request.sound is None else self._ears
        return await model.complete(request)

    async def close(self) -> None:
        await asyncio.gather(self._model.close(), self._ears.close())
