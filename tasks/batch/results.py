"""The results of a batch: its rows, scored by who holds the gold, in the benchmark's format.

Scores are made when they are asked for and never stored: what is in the database, a unit's
process could read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from agents.coder import PROMPTS as AGENT_PROMPTS
from orchestrator.prompt_files import LEAD_PROMPTS, prompts_hash, read_own
from orchestrator.settings import Settings
from tasks.batch.store import Batch
from tasks.batch.task_file import Tasks
from tasks.batch.values import Unit
from tasks.benchmark.cases import Case
from tasks.benchmark.manifest import Manifest, System
from tasks.benchmark.rows import UnitResult
from tasks.benchmark.scorers.registry import PURE
from tasks.output import make_folder


def results_of(units: Sequence[Unit], cases: Mapping[str, Case]) -> Iterator[UnitResult]:
    """A row for every unit, whatever became of it."""
    for unit in units:
        yield scored(result_of(unit), cases[unit.task])


def result_of(unit: Unit) -> UnitResult:
    """The row of a unit as its process left it, without a score."""
    if unit.result is not None:
        return UnitResult.model_validate_json(unit.result)
    return UnitResult(
        unit=unit.unit,
        task=unit.task,
        repeat=unit.repeat,
        system=unit.system,
        ended="cancelled" if unit.attempt and unit.outcome == "cancelled" else "not_run",
        attempts=unit.attempt,
        run=unit.run,
    )


def scored(result: UnitResult, case: Case) -> UnitResult:
    """The same with level, tags and, where there is gold, a score."""
    known = {"level": case.level, "tags": case.tags}
    if case.gold is None or result.ended == "not_run":
        return result.model_copy(update=known)
    score = PURE[case.scorer](result.answer, case.gold)
    return result.model_copy(update={**known, "score": score})


def manifest_of(batch: Batch, tasks: Tasks) -> Manifest:
    """The batch as a benchmark's run, so that reports and comparisons read it."""
    plan = batch.plan
    return Manifest(
        run=batch.batch,
        created=batch.created,
        suite=tasks.path.name,
        suite_sha256=tasks.sha256,
        scorers=tuple(sorted({case.scorer for case in tasks.cases.values()})),
        systems=tuple(_system(name, one) for name, one in plan.systems.items()),
        repeats=plan.repeats,
        tasks={name: case.level for name, case in tasks.cases.items()},
        parallel=plan.parallel,
        versions={"quaestor": metadata.version("quaestor")},
    )


def write_results(folder: Path, manifest: Manifest, results: Sequence[UnitResult]) -> None:
    """Write manifest.json and units.jsonl, as `quaestor bench report` reads them."""
    make_folder(folder)
    lines = "".join(f"{result.model_dump_json()}\n" for result in results)
    (folder / "units.jsonl").write_text(lines, encoding="utf-8")
    text = manifest.model_dump_json(indent=1)
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def _system(name: str, recorded: Mapping[str, object]) -> System:
    settings = Settings.model_validate(recorded)
    own = read_own(settings.prompts, LEAD_PROMPTS, AGENT_PROMPTS)
    return System(
        name=name,
        model=settings.models.name or "demo",
        lead_model=settings.models.lead or "",
        prompts=prompts_hash(LEAD_PROMPTS, AGENT_PROMPTS, own=own),
        search=settings.web.search if settings.web.enabled else "none",
        limits=settings.limits,
        settings=dict(recorded),
    )
