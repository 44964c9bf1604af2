"""The frozen configuration of a benchmark run: what every row of it has in common.

Written before the first unit. Going on with another configuration would mix two runs into one
figure: it is refused, and `--fork` starts a run of its own. More repeats only extend a run.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from orchestrator.canonical import sha256_of
from orchestrator.errors import UsageError
from orchestrator.limits import Limits
from orchestrator.models.llm import Frozen
from tasks.benchmark.cases import Suite

SCHEMA = 1
EXTENDS = frozenset({"repeats"})
NOT_COMPARED = frozenset({"run", "created", "parallel"})
PAGE_SEARCH = "duckduckgo"
PAGE_SEARCH_UNITS = 20


class System(Frozen):
    """What is tested: everything that may change a score."""

    name: str
    model: str
    lead_model: str = ""
    grader: str = ""
    prompts: str = Field(description="the hash of every prompt file")
    search: str = Field(description="the search provider, or none")
    limits: Limits = Limits()
    settings: dict[str, Any] = Field(default_factory=dict)


class Manifest(Frozen):
    """A benchmark run as it was planned. `tasks` lists every planned task with its level."""

    schema_version: int = SCHEMA
    run: str = ""
    created: str = ""
    suite: str
    split: str = ""
    suite_sha256: str
    scorers: tuple[str, ...]
    also: tuple[str, ...] = ()
    systems: tuple[System, ...]
    repeats: int = Field(default=1, ge=1)
    tasks: dict[str, str]
    left_out: int = 0
    seed: int = 0
    parallel: int = Field(default=1, ge=1)
    prices_dated: str = ""
    versions: dict[str, str] = Field(default_factory=dict)

    @property
    def planned(self) -> int:
        """How many units there are: the denominator, whatever happens."""
        return len(self.tasks) * self.repeats * len(self.systems)

    def sha256(self) -> str:
        """One hash over what the figures depend on."""
        return sha256_of(self.model_dump(mode="json", exclude=set(NOT_COMPARED)))


def unit_id(manifest: Manifest, system: System, task: str, repeat: int) -> str:
    """A unit's name: the same task, system and repeat of the same suite have the same one."""
    parts = [manifest.suite_sha256, system.model_dump(mode="json"), task, repeat]
    return sha256_of(parts)[:16]


def differences(old: Manifest, new: Manifest) -> tuple[str, ...]:
    """What differs between two configurations, as lines for people."""
    left = old.model_dump(mode="json", exclude=set(NOT_COMPARED))
    right = new.model_dump(mode="json", exclude=set(NOT_COMPARED))
    return tuple(_differing(left, right, ""))


def check_resume(old: Manifest, new: Manifest) -> None:
    """Raise UsageError unless `new` is the same configuration, or the same with more repeats."""
    found = [line for line in differences(old, new) if line.partition(":")[0] not in EXTENDS]
    if new.repeats < old.repeats:
        found.append(f"repeats: {old.repeats} before, {new.repeats} now")
    if found:
        raise UsageError(
            "this run was begun with another configuration:\n  " + "\n  ".join(found),
            fix="go on with the old one, or start a run of its own: --fork",
        )


def check_search(provider: str, units: int, *, force: bool = False) -> None:
    """Refuse a search page without a key for many units: it answers with CAPTCHAs soon."""
    if provider == PAGE_SEARCH and units > PAGE_SEARCH_UNITS and not force:
        raise UsageError(
            f"{units} units would search through DuckDuckGo's page, which refuses robots after "
            f"some {PAGE_SEARCH_UNITS}",
            fix="configure SearXNG, Brave or Tavily, or insist with --force",
        )


def tasks_of(suite: Suite) -> dict[str, str]:
    """The planned tasks of a suite with their levels."""
    return {case.id: case.level for case in suite.cases}


def _differing(left: Any, right: Any, path: str) -> list[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        names = sorted({*left, *right})
        if path == "tasks":
            same = left == right
            return [] if same else [f"tasks: {len(left)} before, {len(right)} now, or other ones"]
        return [
            line
            for name in names
            for line in _differing(
                left.get(name), right.get(name), f"{path}.{name}" if path else name
            )
        ]
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        return [
            line
            for place, pair in enumerate(zip(left, right, strict=True))
            for line in _differing(*pair, f"{path}.{place}")
        ]
    return [] if left == right else [f"{path}: {left!r} before, {right!r} now"]
