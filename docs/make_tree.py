"""Writes the tree of files into README.md, one line per file from each file's own first sentence.

Run it after adding, moving or describing a file: `uv run python docs/make_tree.py`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- tree -->\n```text\n", "```\n<!-- /tree -->"
PACKAGES = ("orchestrator", "agents", "sandbox", "tasks")
FOLDERS = {
    "orchestrator/prompts": "what the lead is told, one file per occasion",
    "agents/prompts": "what each agent is told",
    "tasks/benchmark/data": "published scores, and the templates of reports",
    "tasks/benchmark/prompts": "the words around the questions of each suite",
    "tasks/forensics/prompts": "what the agents of a case are told",
    "tasks/forensics/reporting/data": "the templates of reports and of a batch's page",
    "tasks/demo/material": "the demo's spreadsheet, PDF, web site and question",
}
KINDS = {".py", ".js", ".txt", ".toml"}
WIDTH = 28


def tree() -> str:
    """The block for the README."""
    lines = [line for name in PACKAGES for line in _folder(ROOT / name, 0)]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def with_tree(page: str) -> str:
    """The page with the tree of now in it."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{tree()}{END}{tail}"


def _folder(folder: Path, depth: int) -> Iterator[str]:
    name = folder.relative_to(ROOT).as_posix()
    indent = "  " * depth
    if name in FOLDERS:
        yield _line(f"{indent}{folder.name}/", FOLDERS[name])
        return
    yield _line(f"{indent}{folder.name}/", _about(folder / "__init__.py"))
    entries = sorted(folder.iterdir(), key=lambda path: (path.is_dir(), path.name))
    for path in entries:
        if path.is_dir() and path.name != "__pycache__":
            yield from _folder(path, depth + 1)
        elif path.suffix in KINDS and path.name != "__init__.py":
            yield _line(f"{indent}  {path.name}", _about(path))


def _line(name: str, about: str) -> str:
    return f"{name:{WIDTH}} {about}"


def _about(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        said = ast.get_docstring(ast.parse(text)) or ""
    else:
        opening = takewhile(lambda line: line.startswith(("//", "#")), text.splitlines())
        said = " ".join(line.lstrip("/# ") for line in opening)
    return " ".join(said.split("\n\n")[0].split()).split(". ")[0].rstrip(".")


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_tree(readme.read_text(encoding="utf-8")), encoding="utf-8")
