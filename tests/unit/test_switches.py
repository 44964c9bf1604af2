"""Parts of the lead and members of the team that a run goes without, to see what they are worth."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from harness import Bench, assign, echo, fail, finish, last_user, team

from orchestrator.agent import Assignment, Report, WorkContext
from orchestrator.blobs import Blobs
from orchestrator.branches import in_turn
from orchestrator.errors import UsageError
from orchestrator.limits import Limits
from orchestrator.models.llm import Request
from orchestrator.settings import Settings, Without
from tasks import api
from tasks.config_file import Given
from tasks.configuration import Place, resolve
from tasks.team import fill_workspace, open_team


async def test_without_parallel_one_agent_works_at_a_time_in_an_order_that_waits(
    bench: Bench,
) -> None:
    at_work, most, order = 0, 0, []

    async def counts(assignment: Assignment, ctx: WorkContext) -> Report:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        order.append(assignment.instruction)
        await asyncio.sleep(0.01)
        report = await echo(assignment, ctx)
        at_work -= 1
        return report

    def lead(request: Request) -> str:
        if len(request.messages) > 2:
            return finish("done")
        return assign(
            {"id": "a", "agent": "Echo", "instruction": "last", "after": ["c"]},
            {"id": "b", "agent": "Echo", "instruction": "first"},
            {"id": "c", "agent": "Echo", "instruction": "middle"},
        )

    await bench.run(lead, agents=team(Echo=counts), without=("verify", "parallel"))
    assert (most, order) == (1, ["first", "middle", "last"])


def test_branches_in_turn_keep_what_they_wait_for() -> None:
    assert in_turn({"a": ("c",), "b": (), "c": ("b",)}) == {"b": (), "c": ("b",), "a": ("c",)}


async def test_without_the_ledger_the_lead_is_asked_for_the_next_assignment_only(
    bench: Bench,
) -> None:
    asked: list[Request] = []

    def lead(request: Request) -> str:
        asked.append(request)
        return finish("done") if len(asked) > 5 else assign(("Wall", f"try {len(asked)}"))

    outcome = await bench.run(
        lead, agents=team(Wall=fail), limits=Limits(stalls=1), without=("verify", "ledger")
    )
    assert outcome.outcome == "answered"
    assert not bench.kinds("Replanned")
    schema = json.dumps(asked[0].output and asked[0].output.json_schema)
    prompt = "\n".join(message.content for message in asked[-1].messages)
    for word in ("facts", "plan", "in_loop", "making_progress"):
        assert f'"{word}"' not in schema
        assert f"`{word}`" not in prompt
    assert "ledger" not in prompt
    assert "Give the next assignments" in last_user(asked[0])


async def test_without_compaction_the_conversation_only_grows(bench: Bench) -> None:
    def lead(request: Request) -> str:
        rounds = len(request.messages) // 2
        return finish("done") if rounds > 20 else assign(("Echo", f"look {rounds} " + "x" * 400))

    await bench.run(lead, without=("verify", "compaction"), window=4000)
    assert not bench.kinds("Compacted")
    await bench.run(lead, limits=Limits(rounds=25), window=4000)
    assert bench.kinds("Compacted")


@pytest.mark.parametrize(
    ("part", "gone"),
    [
        ("websurfer", {"WebSurfer"}),
        ("filesurfer", {"FileSurfer"}),
        ("coder", {"Coder", "ComputerTerminal"}),
    ],
)
async def test_a_team_without_a_member_keeps_the_others(
    tmp_path: Path, part: Without, gone: set[str]
) -> None:
    async def names(settings: Settings) -> set[str]:
        blobs = Blobs(tmp_path)
        async with open_team(settings, run="r", blobs=blobs, offline=True) as opened:
            return set(opened.agents)

    everyone = await names(Settings(home=tmp_path))
    assert await names(Settings(home=tmp_path, without=(part,))) == everyone - gone


def test_a_part_that_does_not_exist_is_a_clear_error(tmp_path: Path) -> None:
    place = Place({"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path, tmp_path)
    with pytest.raises(UsageError, match=r"--without: without = .*magic.* is not right"):
        resolve([Given("without", ["magic"], "--without")], place)


async def test_the_classic_cadence_cannot_go_without_its_ledger(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, strategy="classic", without=("ledger",))
    async with api.open(settings) as quaestor:
        with pytest.raises(UsageError, match="--classic decides by its ledger"):
            await quaestor.run("What is it?")
        assert quaestor.journal.newest() == []


async def test_attached_files_reach_the_workspace_also_without_a_coder(tmp_path: Path) -> None:
    from orchestrator import events as ev

    blobs = Blobs(tmp_path)
    name = blobs.put(b"a,b\n1,2\n")
    item = ev.Attachment(name="t.csv", sha256=name, size=8, media_type="text/csv")
    received = ev.TaskReceived(task="x", attachments=(item,), roster=(), limits=Limits())
    settings = Settings(home=tmp_path, without=("coder",))
    async with open_team(settings, run="r", blobs=blobs, offline=True) as opened:
        fill_workspace(opened, received)
        assert opened.workspace.files["inputs/t.csv"].sha256 == name
