"""Finds model servers on this machine by asking the usual ports for their models."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException

PORTS: tuple[tuple[str, int], ...] = (
    ("Ollama", 11434),
    ("LM Studio", 1234),
    ("vLLM", 8000),
    ("llama.cpp", 8080),
)
PATIENCE_S = 1.5
MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A server that answers, with the names of its models."""

    name: str
    base_url: str
    models: tuple[str, ...]


async def running_servers(
    ports: Sequence[tuple[str, int]] = PORTS,
) -> list[ModelServer]:
    """The servers that answer `/v1/models` on loopback."""
    asked = [asyncio.to_thread(_ask, name, port) for name, port in ports]
    return [server for server in await asyncio.gather(*asked) if server is not None]


def _ask(name: str, port: int) -> ModelServer | None:
    base_url = f"http://127.0.0.1:{port}/v1"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{base_url}/models", timeout=PATIENCE_S) as reply:
            listed = json.loads(reply.read(MAX_BYTES))
        models = tuple(str(item["id"]) for item in listed["data"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return None
    return ModelServer(name, base_url, models)
