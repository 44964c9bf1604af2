"""The recipe decides when a tree is rebuilt, and where a tree is looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.errors import NotReady
from sandbox import tree as trees
from sandbox.image.build import build
from sandbox.image.recipe import recipe


def test_every_requirement_has_an_exact_version() -> None:
    assert all("==" in requirement for requirement in recipe().python)


def test_extra_packages_change_the_fingerprint_and_their_order_does_not() -> None:
    plain = recipe().fingerprint()
    extra = recipe(("polars==1.0", "apt:gawk"))
    assert extra.fingerprint() not in ("", plain)
    assert extra == recipe(("apt:gawk", "polars==1.0"))
    assert "gawk" in extra.debian
    assert recipe().fingerprint() == plain


def test_a_tree_counts_only_once_it_is_signed(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    assert trees.find(tree) is None
    trees.sign(tree, "abc")
    assert trees.find(tree) == tree
    assert trees.recipe_of(tree) == "abc"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may build without a registry")
async def test_building_without_registry_and_root_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(NotReady) as missing:
        await build(tree=tmp_path / "tree", air_gapped=True, progress=lambda text: None)
    assert "sudo quaestor sandbox build" in str(missing.value.fix)


async def test_a_failed_build_leaves_the_old_tree_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    trees.sign(tree, "old")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(NotReady, match="could not be fetched"):
        await build(tree=tree, air_gapped=False, progress=lambda text: None)
    assert trees.recipe_of(tree) == "old"
    assert [place.name for place in tmp_path.iterdir()] == ["tree"]
