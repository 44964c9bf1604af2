"""From a suite and settings to the frozen manifest of a run, its batch plan and its units.

What a unit may know is in the plan's source: the part of each case without gold. The places where
benchmarks stand in the open are closed here, unless that is switched off.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from agents.coder import PROMPTS as AGENT_PROMPTS
from orchestrator.canonical import sha256_of
from orchestrator.limits import Limits
from orchestrator.prompt_files import LEAD_PROMPTS, prompts_hash, read_own
from orchestrator.settings import Settings
from tasks.batch.task_file import Tasks
from tasks.batch.values import EngineName, Plan, Planned, interleaved
from tasks.benchmark.cases import Suite
from tasks.benchmark.contamination import BLOCKED
from tasks.benchmark.manifest import Manifest, System, tasks_of, unit_id
from tasks.benchmark.order import Order
from tasks.benchmark.scorers.registry import JUDGED

ALSO: Mapping[str, tuple[str, ...]] = {"gaia/2023": ("gaia/magentic-one",)}
"""Rules that a report shows beside a suite's own."""


def closed(settings: Settings, *, open_answers: bool) -> Settings:
    """The settings with the places closed where benchmarks stand in the open."""
    if open_answers:
        return settings
    places = tuple(dict.fromkeys((*settings.web.closed_places, *BLOCKED)))
    web = settings.web.model_copy(update={"closed_places": places})
    return settings.model_copy(update={"web": web})


def needs_judge(suite: Suite) -> bool:
    """Whether a case of the suite is judged by a model."""
    return any(case.scorer in JUDGED for case in suite.cases)


def manifest_of(
    suite: Suite, order: Order, systems: Mapping[str, Settings], *, repeats: int, parallel: int
) -> Manifest:
    """The configuration as it is now: of the suite, the systems and this version."""
    scorers = tuple(sorted({case.scorer for case in suite.cases}))
    also = dict.fromkeys(name for scorer in scorers for name in ALSO.get(scorer, ()))
    grader = order.grader if needs_judge(suite) else ""
    return Manifest(
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        suite=suite.name,
        split=suite.split,
        suite_sha256=suite.sha256,
        scorers=scorers,
        also=tuple(also),
        systems=tuple(_system(name, one, grader) for name, one in systems.items()),
        repeats=repeats,
        tasks=tasks_of(suite),
        left_out=len(suite.left_out),
        seed=order.seed,
        parallel=parallel,
        prices_dated=_prices_dated(),
        versions={
            "quaestor": metadata.version("quaestor"),
            "program": program_sha256()[:16],
            "python": platform.python_version(),
        },
    )


def plan_of(
    manifest: Manifest,
    suite: Suite,
    systems: Mapping[str, Settings],
    *,
    place: Path,
    limits: Limits,
    wall_s: float,
    engine: EngineName,
) -> Plan:
    """The row of the batch that runs the units."""
    return Plan(
        tasks=place,
        tasks_sha256=suite.sha256,
        systems={name: settings.recorded() for name, settings in systems.items()},
        repeats=manifest.repeats,
        parallel=manifest.parallel,
        limits=limits,
        wall_s=wall_s,
        engine=engine,
        kind="bench",
    )


def planned_of(manifest: Manifest) -> list[Planned]:
    """Every unit: the first repeat of every task first."""
    systems = {system.name: system for system in manifest.systems}
    return interleaved(
        dict.fromkeys(manifest.tasks, 0),
        systems,
        manifest.repeats,
        lambda task, system, repeat: unit_id(manifest, systems[system], task, repeat),
    )


def tasks_in(suite: Suite, place: Path) -> Tasks:
    """The suite's cases as a batch knows tasks."""
    cases = {case.id: case for case in suite.cases}
    return Tasks(place, suite.sha256, cases, dict.fromkeys(cases, 0))


def program_sha256() -> str:
    """One hash over the program that runs: two working copies may have the same version."""
    root = Path(__file__).parents[2]
    packages = [root / name for name in ("orchestrator", "agents", "sandbox", "tasks")]
    files = sorted(file for package in packages for file in package.rglob("*.py"))
    return sha256_of([[str(file.relative_to(root)), file.read_text("utf-8")] for file in files])


def _system(name: str, settings: Settings, grader: str) -> System:
    own = read_own(settings.prompts, LEAD_PROMPTS, AGENT_PROMPTS)
    return System(
        name=name,
        model=settings.models.name or "demo",
        lead_model=settings.models.lead or "",
        grader=grader,
        prompts=prompts_hash(LEAD_PROMPTS, AGENT_PROMPTS, own=own),
        search=settings.web.search if settings.web.enabled else "none",
        limits=settings.limits,
        settings=settings.recorded(),
    )


def _prices_dated() -> str:
    return f"genai-prices {metadata.version('genai-prices')}"
