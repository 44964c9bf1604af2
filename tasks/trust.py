"""What a project's `quaestor.toml` may decide, since a cloned repository is not trusted.

It may lower limits, switch agents and the web off, name plain models and an output folder of
its own. Anything else counts once the user has trusted this very content, by its hash.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from orchestrator.canonical import sha256_bytes
from orchestrator.errors import UsageError
from orchestrator.limits import Limits
from orchestrator.models.presets import PRESETS
from tasks.config_file import ConfigFile, Given

REMEMBERED = "trusted.json"
PLAIN_NAME = re.compile(r"[A-Za-z0-9][\w.:/@+-]{0,120}")


def check_project(file: ConfigFile, below: Limits, home: Path, *, accept: bool) -> None:
    """Raise UsageError naming every key that needs trust; `accept` trusts and remembers."""
    refused = untrusted(file, below)
    if not refused or is_trusted(file, home):
        return
    if accept:
        remember(file, home)
        return
    keys = "; ".join(refused)
    raise UsageError(
        f"{file.path} is a project's file and not trusted with: {keys}",
        fix="read the file, then run once with --trust-project, or move the keys to your own "
        "configuration (quaestor config path)",
    )


def untrusted(file: ConfigFile, below: Limits) -> list[str]:
    """The keys of a file that a stranger may not set, each with its reason."""
    found = []
    for given in file.given:
        reason = _objection(given, below, file.path.parent)
        if reason is not None:
            line = given.origin.rpartition(":")[2]
            found.append(f"{given.key} (line {line}{': ' if reason else ''}{reason})")
    return found


def is_trusted(file: ConfigFile, home: Path) -> bool:
    """Whether the user has trusted exactly these bytes."""
    return sha256_bytes(file.content) in _remembered(home)


def remember(file: ConfigFile, home: Path) -> None:
    """Trust these bytes from now on."""
    known = {**_remembered(home), sha256_bytes(file.content): str(file.path.absolute())}
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = home / f".{REMEMBERED}"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        draft.replace(home / REMEMBERED)
    except OSError as error:
        raise UsageError(f"the trust cannot be remembered in {home}: {error.strerror}") from error


def _objection(given: Given, below: Limits, folder: Path) -> str | None:
    """Why this value needs trust ("" when it always does), or None when it does not."""
    match given.key.split("."):
        case ["limits", _]:
            return _raised(given, below)
        case ["agents", _, "enabled"] | ["web", "enabled"]:
            return None if given.value is False else "may only be false"
        case ["models", "name" | "lead"]:
            return None if _is_plain(given.value) else "not a plain name"
        case ["out"]:
            return None if _inside(given.value, folder) else "outside of the project"
        case _:
            return ""


def _is_plain(name: Any) -> bool:
    """A model of the endpoint that the user has chosen: another provider sees prompts and files."""
    if not isinstance(name, str):
        return False
    models = name.split(",")
    return all(
        PLAIN_NAME.fullmatch(model) and model.partition(":")[0] not in PRESETS for model in models
    )


def _raised(given: Given, below: Limits) -> str | None:
    after = given.lower(below).model_dump()
    for name, before in below.model_dump().items():
        if after[name] != before and before is not None and after[name] > before:
            return f"may only be lowered, and {given.value} is above the limit in force"
    return None


def _inside(value: Any, folder: Path) -> bool:
    root = folder.resolve()
    target = Path(str(value)).resolve()
    return target != root and target.is_relative_to(root) and ".git" not in target.parts


def _remembered(home: Path) -> dict[str, str]:
    try:
        known = json.loads((home / REMEMBERED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
