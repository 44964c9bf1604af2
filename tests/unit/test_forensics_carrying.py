"""What the runner of a batch takes a case for, by its folder and its run, whenever it is killed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator import events as ev
from orchestrator.journal import Journal, Record
from tasks.batch.rules import Died, settle
from tasks.batch.values import Unit
from tasks.benchmark.rows import UnitResult
from tasks.forensics.batch_file import Batch
from tasks.forensics.carrying import SYSTEM, Cases, Standing
from tasks.forensics.folder import State
from tasks.forensics.manifest import Budget, Case
from tasks.forensics.unit import CaseOrder

RUN = "r1"
UNIT = Unit(
    batch="b", unit="u1", place=0, task="one", repeat=1, system=SYSTEM, priority=0, state="running",
    run=RUN, head=0, attempt=1, strikes=0, steps=0, outcome="", failure="", calls=0, tokens=0,
    usd_micros=0, queued=0.0, started=1.0, ended=None, result=None,
)  # fmt: skip


def case(name: str = "one", **changes: Any) -> Case:
    return Case(case_id=name, question="q", evidence=("files",), **changes)


def standing(folder: Path, *cases: Case) -> Standing:
    batch = Batch(folder / "batch.jsonl", folder, cases or (case(),))
    return Standing(batch, folder / "results")


def put(found: Standing, name: str = "one", **fields: Any) -> None:
    folder = found.folder(name)
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.write("state.json", State(case_id=name, **{"run": RUN, "state": "done", **fields}))


def ended(outcome: ev.OutcomeName = "answered", seq: int = 3) -> list[Record]:
    """A run whose last record is its end; its hash is "h3"."""
    body = ev.RunEnded(
        attempt=1,
        outcome=ev.Outcome(run=RUN, outcome=outcome),
        resumable=outcome == "partial",
        digest="",
    )
    content = body.model_dump(mode="json")
    return [record("TaskReceived", 1, {}), record("RunEnded", seq, content)]


def record(kind: str, seq: int, body: Any) -> Record:
    return Record(
        run=RUN, seq=seq, epoch=1, kind=kind, key=str(seq), version=1, body=body, time="",
        duration_s=0.0, body_sha256="", hash=f"h{seq}",
    )  # fmt: skip


MOMENTS: list[tuple[str, dict[str, Any], list[Record], str]] = [
    ("nothing is there yet", {}, [], "queued"),
    ("evidence is being taken in", {"state": "begun"}, [], "queued"),
    ("the team is at work", {"state": "running"}, [record("TaskReceived", 1, {})], "queued"),
    ("the run has ended, no report is written", {"state": "running"}, ended(), "queued"),
    ("an older end was concluded", {"state": "partial", "head": "h2"}, ended("partial"), "queued"),
    ("another run was concluded", {"run": "r0", "head": "h3"}, ended(), "queued"),
    ("the report is written", {"head": "h3"}, ended(), "done"),
    ("there is no evidence", {"state": "failed", "reason": "none"}, [], "done"),
]


@pytest.mark.parametrize(("_moment", "state", "records", "expected"), MOMENTS)
def test_a_case_is_done_when_its_whole_run_was_concluded(
    tmp_path: Path, _moment: str, state: dict[str, Any], records: list[Record], expected: str
) -> None:
    found = standing(tmp_path)
    if state:
        put(found, **state)
    seen = found.look(UNIT, records)
    assert settle(UNIT, seen, Died("u1", killed="stop")).state == expected


def test_a_process_that_comes_to_no_end_is_told_as_the_state_of_its_case(tmp_path: Path) -> None:
    found = standing(tmp_path)
    put(found, state="running")
    result = UnitResult(
        unit="u1", task="one", repeat=1, system=SYSTEM, ended="crashed", attempts=3, run=RUN,
        reason="died 3 times",
    )  # fmt: skip
    assert found.settle(result).state == "failed"
    told = found.state("one")
    assert told is not None
    assert told.reason == "died 3 times"


def test_what_a_case_has_come_to_is_not_overwritten(tmp_path: Path) -> None:
    found = standing(tmp_path)
    put(found, verdict="inconclusive")
    result = UnitResult(
        unit="u1", task="one", repeat=1, system=SYSTEM, ended="answered", attempts=1, run=RUN
    )
    assert found.settle(result).verdict == "inconclusive"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.open(tmp_path / "home")
    yield opened
    opened.close()


def test_a_unit_is_planned_for_what_is_not_finished_and_for_what_is_to_be_done_again(
    tmp_path: Path, journal: Journal
) -> None:
    found = standing(tmp_path, case("one"), case("two"), case("three"), case("four"))
    put(found, "one")
    put(found, "two")
    put(found, "three", state="partial", run="elsewhere")
    units = [replace(UNIT, task="two", state="done")]
    planned = found.planned(journal, units, ["two"])
    assert [(unit.task, unit.repeat, unit.run) for unit in planned] == [
        ("two", 2, ""),
        ("three", 1, ""),
        ("four", 1, ""),
    ]
    assert len({unit.unit for unit in planned}) == 3
    waiting = [replace(UNIT, task="two", repeat=2, state="queued")]
    assert [unit.task for unit in found.planned(journal, waiting, ["two"])] == ["three", "four"]


def test_what_is_not_finished_is_opened_again_without_what_it_said(tmp_path: Path) -> None:
    found = standing(tmp_path, case("one"), case("two"), case("three"))
    put(found, "one")
    put(found, "two", state="failed", reason="the engine was gone")
    put(found, "three", state="running")
    done = [replace(UNIT, unit=f"u-{name}", task=name, state="done") for name in ("one", "two")]
    running = replace(UNIT, unit="u-three", task="three", state="running")
    assert found.reopened([*done, running]) == ["u-two"]
    told = found.state("two")
    assert told is not None
    assert (told.state, told.run, told.reason) == ("begun", RUN, "")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"question": "another"}, ["one"]),
        ({"subject": "P-1"}, ["one"]),
        ({"budget": Budget(usd=5)}, []),
        ({"title": "t", "tags": ("a",)}, []),
    ],
)
def test_a_line_may_change_where_the_work_does_not_depend_on_it(
    tmp_path: Path, changes: dict[str, Any], expected: list[str]
) -> None:
    found = standing(tmp_path, case().model_copy(update=changes))
    put(found)
    found.folder("one").write("manifest.json", case())
    assert found.changed() == expected


def test_a_case_that_was_added_meanwhile_is_found_in_the_manifest(tmp_path: Path) -> None:
    found = standing(tmp_path)
    cases = Cases(found.batch, found.results)
    assert CaseOrder.model_validate_json(cases["one"].text).case == case()
    (tmp_path / "files").mkdir()
    lines = [case().model_dump_json(), case("two").model_dump_json()]
    found.batch.file.write_text("\n".join(lines), encoding="utf-8")
    assert CaseOrder.model_validate_json(cases["two"].text).case.case_id == "two"
