"""`quaestor sandbox build`: one root tree, shown by bubblewrap as it is and imported into Docker.

A second build with the same recipe does nothing. The tree is swapped in whole, so an interrupted
build leaves the old one as it was.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import NotReady, SandboxFailed
from sandbox import tree as trees
from sandbox.base import IMAGE
from sandbox.engine import Engine
from sandbox.image import tree_maker
from sandbox.image.recipe import recipe as make_recipe
from sandbox.image.tree_maker import Progress


@dataclass(frozen=True, slots=True)
class ImageBuilt:
    """`image` is the digest on the engine, or None when there is no engine."""

    image: str | None
    tree: Path


async def build(
    *,
    name: str = IMAGE,
    packages: tuple[str, ...] = (),
    air_gapped: bool | None = None,
    tree: Path | None = None,
    progress: Progress,
) -> ImageBuilt:
    """Bring tree and image up to the recipe; `air_gapped` None means: if no registry answers.

    Raises NotReady (no root, no debootstrap) or SandboxFailed (a step failed, with its output).
    """
    recipe = make_recipe(packages)
    fingerprint = recipe.fingerprint()
    target = tree or trees.home() / trees.TREE
    engine = await _engine(progress)
    if trees.recipe_of(target) == fingerprint:
        progress(f"The tree {target} is up to date")
    else:
        async with _fresh(target) as fresh:
            await tree_maker.make(fresh, recipe, engine, air_gapped, progress)
            trees.sign(fresh, fingerprint)
    if engine is None:
        return ImageBuilt(None, target)
    if await asyncio.to_thread(engine.recipe, name) == fingerprint:
        progress(f"The image {name} is up to date")
        return ImageBuilt(await asyncio.to_thread(engine.image, name), target)
    progress(f"Importing the tree as {name}")
    digest = await asyncio.to_thread(_import, engine, target, name, fingerprint)
    return ImageBuilt(digest, target)


async def _engine(progress: Progress) -> Engine | None:
    try:
        return await asyncio.to_thread(Engine.find)
    except NotReady as missing:
        progress(f"{missing.message} Only the tree for bubblewrap is built.")
        return None


@asynccontextmanager
async def _fresh(target: Path) -> AsyncIterator[Path]:
    """An empty folder beside the target, which takes its place in the end."""
    fresh, old = target.with_name(f"{target.name}.new"), target.with_name(f"{target.name}.old")
    await asyncio.to_thread(_remove, fresh, old)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        await asyncio.to_thread(_swap, fresh, target, old)
    finally:
        await asyncio.to_thread(_remove, fresh, old)


def _swap(fresh: Path, target: Path, old: Path) -> None:
    if target.exists():
        target.rename(old)
    fresh.rename(target)


def _remove(*folders: Path) -> None:
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)


def _import(engine: Engine, tree: Path, name: str, fingerprint: str) -> str:
    owners = ["--owner=0", "--group=0", "--numeric-owner"]
    command = ["tar", "-C", str(tree), "--one-file-system", *owners, "-c", "."]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as tar:
        if tar.stdout is None:
            raise SandboxFailed("tar has no pipe")
        digest = engine.import_tree(tar.stdout, name, fingerprint)
    if tar.returncode:
        raise SandboxFailed(f"tar ended with {tar.returncode} while reading {tree}")
    return digest
