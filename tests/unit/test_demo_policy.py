"""What the scripted model does with what is not its demo, and the material that ships with it."""

from __future__ import annotations

import json
from pathlib import Path

import openpyxl
import pytest
from demo_oracle import cheapest

from orchestrator.errors import UsageError
from orchestrator.models.llm import Completion, Message, Request
from orchestrator.settings import Settings
from tasks import api
from tasks.demo.make_material import write_catalogue, write_terms
from tasks.demo.play import MATERIAL, demo_task
from tasks.demo.policy import OPENINGS, policy, role_of


def ask(role: str, system: str, user: str) -> Completion | str:
    told = (Message(role="system", content=system), Message(role="user", content=user))
    return policy(Request(role=role, messages=told))


async def test_another_task_ends_without_an_answer(tmp_path: Path) -> None:
    async with api.open(Settings(demo=True, home=tmp_path)) as quaestor:
        outcome = await quaestor.run("What is the capital of France?")
    assert (outcome.outcome, outcome.answer) == ("gave_up", None)


async def test_the_demo_question_without_its_files_ends_without_an_answer(tmp_path: Path) -> None:
    async with demo_task() as demo, api.open(Settings(demo=True, home=tmp_path)) as quaestor:
        outcome = await quaestor.run(demo.task)
    assert (outcome.outcome, outcome.answer) == ("gave_up", None)


def test_the_reason_says_that_the_model_only_plays_the_demo() -> None:
    said = ask("lead", "", "<task>\nWrite a poem.\n</task>\n<attachments>\nnone\n</attachments>")
    assert isinstance(said, str)
    reply = json.loads(said)
    assert (reply["request_satisfied"], reply["making_progress"]) == (False, False)
    assert "only plays the demo" in reply["reason"]


def test_an_unknown_role_reports_that_it_cannot() -> None:
    said = ask("Toolbox", "You use the tools.", "<instruction>\nsend it\n</instruction>")
    assert isinstance(said, Completion)
    given = json.loads(said.tool_calls[0].arguments)
    assert (said.tool_calls[0].name, given["status"]) == ("report", "failed")


@pytest.mark.parametrize("role", ["FileSurfer", "WebSurfer", "Coder"])
def test_a_worker_without_anything_to_go_by_reports_or_looks_but_never_invents(role: str) -> None:
    said = ask(role, "", "<instruction>\nDo something.\n</instruction>")
    assert isinstance(said, Completion)
    assert said.tool_calls[0].name in ("report", "grep")
    assert "done" not in said.tool_calls[0].arguments


def test_the_one_who_asks_is_known_by_the_system_prompt() -> None:
    root = Path(__file__).parents[2]
    folders = (root / "orchestrator/prompts", root / "agents/prompts")
    prompts = [path for folder in folders for path in folder.glob("*.md")]
    roles = {role_of(path.read_text(encoding="utf-8")) for path in prompts}
    assert set(OPENINGS.values()) <= roles


def test_the_shipped_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    write_catalogue(tmp_path / "catalogue.xlsx")
    write_terms(tmp_path / "terms.pdf")
    shipped, fresh = (
        list(openpyxl.load_workbook(folder / "catalogue.xlsx").active.values)
        for folder in (MATERIAL, tmp_path)
    )
    assert shipped == fresh
    assert (MATERIAL / "terms.pdf").read_bytes() == (tmp_path / "terms.pdf").read_bytes()


def test_nothing_of_the_answer_stands_in_the_policy() -> None:
    expected = cheapest(MATERIAL)
    assert expected is not None
    words = [*expected, expected[1].replace(",", ""), "HX-4420", "Ellis"]
    for path in Path(policy.__code__.co_filename).parent.glob("*.py"):
        if path.name != "make_material.py":
            text = path.read_text(encoding="utf-8")
            assert [word for word in words if word in text] == []


async def test_a_folder_that_is_no_material_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no demo material"):
        async with demo_task(tmp_path):
            pass


async def test_the_task_names_the_served_site_and_all_files() -> None:
    async with demo_task() as demo:
        (host,) = demo.allow_hosts
        assert f"http://{host}/" in demo.task
        assert [path.name for path in demo.attachments] == ["catalogue.xlsx", "terms.pdf"]
        with pytest.raises(UsageError, match="cannot use port"):
            async with demo_task(port=int(host.partition(":")[2])):
                pass
