"""Where the root tree of the box lives on this machine, and which recipe it was made from."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

SHARED = Path("/var/lib/quaestor/sandbox")
"""Where root builds: readable by every user, unlike root's own folders."""
TREE = "tree"
SIGNATURE = "etc/quaestor-recipe"


def home() -> Path:
    """The folder that a build of this user writes to."""
    return SHARED if os.geteuid() == 0 else Path(platformdirs.user_data_dir("quaestor")) / "sandbox"


def find(chosen: Path | None = None) -> Path | None:
    """The chosen tree, else this user's, else the shared one; only a finished one counts."""
    places = [chosen] if chosen else [folder / TREE for folder in (home(), SHARED)]
    return next((place for place in places if recipe_of(place)), None)


def sign(tree: Path, recipe: str) -> None:
    """Write down what a tree was made from. The last step: a tree without it is unfinished."""
    (tree / SIGNATURE).write_text(f"{recipe}\n", encoding="ascii")


def recipe_of(tree: Path) -> str:
    """The recipe that a tree was made from, or "" when there is none."""
    try:
        return (tree / SIGNATURE).read_text(encoding="ascii").strip()
    except OSError:
        return ""
