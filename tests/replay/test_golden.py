"""Journals of released versions replay offline to the digest that they were recorded with."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
from golden_run import LIMITS, imported, team
from harness import Bench

from orchestrator.attempt import is_over
from orchestrator.errors import Divergence, EndOfRecording, JournalDamaged
from orchestrator.journal import Journal
from orchestrator.loop import Orchestrator
from orchestrator.models.replay import ReplayModel
from orchestrator.recorder import Recorder
from orchestrator.work import Consent
from tasks.api import received_task

HERE = Path(__file__).parent
RELEASED = sorted(HERE.glob("golden-*"))
NEWEST = HERE / f"golden-{metadata.version('quaestor')}"
HINT = "if this is on purpose, record it again: uv run python tests/replay/make_golden.py"


async def replayed(journal: Journal, run: str, *, trust: bool = False) -> Recorder:
    records = journal.verify(run)
    recorder = Recorder(journal, run, None, records, trust_history=trust)
    orchestrator = Orchestrator(
        recorder=recorder,
        lead=ReplayModel(),
        model=ReplayModel(),
        team=team(),
        limits=LIMITS,
        elapsed_s=lambda: 0.0,
        consent=Consent("allow-all"),
    )
    with suppress(EndOfRecording):
        await orchestrator.run(received_task(run, records))
    return recorder


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)
async def test_a_released_journal_still_verifies_and_replays(folder: Path, tmp_path: Path) -> None:
    with imported(folder, tmp_path) as (journal, run):
        recorder = await replayed(journal, run, trust=True)
        ended = is_over(recorder.records)
        assert ended is not None
        assert recorder.recorded_digest() == ended.digest
        assert recorder.digest() == ended.digest, HINT


async def test_the_journal_of_this_version_replays_without_any_trust(tmp_path: Path) -> None:
    with imported(NEWEST, tmp_path) as (journal, run):
        try:
            recorder = await replayed(journal, run)
        except Divergence as error:
            pytest.fail(f"{error.message}\n{HINT}")
        assert recorder.digest() == recorder.recorded_digest()


async def test_the_golden_run_holds_what_can_go_wrong(tmp_path: Path) -> None:
    with imported(NEWEST, tmp_path) as (journal, run):
        records = journal.read(run)
    kinds = {record.kind for record in records}
    assert {"LeadReplied", "EvidenceFound", "QuestionAnswered", "Replanned"} <= kinds
    assert any(record.body.get("tries", 1) > 1 for record in records)
    assert any(record.body.get("blob") for record in records if record.kind == "StepDone")
    asks = [record.body["ask"] for record in records if record.kind == "RoundOpened"]
    assert {"opening", "round", "replan", "gate"} <= set(asks)
    ended = is_over(records)
    assert ended is not None
    assert ended.outcome.outcome == "answered"


async def test_one_changed_character_in_the_golden_journal_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "golden"
    shutil.copytree(NEWEST, folder)
    events = folder / "events.jsonl"
    events.write_text(
        events.read_text(encoding="utf-8").replace("costs 555 cents", "costs 556 cents", 1),
        encoding="utf-8",
    )
    with imported(folder, tmp_path / "home") as (journal, run), pytest.raises(JournalDamaged):
        journal.verify(run)


async def test_a_replay_of_another_strategy_names_where_it_differs(tmp_path: Path) -> None:
    with imported(NEWEST, tmp_path) as (journal, run):
        records = journal.verify(run)
        changed = []
        for record in records:
            if record.kind == "LeadReplied":
                body = json.loads(json.dumps(record.body).replace("the apple", "the lemon"))
                changed.append(replace(record, body=body))
            else:
                changed.append(record)
        recorder = Recorder(journal, run, None, changed)
        bench = Bench(tmp_path, journal)
        orchestrator = bench.orchestrator(recorder, ReplayModel(), team(), LIMITS, None, False)
        with pytest.raises(Divergence, match=r"round/1/lead .LeadReplied.*apple"):
            await orchestrator.run(received_task(run, records))
