"""Prompts are Markdown files with named ${placeholders} and no logic.

A missing value is an error of the caller, never an empty hole in a prompt. A run may bring texts
of its own for some of them (`--prompts DIR`); they are part of its task, so that a resume and a
replay use the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from string import Template

from orchestrator.canonical import sha256_of
from orchestrator.errors import UsageError

LEAD_PROMPTS = Path(__file__).parent / "prompts"
HASH_DIGITS = 16
NONE: Mapping[str, str] = {}
own_texts: ContextVar[Mapping[str, str]] = ContextVar("own_texts", default=NONE)
"""The texts that the run at work brings, by the name of the file that they take the place of."""


def render(name: str, *, folder: Path = LEAD_PROMPTS, **values: str) -> str:
    """The text of a prompt with its placeholders filled."""
    own = own_texts.get().get(name)
    template = _template(folder, name) if own is None else Template(own)
    return template.substitute(values).strip()


def read_own(folder: Path | None, *shipped: Path) -> dict[str, str]:
    """The texts of a folder whose files are named like shipped prompts. Raises UsageError for an
    unknown name, a placeholder that is missing, and one that means nothing."""
    if folder is None:
        return {}
    if not folder.is_dir():
        raise UsageError(f"the prompts folder {folder} is not there", fix="correct --prompts")
    known = {path.stem: path for place in shipped for path in sorted(place.glob("*.md"))}
    found = {path.stem: path for path in sorted(folder.glob("*.md"))}
    for name in found.keys() - known.keys():
        raise UsageError(
            f"{found[name]}: there is no prompt of this name",
            fix=f"the prompts are {', '.join(f'{known_name}.md' for known_name in known)}",
        )
    texts = {name: _text(path) for name, path in found.items()}
    for name, text in texts.items():
        _check(found[name], Template(text), Template(_text(known[name])))
    return texts


def prompt_hashes(*folders: Path, own: Mapping[str, str] = NONE) -> dict[str, str]:
    """A hash of each prompt of these folders as a run uses it, recorded with each attempt."""
    return {
        path.name: sha256_of(own.get(path.stem, _text(path)))[:HASH_DIGITS]
        for folder in folders
        for path in sorted(folder.glob("*.md"))
    }


def prompts_hash(*folders: Path, own: Mapping[str, str] = NONE) -> str:
    """One hash over all of them."""
    return sha256_of(prompt_hashes(*folders, own=own))


def _check(path: Path, given: Template, shipped: Template) -> None:
    if not given.is_valid():
        raise UsageError(f"{path}: a $ stands alone", fix="write $$ for a dollar sign")
    wanted, there = set(shipped.get_identifiers()), set(given.get_identifiers())
    for name in sorted(wanted - there):
        raise UsageError(f"{path}: the placeholder ${{{name}}} is missing", fix="put it in")
    for name in sorted(there - wanted):
        raise UsageError(
            f"{path}: the placeholder ${{{name}}} means nothing here",
            fix=f"the placeholders are {', '.join(sorted(wanted)) or 'none'}; $$ is a dollar sign",
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the prompt {path} cannot be read: {error}") from error


@cache
def _template(folder: Path, name: str) -> Template:
    return Template((folder / f"{name}.md").read_text(encoding="utf-8"))
