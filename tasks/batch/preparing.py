"""From a command's settings and a file of tasks to a plan and its source.

A unit's process has a home of its own, so whatever settings find by way of a home folder (key
files, keyrings, key commands, the browser, the engine) is resolved here, before it starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.canonical import sha256_of
from orchestrator.errors import UsageError
from orchestrator.limits import Limits
from orchestrator.settings import KeySettings, Settings
from tasks.batch.port import Job
from tasks.batch.task_file import Tasks, read_tasks
from tasks.batch.values import EngineName, Plan, Planned, Source, interleaved
from tasks.benchmark.cases import Assigned
from tasks.endpoints import OWN_VARIABLE
from tasks.keys import configured_key

NOT_PASSED_ON = ("PWD", "OLDPWD", "_", "HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
NO_KEY: Mapping[str, Any] = {
    "api_key_env": None, "api_key_file": None, "api_key_command": None, "api_key_keyring": None,
}  # fmt: skip
BATCH_LIMITS = Limits(rounds=None, calls=None)


def plan_of(
    tasks: Tasks,
    systems: Mapping[str, Settings],
    *,
    repeats: int,
    parallel: int,
    limits: Limits,
    wall_s: float,
    engine: EngineName = "local",
) -> Plan:
    """The plan that a batch's row keeps."""
    return Plan(
        tasks=tasks.path,
        tasks_sha256=tasks.sha256,
        systems={name: settings.recorded() for name, settings in systems.items()},
        repeats=repeats,
        parallel=parallel,
        limits=limits,
        wall_s=wall_s,
        engine=engine,
    )


def planned_of(tasks: Tasks, plan: Plan) -> list[Planned]:
    """Every unit of a plan, in the order in which they start."""
    return interleaved(tasks.priorities, plan.systems, plan.repeats, unit_name)


def unit_name(task: str, system: str, repeat: int) -> str:
    """A unit's id: it says nothing about the task."""
    return sha256_of(["unit", task, system, repeat])[:16]


def tasks_of(plan: Plan) -> Tasks:
    """The tasks of a plan, from their file. Raises UsageError when it is not what it was."""
    if plan.kind == "bench":
        raise UsageError(
            "this batch belongs to a benchmark run",
            fix="quaestor bench resume, quaestor bench score or quaestor bench report",
        )
    if plan.kind == "cases":
        raise UsageError(
            "this batch belongs to forensics cases",
            fix=f"quaestor forensics resume {plan.tasks}",
        )
    tasks = read_tasks(plan.tasks)
    if tasks.sha256 != plan.tasks_sha256:
        raise UsageError(
            f"{plan.tasks} has changed since the batch began",
            fix="put the old file back, or start another batch",
        )
    return tasks


def systems_by_model(settings: Settings, models: Sequence[str]) -> dict[str, Settings]:
    """The settings of each system: one per model, the configured one when none is named."""
    if not models:
        return {settings.models.name or "demo": settings}
    if len(set(models)) < len(models):
        raise UsageError("the same model is given twice")
    return {
        name: settings.model_copy(
            update={"models": settings.models.model_copy(update={"name": name})}
        )
        for name in models
    }


def settings_of(plan: Plan, home: Path, journal_url: str | None) -> dict[str, Settings]:
    """The systems of a plan, with this machine's places."""
    places = {"home": home, "journal_url": journal_url}
    return {name: Settings.model_validate({**one, **places}) for name, one in plan.systems.items()}


def source_of(
    tasks: Mapping[str, Assigned],
    systems: Mapping[str, Settings],
    environ: Mapping[str, str],
    job: Job = "task",
) -> Source:
    """What units are handed. Raises NotReady for a key that cannot be read."""
    passed = {
        name: value
        for name, value in environ.items()
        if not name.startswith("QUAESTOR_") and name not in NOT_PASSED_ON
    }
    if OWN_VARIABLE in environ:
        passed[OWN_VARIABLE] = environ[OWN_VARIABLE]
    passed |= _places(environ)
    homeless = {name: _without_home(one, environ, passed) for name, one in systems.items()}
    return Source(tasks, homeless, passed, job)


def _places(environ: Mapping[str, str]) -> dict[str, str]:
    """Where things of the real home are, by the names that their readers know."""
    home = Path.home()
    known = {
        "PLAYWRIGHT_BROWSERS_PATH": home / ".cache" / "ms-playwright",
        "XDG_DATA_HOME": home / ".local" / "share",
        "DOCKER_CONFIG": home / ".docker",
    }
    return {name: environ.get(name) or str(place) for name, place in known.items()}


def _without_home(
    settings: Settings, environ: Mapping[str, str], passed: dict[str, str]
) -> Settings:
    """The same with keys in the environment, wherever they came from."""
    models = _keyed(settings.models, OWN_VARIABLE, environ, passed)
    providers = {
        name: _keyed(one, f"QUAESTOR_KEY_OF_{name.upper()}", environ, passed)
        for name, one in settings.providers.items()
    }
    secrets = {
        name: one.model_copy(update={"file": str(Path(one.file).expanduser())}) if one.file else one
        for name, one in settings.secrets.items()
    }
    update = {"models": models, "providers": providers, "secrets": secrets}
    return settings.model_copy(update=update)


def _keyed(
    keys: Any, variable: str, environ: Mapping[str, str], passed: dict[str, str]
) -> KeySettings:
    key = configured_key(keys, environ)
    if key is None or key.value is None or keys.api_key_env:
        kept: KeySettings = keys
        return kept
    passed[variable] = key.value
    named: KeySettings = keys.model_copy(update={**NO_KEY, "api_key_env": variable})
    return named
