"""What a benchmark run was asked for, and the folder that keeps it.

A folder per run below `bench` in the home: `order.json` (which suite, which of its cases), the
frozen `manifest.json`, and, once there are scores, `units.jsonl`. Gold is in none of them before
the last unit has ended. Knows files, not how units are run.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from orchestrator.errors import UsageError
from orchestrator.models.llm import Frozen
from tasks.benchmark.cases import Case, Suite
from tasks.benchmark.manifest import Manifest

M = TypeVar("M", bound=Frozen)
SEED = 20_231_123


class Order(Frozen):
    """Which cases of which suite. `suite` is as `KIND:PATH` or a path, made absolute; `sample` so
    many cases chosen by the seed; `scorer` replaces that of the cases; `grader` names the judge.
    `again` is set for a run that replays recorded runs in place of running them."""

    suite: str
    split: str = "validation"
    levels: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    sample: int | None = None
    seed: int = SEED
    scorer: str = ""
    grader: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of a benchmark run."""

    folder: Path

    @property
    def run(self) -> str:
        """The run's id."""
        return self.folder.name

    def order(self) -> Order:
        """What was asked for. Raises UsageError when the folder is damaged."""
        return _read(self.folder / "order.json", Order)

    def manifest(self) -> Manifest:
        """The frozen configuration. Raises UsageError when the folder is damaged."""
        return _read(self.folder / "manifest.json", Manifest)

    def forget_scores(self) -> None:
        """Remove what holds gold, before units run again."""
        for name in ("units.jsonl", "report.json", "report.md", "report.html"):
            (self.folder / name).unlink(missing_ok=True)

    def write(self, order: Order, manifest: Manifest) -> None:
        """Keep both, before the first unit starts."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, value in (("order.json", order), ("manifest.json", manifest)):
            (self.folder / name).write_text(value.model_dump_json(indent=1), encoding="utf-8")


def place_of(home: Path, run: str) -> Place:
    """Where a run is kept."""
    return Place(home / "bench" / run)


def find_place(home: Path, prefix: str) -> Place:
    """The one run whose id starts so; `last` is the newest. Raises UsageError."""
    known = sorted((home / "bench").glob("*/manifest.json"), key=lambda file: file.stat().st_mtime)
    runs = [file.parent for file in known]
    fitting = [run for run in runs if run.name.startswith(prefix)]
    found = runs[-1:] if prefix == "last" else fitting
    if len(found) != 1:
        what = f"{prefix!r} fits several runs" if found else f"there is no benchmark run {prefix!r}"
        names = ", ".join(run.name for run in runs[-10:]) or "none yet: quaestor bench run SUITE"
        raise UsageError(what, fix=f"a folder of results, or one of {names}")
    return Place(found[0])


def narrowed(suite: Suite, order: Order) -> Suite:
    """The cases that were asked for, in the suite's order, with a hash of their own. Another scorer
    does not change it: it is about what units are handed and what is right."""
    missing = sorted(set(order.only) - {case.id for case in suite.cases})
    if missing:
        raise UsageError(f"the suite has no case {', '.join(missing)}")
    cases = [case for case in suite.cases if not order.only or case.id in order.only]
    cases = _sampled(cases, order)
    if len(cases) < len(suite.cases):
        suite = suite.model_copy(update={"cases": tuple(cases)}).with_hash()
    if not order.scorer:
        return suite
    changed = [case.model_copy(update={"scorer": order.scorer}) for case in suite.cases]
    return suite.model_copy(update={"cases": tuple(changed)})


def _sampled(cases: Sequence[Case], order: Order) -> list[Case]:
    if order.sample is None or order.sample >= len(cases):
        return list(cases)
    chosen = random.Random(order.seed).sample(range(len(cases)), order.sample)
    return [cases[place] for place in sorted(chosen)]


def _read(file: Path, model: type[M]) -> M:
    try:
        return model.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise UsageError(
            f"{file} cannot be read: {error}", fix="start the benchmark again"
        ) from error
