"""Small builders for benchmark results: manifests and rows with only what a test is about."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from orchestrator.models.llm import Usage
from tasks.benchmark.manifest import Manifest, System
from tasks.benchmark.results import Results, complete
from tasks.benchmark.rows import Spent, Times, UnitResult
from tasks.benchmark.scorers.score import Score


def system(name: str = "ours", **more: Any) -> System:
    """A system with a name."""
    return System.model_validate(
        {"name": name, "model": "m-1", "prompts": "f" * 64, "search": "none", **more}
    )


def manifest(tasks: Iterable[str] = ("a", "b"), **more: Any) -> Manifest:
    """A plan over tasks, with levels where a mapping gives them."""
    plan = {"suite": "gaia", "split": "validation", "suite_sha256": "0" * 64,
            "scorers": ("gaia/2023",), "systems": (system(),), "seed": 7,
            "tasks": tasks if isinstance(tasks, dict) else dict.fromkeys(tasks, "")}  # fmt: skip
    return Manifest.model_validate({**plan, **more})


def row(task: str, score: float | Score | None = 1.0, **more: Any) -> UnitResult:
    """A unit that answered and was scored; None: it was not scored."""
    verdict = Score(score=score, why="because") if isinstance(score, float | int) else score
    fields: dict[str, Any] = {
        "unit": f"u-{task}-{more.get('repeat', 1)}-{more.get('system', '')}",
        "task": task,
        "ended": "answered",
        "answer": "x",
        "score": verdict,
        "spent": (Spent(role="lead", model="m-1", usage=Usage(calls=2, prompt_tokens=1000,
                  completion_tokens=50, usd_micros=20_000)),),
        "times": Times(wall=30.0, attempts=30.0, model=20.0, tool=8.0),
    }  # fmt: skip
    return UnitResult.model_validate({**fields, **more})


def results(scores: dict[str, float | None], **more: Any) -> Results:
    """A whole run with one row per task; a task with None never ran."""
    rows = [row(task, score) for task, score in scores.items() if score is not None]
    return complete(manifest(tuple(scores), **more), rows)


def write(folder: Path, found: Results) -> Path:
    """A folder as a runner leaves it: without the rows of units that never ran."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(found.manifest.model_dump_json(), encoding="utf-8")
    lines = [item.model_dump_json() for item in found.rows if item.ended != "not_run"]
    (folder / "units.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def read_json(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
