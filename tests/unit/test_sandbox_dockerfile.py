"""The Dockerfile's sandbox and the recipe of the built tree must not drift apart."""

from __future__ import annotations

import re
from pathlib import Path

from sandbox.image import recipe

DOCKERFILE = Path(__file__).resolve().parents[2] / "Dockerfile"


def test_the_sandbox_target_installs_what_the_recipe_installs() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    base = text.partition("AS sandbox-base")[2].partition("\nFROM")[0]
    installed = re.search(r"--no-install-recommends(.*?)&&", base)
    assert installed is not None
    assert set(installed[1].split()) == set(recipe.DEBIAN)
    assert f"FROM {recipe.BASE_IMAGE} AS sandbox-base" in text
    assert f"/{recipe.WHEELS}" in text


def test_no_target_mentions_the_engines_socket_as_a_mount() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert "docker.sock" not in text
    assert "VOLUME" not in text
