"""The papers say what is: the tree, the links, the names in tables, and their own lengths."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from typer.main import get_command

from orchestrator import events as ev
from tasks.cli.main import app

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import make_tree  # noqa: E402 - the path is set above

PAPERS = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")})
PACKAGES = ("orchestrator", "agents", "sandbox", "tasks")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def named_files(tree: str) -> set[str]:
    """The paths that a printed tree names, read from its indentation."""
    found, above = set(), list[str]()
    for line in tree.splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        above = [*above[:depth], name.rstrip("/")]
        if not name.endswith("/") or "/".join(above) in make_tree.FOLDERS:
            found.add("/".join(above))
    return found


def test_the_tree_in_the_readme_names_every_file_and_nothing_else() -> None:
    block = re.search(
        r"<!-- tree -->\n```text\n(.*?)```\n<!-- /tree -->", text_of("README.md"), re.S
    )
    assert block is not None
    real = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.name != "__init__.py" and "__pycache__" not in path.parts
    }
    folders = tuple(f"{folder}/" for folder in make_tree.FOLDERS)
    expected = {path for path in real if not path.startswith(folders)} | set(make_tree.FOLDERS)
    hint = "run: uv run python docs/make_tree.py"
    named = named_files(block[1])
    assert sorted(expected - named) == [], hint
    assert sorted(named - expected) == [], hint
    assert all(len(line.split(maxsplit=1)) == 2 for line in block[1].splitlines() if ".py" in line)


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.name)
def test_every_link_and_every_path_in_a_paper_leads_somewhere(paper: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", paper.read_text(encoding="utf-8"), flags=re.M | re.S)
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert [link for link in links if not (paper.parent / link).exists()] == []
    paths = re.findall(r"`((?:orchestrator|agents|sandbox|tasks|tests|docs)/[\w./-]+)`", text)
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert [path for path in missing if not list(ROOT.glob(f"{path}*"))] == []


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.name)
def test_every_command_and_option_in_a_paper_exists(paper: Path) -> None:
    commands = set(getattr(get_command(app), "commands", {}))
    text = paper.read_text(encoding="utf-8")
    used = set(re.findall(r"(?:^|`|\$ )quaestor ([a-z]+)", text, re.M))
    assert used <= commands
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text_of("docs/cli.md")))
    said = set(re.findall(r"`(--[a-z][a-z-]+)[ `]", text))
    foreign = {"--with", "--no-sandbox", "--check"}
    assert said - foreign <= options


def test_the_architecture_page_names_every_kind_of_event_and_every_dependency() -> None:
    page = text_of("docs/architecture.md")
    kinds = {kind.model_fields["kind"].default for kind in get_args(get_args(ev.Event)[0])}
    assert {kind for kind in kinds if f"`{kind}`" not in page} == set()
    listed = tomllib.loads(text_of("pyproject.toml"))["project"]["dependencies"]
    names = {re.split(r"[><=\[]", item)[0] for item in listed}
    assert {name for name in names if f"| `{name}` |" not in page} == set()


@pytest.mark.parametrize(
    ("name", "longest"), [("AGENTS.md", 100), ("CONTRIBUTING.md", 60), ("SECURITY.md", 100)]
)
def test_a_short_paper_stays_short(name: str, longest: int) -> None:
    assert len(text_of(name).splitlines()) <= longest


def test_the_readme_shows_a_whole_run_of_the_demo() -> None:
    shown = re.search(r"<!-- transcript -->(.*?)<!-- /transcript -->", text_of("README.md"), re.S)
    assert shown is not None
    assert "$ quaestor run --demo" in shown[1]
    assert "Finished: answered" in shown[1]
    assert "warning: the model was the shipped scripted model" in shown[1]
