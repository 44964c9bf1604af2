"""Opens a suite by kind and place, checks all of it, and only then hands it over.

`kind:PATH` names both (`gaia:data/GAIA`); a bare path is a suite of one's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.errors import UsageError
from sandbox.base import Box
from tasks.benchmark.cases import Case, LeftOut, Suite
from tasks.benchmark.suites import assistantbench, gaia
from tasks.benchmark.suites.humaneval import humaneval_cases
from tasks.benchmark.suites.own import own_cases
from tasks.benchmark.suites.parquet import parquet_rows
from tasks.benchmark.suites.reading import Faults, Row, distinct, read_rows
from tasks.benchmark.suites.simpleqa import simpleqa_cases
from tasks.benchmark.suites.webarena import webarena_cases

KINDS = ("gaia", "assistantbench", "humaneval", "simpleqa", "webarena", "own")


class OpensBox(Protocol):
    """Opens a box when one is needed: only Parquet files need it."""

    def __call__(self) -> AbstractAsyncContextManager[Box]:
        """A fresh box."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which suite. `levels` and `split` narrow it where the benchmark has them."""

    kind: str
    place: Path
    split: str = "validation"
    levels: frozenset[str] = frozenset()


def wanted_from(text: str, split: str = "validation", levels: Iterable[str] = ()) -> Wanted:
    """Read `kind:PATH` or a bare path. Raises UsageError."""
    head, colon, rest = text.partition(":")
    kind, place = (head, rest) if colon and head in KINDS else ("own", text)
    path = Path(place).expanduser()
    if not path.exists():
        raise UsageError(f"there is no {place!r}", fix=f"PATH or KIND:PATH; {', '.join(KINDS)}")
    return Wanted(kind, path, split, frozenset(levels))


async def load_suite(wanted: Wanted, open_box: OpensBox) -> Suite:
    """The suite with its hash. Raises UsageError that names every fault."""
    faults, left_out = Faults(), list[LeftOut]()
    file = _file(wanted)
    if file.suffix == ".parquet":
        async with open_box() as box:
            rows = await parquet_rows(file, box)
    else:
        rows = read_rows(file, faults)
    cases = distinct(_cases(wanted, rows, file.parent, faults, left_out), faults)
    if not cases and not faults.found:
        faults.add(file.name, 0, "", "it holds no case")
    faults.check(f"the suite {wanted.place}")
    has_splits = wanted.kind in ("gaia", "assistantbench")
    suite = Suite(
        name=wanted.kind if wanted.kind != "own" else file.name,
        split=wanted.split if has_splits else "",
        cases=cases,
        left_out=tuple(left_out),
    )
    return suite.with_hash()


def _file(wanted: Wanted) -> Path:
    if wanted.kind == "gaia":
        return gaia.metadata_file(wanted.place, wanted.split)
    if wanted.kind == "assistantbench":
        return assistantbench.data_file(wanted.place, wanted.split)
    return wanted.place


def _cases(
    wanted: Wanted, rows: list[Row], folder: Path, faults: Faults, left_out: list[LeftOut]
) -> Iterable[tuple[Row, Case]]:
    match wanted.kind:
        case "gaia":
            return gaia.gaia_cases(rows, folder, faults, wanted.levels)
        case "assistantbench":
            return assistantbench.assistantbench_cases(rows, faults)
        case "humaneval":
            return humaneval_cases(rows, faults)
        case "simpleqa":
            return simpleqa_cases(rows, faults)
        case "webarena":
            return webarena_cases(rows, faults, left_out)
        case _:
            return own_cases(rows, folder, faults)
