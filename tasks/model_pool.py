"""Opens the models that settings name: one client per endpoint, shared by all runs of a process.

A client of its own per run would cost each run a TLS context and a connection pool, and would
learn what an endpoint cannot do again and again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.models.capability import ProfileStore
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.fallback import FallbackModel
from orchestrator.models.gate import OPEN, Gate
from orchestrator.models.hearing import Hearing
from orchestrator.models.llm import LLM
from orchestrator.settings import Settings
from tasks.endpoints import endpoints_of, names_of

PROFILES = "profiles.json"
SHORT_OF_WAITING_S = 30.0  # with another model at hand, an outage is not waited out


@dataclass(slots=True)
class ModelPool:
    """The clients of one process. `close` it once."""

    home: Path
    read_blob: Callable[[str], bytes]
    environ: Mapping[str, str]
    gate_of: Callable[[Endpoint], Gate] = lambda _endpoint: OPEN
    opened: dict[tuple[Endpoint, bool], LLM] = field(default_factory=dict)
    chains: dict[tuple[Endpoint, ...], LLM] = field(default_factory=dict)

    def lead_and_model(self, settings: Settings) -> tuple[LLM, LLM]:
        """The lead's model and the workers'. Raises UsageError and NotReady."""
        name, lead = names_of(settings.models)
        model = self._chain(settings, name)
        leads = model if lead == name else self._chain(settings, lead)
        if settings.models.audio is None:
            return leads, model
        return leads, Hearing(model, self._chain(settings, settings.models.audio))

    async def close(self) -> None:
        """Let go of all connections."""
        await asyncio.gather(*(model.close() for model in self.opened.values()))
        self.opened.clear()
        self.chains.clear()

    def _chain(self, settings: Settings, chain: str) -> LLM:
        endpoints = endpoints_of(settings, chain, self.environ)
        if endpoints not in self.chains:
            alone = len(endpoints) == 1
            models = [self._client(endpoint, patient=alone) for endpoint in endpoints]
            self.chains[endpoints] = models[0] if alone else FallbackModel(models)
        return self.chains[endpoints]

    def _client(self, endpoint: Endpoint, *, patient: bool) -> LLM:
        from orchestrator.models.openai_compatible import OpenAICompatible
        from orchestrator.models.retries import RetryPolicy

        key = (endpoint, patient)
        if key not in self.opened:
            retries = RetryPolicy() if patient else RetryPolicy(total_s=SHORT_OF_WAITING_S)
            self.opened[key] = OpenAICompatible.open(
                replace(endpoint, gate=self.gate_of(endpoint)),
                read_blob=self.read_blob,
                store=ProfileStore(self.home / PROFILES),
                retries=retries,
            )
        return self.opened[key]
