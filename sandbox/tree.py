"""Where the root tree of the box lives on this machine, and which recipe it was made from."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

SHARED = Path("/var/lib/quaestor/sandbox")
"""Where root builds: readable by every user, unlike root's own folders."""
TREE = "tree"
RECORD = "built.json"


@dataclass(frozen=True, slots=True)
class BuiltTree:
    """A finished tree and the hash of the recipe it was made from."""

    path: Path
    recipe: str


def home() -> Path:
    """The folder that a build of this user writes to."""
    return SHARED if os.geteuid() == 0 else Path(platformdirs.user_data_dir("quaestor")) / "sandbox"


def find(chosen: Path | None = None) -> BuiltTree | None:
    """The chosen tree, else this user's, else the shared one."""
    folders = [chosen.parent] if chosen else dict.fromkeys((home(), SHARED))
    for folder in folders:
        tree = chosen or folder / TREE
        if (tree / "usr/bin/python3").exists():
            return BuiltTree(tree, _recipe(folder))
    return None


def record(folder: Path, recipe: str) -> None:
    """Remember what the tree in the folder was made from; written last, so it means finished."""
    (folder / RECORD).write_text(json.dumps({"recipe": recipe}) + "\n", encoding="utf-8")


def forget(folder: Path) -> None:
    """Before a tree is changed: it is unfinished from now on."""
    (folder / RECORD).unlink(missing_ok=True)


def _recipe(folder: Path) -> str:
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((folder / RECORD).read_text(encoding="utf-8"))["recipe"])
    return ""
