"""`models probe` finds out what an endpoint really does, says what it cost, and remembers it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_process import Cli
from openai_server import serve

from orchestrator.errors import ModelFault
from orchestrator.models.endpoint import Endpoint
from tasks.model_probe import described, known_profiles, probe

SLY: dict[str, Any] = {"lies": frozenset({"tools", "vision"}), "keep_last": 4096, "half": True}


@pytest.mark.parametrize(
    ("abilities", "said"),
    [
        ({}, "strict schema, tools, pictures, system role, length as max_tokens, window unknown"),
        ({"mode": "json"}, "JSON mode, tools, pictures"),
        ({"mode": "text", "tools": False, "vision": False, "system_role": False},
         "text, tools described in the prompt, no pictures, no system role"),
        ({"length_field": "max_completion_tokens"}, "length as max_completion_tokens"),
        ({"window": 3000}, "window 3000"),
        (SLY, "tools described in the prompt, no pictures, system role, length as max_tokens, "
              "window 4096, drops the head"),
    ],
)  # fmt: skip
async def test_every_ability_is_found_and_metered_and_remembered(
    abilities: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with serve(lambda _: "ready", **abilities) as server:
        endpoint = Endpoint("gpt-4o-local", server.base_url, "k")
        found = await probe(endpoint, tmp_path, fresh=False)
        asked = len(server.log)
        again = await probe(endpoint, tmp_path, fresh=False)
        assert len(server.log) == asked
        await probe(endpoint, tmp_path, fresh=True)
    assert said in described(found.traits)
    assert found.usage.calls == len([e for e in server.log[:asked] if e.served])
    assert (again.fresh, again.traits) == (False, found.traits)
    assert len(server.log) > asked
    assert len(known_profiles(tmp_path)) == 1


async def test_an_endpoint_that_is_out_is_named_and_nothing_is_remembered(tmp_path: Path) -> None:
    with pytest.raises(ModelFault, match="asked 2 times"):
        await probe(Endpoint("m", "http://127.0.0.1:9/v1"), tmp_path, fresh=False)
    assert known_profiles(tmp_path) == {}


def test_the_command_tells_what_it_found_and_what_to_change(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    cli.prepare()
    with serve(lambda _: "ready", **SLY) as server:
        told = cli("models", "probe", "--model", "m", "--base-url", server.base_url)
        asked = cli("models", "probe", "--model", "m", "--base-url", server.base_url, "--json")
    assert told.returncode == 0
    assert "OLLAMA_CONTEXT_LENGTH" in told.stdout
    record = json.loads(asked.stdout)
    assert record["fresh"] is False
    assert record["traits"]["profile"]["window"] == 4096
    presets = cli("models", "presets", "--json").stdout.splitlines()
    assert {json.loads(line)["name"] for line in presets} > {"ollama", "azure", "gemini"}
