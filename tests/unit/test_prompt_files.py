"""Prompts of one's own: checked before anything is spent, and part of the run from then on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from harness import ABOUT, Bench, finish, team

from agents.coder import PROMPTS as AGENT_PROMPTS
from orchestrator import events as ev
from orchestrator.attempt import changed_prompts
from orchestrator.errors import UsageError
from orchestrator.journal_writer import Draft
from orchestrator.limits import Limits
from orchestrator.models.llm import Request
from orchestrator.prompt_files import LEAD_PROMPTS, own_texts, prompts_hash, read_own, render

SHIPPED = (LEAD_PROMPTS, AGENT_PROMPTS)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("leader.md", "x", "there is no prompt of this name"),
        ("lead.md", "You lead.", "the placeholder ${schema} is missing"),
        ("round.md", "Now ${hurry}!", "the placeholder ${hurry} means nothing here"),
        ("round.md", "That is 5 $ more", "a $ stands alone"),
    ],
)
def test_a_wrong_prompt_is_a_clear_error(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_own(tmp_path, *SHIPPED)
    assert said in caught.value.message
    assert name in caught.value.message
    assert caught.value.fix


def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not there"):
        read_own(tmp_path / "gone", *SHIPPED)


def test_own_texts_of_lead_and_agents_change_the_hash(tmp_path: Path) -> None:
    (tmp_path / "round.md").write_text("Go on. It costs 5 $$.", encoding="utf-8")
    (tmp_path / "coder.md").write_text("Code $reach.", encoding="utf-8")
    own = read_own(tmp_path, *SHIPPED)
    assert set(own) == {"round", "coder"}
    assert prompts_hash(*SHIPPED, own=own) != prompts_hash(*SHIPPED)
    token = own_texts.set(own)
    assert render("round") == "Go on. It costs 5 $."
    assert render("coder", folder=AGENT_PROMPTS, reach="here") == "Code here."
    own_texts.reset(token)
    assert render("round") != "Go on. It costs 5 $."


@pytest.mark.parametrize(
    ("before", "changed"),
    [
        ({"lead.md": "1", "coder.md": "2"}, []),
        ({"lead.md": "0", "coder.md": "2"}, ["lead.md"]),
        ({"lead.md": "1", "coder.md": "2", "gone.md": "3"}, ["gone.md"]),
        ({"coder.md": "2"}, ["lead.md"]),
        ({}, []),
    ],
)
async def test_a_resume_can_name_the_prompts_that_have_changed(
    bench: Bench, before: dict[str, str], changed: list[str]
) -> None:
    run = bench.journal.create()
    begun = ev.RunStarted(
        attempt=1, owner="x", limits=Limits(), versions={}, prompts="0", prompt_files=before
    )
    draft = Draft("attempt/1", begun.kind, ev.VERSION, ev.body_of(begun))
    await bench.journal.append(run, bench.journal.claim(run, "x"), draft)
    now = replace(ABOUT, prompts={"lead.md": "1", "coder.md": "2"})
    assert changed_prompts(bench.journal.read(run), now) == changed


async def test_a_run_uses_its_own_texts_and_a_replay_the_same(bench: Bench) -> None:
    asked: list[str] = []

    def lead(request: Request) -> str:
        asked.append(request.messages[-1].content)
        return finish("Paris")

    own = {"opening": "Begin, please."}
    await bench.run(lead, prompts=own)
    assert "Begin, please." in asked[0]
    recorder = await bench.replay(team(), prompts=own)
    assert recorder.digest() == recorder.recorded_digest()
    assert bench.kinds("TaskReceived")[0]["prompts"] == own
    await bench.run(lead)
    assert "Begin, please." not in asked[1]
