"""The model of an offline replay: every reply comes from the journal, so a call is an error."""

from __future__ import annotations

from orchestrator.errors import EndOfRecording
from orchestrator.models.llm import Completion, Profile, Request


class ReplayModel:
    """Stands for the recorded model, under its name and with its profile; never answers."""

    def __init__(self, name: str = "replay", profile: Profile | None = None) -> None:
        self._name = name
        self._profile = profile or Profile()

    @property
    def name(self) -> str:
        return self._name

    @property
    def profile(self) -> Profile:
        return self._profile

    async def complete(self, request: Request) -> Completion:
        raise EndOfRecording(f"a model call by {request.role}")

    async def close(self) -> None:
        """Nothing to release."""
