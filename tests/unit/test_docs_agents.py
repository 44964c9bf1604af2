"""The blocks of docs/agents.md, taken out and run: in a copy of the source, and from outside."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from openai_server import Server, serve
from openai_wire import from_request_policy

from orchestrator.models.llm import Completion, Request, ToolCall

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
PACKAGES = ("orchestrator", "agents", "sandbox", "tasks")
QUIET = "\n".join(
    f"[agents.{name}]\nenabled = false" for name in ("FileSurfer", "Coder", "ComputerTerminal")
)


def blocks() -> dict[str, list[str]]:
    """The code blocks by the place that their first line names."""
    found: dict[str, list[str]] = {}
    for block in re.findall(r"^```\w+\n# (.*?)^```$", PAGE, re.M | re.S):
        place, _, text = block.partition("\n")
        found.setdefault(place, []).append(text)
    return found


def lead(request: Request) -> Completion | str:
    """Asks whoever can compute or look up, and answers with what the report shows."""
    told = request.messages[-1].content
    if request.messages[0].content.startswith("You use the tools"):
        return _find_order(request)
    roster = request.messages[1].content
    seen = re.search(r"= (\d+)|is (\d+)$|(2 blue widgets, shipped)", told, re.M)
    evidence = re.search(r"evidence (\d+\.\d+\.\d+)", told)
    if seen and evidence:
        quote = {"quote": seen[0], "evidence": [evidence[1]]}
        found = next(group for group in seen.groups() if group)
        return json.dumps({"request_satisfied": True, "answer": found, "citations": [quote]})
    work: dict[str, object] = {"id": "a1", "agent": "Calculator", "instruction": "add 2 and 12"}
    if "calculate(expression)" in roster:
        work["tool"] = {"name": "calculate", "arguments": {"expression": "2 + 3 * 4"}}
    if "Toolbox" in roster:
        work = {"id": "a1", "agent": "Toolbox", "instruction": "find order A-17"}
    return json.dumps({"request_satisfied": False, "assignments": [work]})


def _find_order(request: Request) -> Completion:
    shown = [message.content for message in request.messages if message.role == "tool"]
    name, given = "find_order", {"number": "A-17"}
    if shown:
        name, given = "report", {"status": "done", "summary": "2 blue widgets, shipped"}
    return Completion(
        text="", tool_calls=(ToolCall(id="c1", name=name, arguments=json.dumps(given)),)
    )


def copy_with_calculator(folder: Path) -> None:
    """The source with the three steps of part 1 done as the page says."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    page = blocks()
    for place in ("agents/calculator.py", "tests/unit/test_calculator.py"):
        (folder / place).write_text(page[place][0], encoding="utf-8")
    roster = (folder / "agents/roster.py").read_text(encoding="utf-8")
    opening = "ROSTER: Mapping[str, Factory] = {\n"
    assert opening in roster
    first_import = "from agents.coder import Coder\n"
    assert first_import in roster
    roster = roster.replace(first_import, page["agents/roster.py: import"][0] + first_import)
    roster = roster.replace(opening, opening + page["agents/roster.py: ROSTER"][0])
    (folder / "agents/roster.py").write_text(roster, encoding="utf-8")


def called(
    folder: Path, module: str, *arguments: str, server: Server | None = None
) -> subprocess.CompletedProcess[str]:
    """`python -m module arguments` in a folder that comes first on the path, with its own home."""
    plain = {name: value for name, value in os.environ.items() if "QUAESTOR" not in name}
    own = {
        "PYTHONPATH": f"{folder}:{ROOT}",
        "QUAESTOR_HOME": str(folder / "home"),
        "QUAESTOR_MODEL": "scripted",
        "QUAESTOR_NO_WEB": "1",
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
    address = {"QUAESTOR_BASE_URL": server.base_url} if server else {}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={**plain, **own, **address},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    copy_with_calculator(folder)
    return folder


def test_the_page_names_every_file_that_it_asks_for() -> None:
    assert set(blocks()) == {
        "agents/calculator.py",
        "agents/roster.py: import",
        "agents/roster.py: ROSTER",
        "tests/unit/test_calculator.py",
        "acme_calculator.py",
        "acme_crm.py",
        "quaestor.toml",
    }


def test_the_agents_own_test_passes_in_the_copy(copied: Path) -> None:
    done = called(copied, "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/test_calculator.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "11 passed" in done.stdout


def test_the_agents_file_is_in_house_style(copied: Path) -> None:
    files = ("agents/calculator.py", "agents/roster.py", "tests/unit/test_calculator.py")
    for command in (("ruff", "check"), ("ruff", "format", "--check")):
        done = called(copied, *command, *files)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_of_the_copy_uses_the_new_agent(copied: Path) -> None:
    (copied / "quaestor.toml").write_text(QUIET, encoding="utf-8")
    with serve(from_request_policy(lead)) as server:
        done = called(copied, "tasks.cli", "run", "What is 2 + 3 * 4?", "--json", server=server)
        assert done.returncode == 0, done.stderr
        assert len(server.served) == 2
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert (outcome["outcome"], outcome["answer"], outcome["basis"]) == (
        "answered",
        "14",
        "computed",
    )


@pytest.mark.parametrize(
    ("module", "number", "answer"),
    [("acme_calculator.py", 0, "14"), ("acme_crm.py", 1, "2 blue widgets, shipped")],
)
def test_an_agent_and_a_tool_of_another_package_join_by_configuration_alone(
    tmp_path: Path, module: str, number: int, answer: str
) -> None:
    page = blocks()
    (tmp_path / module).write_text(page[module][0], encoding="utf-8")
    config = tmp_path / "config" / "quaestor" / "quaestor.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f"{page['quaestor.toml'][number]}\n{QUIET}\n", encoding="utf-8")
    with serve(from_request_policy(lead)) as server:
        done = called(tmp_path, "tasks.cli", "run", "How is order A-17?", "--json", server=server)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert (outcome["outcome"], outcome["answer"]) == ("answered", answer)
    assert outcome["evidence"]
    again = called(tmp_path, "tasks.cli", "replay", "last")
    assert again.returncode == 0, again.stdout + again.stderr


def test_a_class_that_is_not_there_is_a_clear_usage_error(tmp_path: Path) -> None:
    config = tmp_path / "config" / "quaestor" / "quaestor.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f"{blocks()['quaestor.toml'][0]}\n{QUIET}\n", encoding="utf-8")
    with serve(from_request_policy(lead)) as server:
        done = called(tmp_path, "tasks.cli", "run", "How?", server=server)
        assert not server.served
    assert done.returncode == 2
    assert "agents.Calculator.use = 'acme_calculator:Calculator' cannot be loaded" in done.stderr
