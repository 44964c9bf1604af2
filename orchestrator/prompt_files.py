"""Prompts are Markdown files with named ${placeholders} and no logic.

A missing value is an error of the caller, never an empty hole in a prompt.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from string import Template

from orchestrator.canonical import sha256_of

LEAD_PROMPTS = Path(__file__).parent / "prompts"


def render(name: str, *, folder: Path = LEAD_PROMPTS, **values: str) -> str:
    """The text of a prompt file with its placeholders filled."""
    return _template(folder, name).substitute(values).strip()


def prompts_hash(*folders: Path) -> str:
    """One hash over every prompt file of these folders, recorded with each attempt."""
    return sha256_of(
        [
            [path.name, path.read_text(encoding="utf-8")]
            for folder in folders
            for path in sorted(folder.glob("*.md"))
        ]
    )


@cache
def _template(folder: Path, name: str) -> Template:
    return Template((folder / f"{name}.md").read_text(encoding="utf-8"))
