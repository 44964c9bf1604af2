"""Carries the cases of a manifest on the batch runner: a unit per case, a row in SQL for each.

Which units there are, what their processes are handed, and what an attempt has left. The row of a
batch is found again by its manifest and its results folder. Two processes never work in one folder.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator import events as ev
from orchestrator.canonical import sha256_bytes
from orchestrator.errors import UsageError
from orchestrator.journal import Journal, Record
from orchestrator.limits import Limits
from orchestrator.settings import Settings
from tasks.batch import store as rows
from tasks.batch.measuring import seen_of
from tasks.batch.preparing import unit_name
from tasks.batch.rules import Seen
from tasks.batch.values import EngineName, Plan, Planned, Unit
from tasks.benchmark.cases import Assigned
from tasks.benchmark.rows import UnitResult
from tasks.forensics.batch_file import Batch, read_batch
from tasks.forensics.folder import Folder, State
from tasks.forensics.manifest import Case
from tasks.forensics.unit import CaseOrder

SYSTEM = "team"
FINISHED = ("done", "purged")
MANY = 100_000


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a batch is carried. `limits` are of the batch as a whole."""

    parallel: int
    limits: Limits
    wall_s: float
    engine: EngineName = "local"


def plan_of_cases(batch: Batch, results: Path, settings: Settings, terms: Terms) -> Plan:
    """The plan that the batch's row keeps."""
    return Plan(
        tasks=batch.file.resolve(),
        tasks_sha256=sha256_bytes(batch.file.read_bytes()),
        systems={SYSTEM: settings.recorded()},
        parallel=terms.parallel,
        limits=terms.limits,
        wall_s=terms.wall_s,
        engine=terms.engine,
        kind="cases",
        results=results,
    )


def find_row(store: rows.Store, manifest: Path, results: Path) -> rows.Batch | None:
    """The row of a manifest's batch with these results, or None before there is one."""
    place = (manifest.resolve(), results)
    for found in store.newest(MANY):
        if found.plan.kind == "cases" and (found.plan.tasks, found.plan.results) == place:
            return found
    return None


@dataclass(slots=True)
class Cases(Mapping[str, Assigned]):
    """What each process is handed, by the case's id. A case that is not known was added to the
    manifest while the batch is carried."""

    batch: Batch
    results: Path
    known: dict[str, Case] = field(default_factory=dict)

    def __getitem__(self, case_id: str) -> Assigned:
        if case_id not in self.known:
            self.known |= {case.case_id: case for case in self._cases()}
        case = self.known[case_id]
        order = CaseOrder(manifest=self.batch.file.resolve(), results=self.results, case=case)
        return Assigned(id=case_id, text=order.model_dump_json())

    def __iter__(self) -> Iterator[str]:
        return (case.case_id for case in self.batch.cases)

    def __len__(self) -> int:
        return len(self.batch.cases)

    def _cases(self) -> Sequence[Case]:
        return (read_batch(self.batch.file) if self.known else self.batch).cases


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the cases of a manifest stand in a results folder."""

    batch: Batch
    results: Path

    def folder(self, case_id: str) -> Folder:
        """The folder of a case."""
        return Folder(self.results / "cases" / case_id)

    def state(self, case_id: str) -> State | None:
        """Where the work on a case stands; None before it began."""
        return self.folder(case_id).state()

    def states(self) -> list[tuple[Case, State | None]]:
        """Every case with its state."""
        return [(case, self.state(case.case_id)) for case in self.batch.cases]

    def changed(self) -> list[str]:
        """Cases that the manifest now describes otherwise than when the work on them began."""
        return [case.case_id for case in self.batch.cases if self._is_changed(case)]

    def _is_changed(self, case: Case) -> bool:
        folder = self.folder(case.case_id)
        if not (folder.path / "manifest.json").exists():
            return False
        return _work_of(folder.case()) != _work_of(case)

    def planned(
        self, journal: Journal, units: Sequence[Unit], again: Sequence[str]
    ) -> list[Planned]:
        """A unit for each case that has none and is not finished, and another one for each that is
        to be worked on again, unless it is waiting already."""
        newest = {unit.task: unit for unit in units}
        found = []
        for place, (case, state) in enumerate(self.states()):
            name, last = case.case_id, newest.get(case.case_id)
            if last is None:
                is_wanted = name in again or state is None or state.state not in FINISHED
            else:
                is_wanted = name in again and last.state == "done"
            if is_wanted:
                times = last.repeat + 1 if last else 1
                run = "" if name in again else _known_run(journal, state)
                unit = unit_name(name, SYSTEM, times)
                found.append(Planned(unit, name, times, SYSTEM, place, run=run))
        return found

    def reopened(self, units: Sequence[Unit]) -> list[str]:
        """Units that are done while their case is not finished. Their cases are marked as begun, so
        that what an earlier attempt has left is not taken for what the next one leaves."""
        newest = {unit.task: unit for unit in units}
        found = []
        for case, state in self.states():
            unit = newest.get(case.case_id)
            if unit is None or unit.state != "done":
                continue
            if state is None or state.state not in FINISHED:
                found.append(unit.unit)
                if state is not None:
                    marked = State(case_id=case.case_id, state="begun", run=state.run)
                    self.folder(case.case_id).write("state.json", marked)
        return found

    def look(self, unit: Unit, records: Sequence[Record]) -> Seen:
        """What an attempt has left: its end is that the case was concluded from the whole run."""
        found = seen_of(records, unit.head)
        state = self.state(unit.task)
        if state is None or state.run != unit.run:
            return replace(found, ended=None)
        if state.state == "failed":
            outcome = ev.Outcome(run=unit.run, outcome="failed", reason=state.reason)
            ended = ev.RunEnded(attempt=unit.attempt, outcome=outcome, resumable=False, digest="")
            return replace(found, ended=ended)
        if not state.head or not records or state.head != records[-1].hash:
            return replace(found, ended=None)
        return found

    def settle(self, result: UnitResult) -> State:
        """The state of a case whose unit is done. Where its process came to no end, that becomes
        its state."""
        state = self.state(result.task)
        if state is not None and state.state not in ("begun", "running"):
            return state
        told = State(
            case_id=result.task,
            state="partial" if result.ended in ("partial", "cancelled") else "failed",
            run=result.run,
            reason=result.reason or f"its process ended: {result.ended}",
        )
        folder = self.folder(result.task)
        folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.write("state.json", told)
        return told


@contextmanager
def alone(results: Path) -> Iterator[None]:
    """Be the one process that works in a results folder; a lock dies with its process. Raises
    UsageError."""
    results.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (results / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"somebody else is working in {results}", fix="wait for it, or name another --out"
            ) from error
        yield


def _known_run(journal: Journal, state: State | None) -> str:
    """The run that a case goes on with when its batch has no row here."""
    if state is None or not state.run or not journal.read(state.run):
        return ""
    return state.run


def _work_of(case: Case) -> Case:
    return case.model_copy(update={"title": "", "tags": (), "budget": type(case.budget)()})
