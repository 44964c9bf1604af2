"""Reads one `quaestor.toml` into values with their line. Unknown keys are errors.

The keys mirror `orchestrator/settings.py`; limits are spelled as on the command line. Knows
nothing of trust and of which file wins.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from orchestrator.errors import UsageError
from orchestrator.limits import Limits, parse_limits
from orchestrator.settings import AgentSettings, ProviderSettings, SecretSettings, Settings

FILE_NAME = "quaestor.toml"
LIMITS = ("rounds", "calls", "tokens", "usd", "time", "stalls", "replans")
NOT_IN_FILES = {"demo", "home", "limits", "agents", "providers", "secrets", "tools"}
NAMED: Mapping[str, type[BaseModel]] = {
    "agents": AgentSettings,
    "providers": ProviderSettings,
    "secrets": SecretSettings,
}
TOOL_KEYS = {"use", "class"}


@dataclass(frozen=True, slots=True)
class Given:
    """A value that somebody gave, under its dotted key, with where that was."""

    key: str
    value: Any
    origin: str

    def lower(self, limits: Limits) -> Limits:
        """The limits with this one in place. Raises UsageError naming the origin."""
        name = self.key.removeprefix("limits.")
        try:
            return parse_limits(f"{name}={self.value}", limits)
        except UsageError as error:
            raise UsageError(f"{self.origin}: {error.message}", fix=error.fix) from error


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that was read, with the exact bytes that were read."""

    path: Path
    content: bytes
    given: tuple[Given, ...]


def read_config(path: Path | None) -> ConfigFile | None:
    """Read a file if it is there. Raises UsageError with the line of what is wrong."""
    if path is None or not path.is_file():
        return None
    try:
        content = path.read_bytes()
        table = tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is not valid TOML: {error}", fix="correct that line") from error
    text = content.decode("utf-8")
    given = tuple(_read(path, text, key, value) for key, value in _leaves(table))
    return ConfigFile(path, content, given)


@cache
def known_keys() -> tuple[str, ...]:
    """Every key that a file may hold, but for the names of agents and providers."""
    keys = [f"limits.{name}" for name in LIMITS]
    for name, about in Settings.model_fields.items():
        fields = getattr(about.annotation, "model_fields", None)
        if name in NOT_IN_FILES:
            continue
        keys += [f"{name}.{inner}" for inner in fields] if fields else [name]
    named = [f"{section}.NAME.{name}" for section, s in NAMED.items() for name in s.model_fields]
    return (*keys, "tools.add", *named)


def is_known(key: str) -> bool:
    """Whether a key means something."""
    return re.sub(rf"^({'|'.join(NAMED)})\.[^.]+\.", r"\1.NAME.", key) in known_keys()


def _leaves(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        key = f"{before}{name}"
        if isinstance(value, dict):
            yield from _leaves(value, f"{key}.")
            if not value and "." not in key and not _is_section(key):
                yield key, value
        else:
            yield key, value


def _is_section(name: str) -> bool:
    return any(key.startswith(f"{name}.") for key in known_keys())


def _read(path: Path, text: str, key: str, value: Any) -> Given:
    origin = f"{path}:{_line(text, key)}"
    if not is_known(key):
        raise UsageError(f'{origin}: unknown key "{key}".{_suggestion(key)}')
    if key == "tools.add":
        value = [_tool(entry, origin) for entry in value] if isinstance(value, list) else value
    if key == "out" and isinstance(value, str):
        value = str(path.parent / Path(value).expanduser())
    return Given(key, value, origin)


def _tool(entry: Any, origin: str) -> dict[str, Any]:
    """`"pkg:fn"` or `{use = "pkg:fn", class = "read"}` as ToolSettings takes it."""
    if isinstance(entry, str):
        return {"use": entry}
    if isinstance(entry, dict) and "use" in entry and set(entry) <= TOOL_KEYS:
        named = {"risk": entry["class"]} if "class" in entry else {}
        return {"use": entry["use"], **named}
    raise UsageError(
        f"{origin}: a tool is not understood: {entry!r}",
        fix='write "package.module:function" or {use = "package.module:function", class = "read"}',
    )


def _suggestion(key: str) -> str:
    close = difflib.get_close_matches(key, known_keys(), n=1, cutoff=0.7)
    if close:
        return f' Did you mean "{close[0]}"?'
    section = key.split(".")[0]
    siblings = [known for known in known_keys() if known.startswith(f"{section}.")]
    listed = siblings or [known for known in known_keys() if "." not in known]
    return f" The keys here are {', '.join(listed)}."


def _line(text: str, key: str) -> int:
    """The line that gives a key; the parser does not tell, so the text is searched."""
    section, wanted = "", key.split(".")
    best = 1
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if header:
            section = header[1].replace('"', "") + "."
        name = re.match(r"\s*([\w.\"-]+)\s*=", line)
        full = section + name[1].replace('"', "") if name else section.rstrip(".")
        if name and full == key:
            return number
        if full and wanted[: len(full.split("."))] == full.split("."):
            best = number
    return best
