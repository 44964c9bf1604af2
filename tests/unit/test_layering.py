"""Who may import whom, where the heavy libraries are, and how large a file may be.

Read from the syntax trees, so that an import inside a function counts as much as one on top.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("orchestrator", "agents", "sandbox", "tasks")
ALLOWED = {
    "orchestrator": {"orchestrator"},
    "sandbox": {"sandbox", "orchestrator.errors"},
    "agents": {"agents", "sandbox", "orchestrator"},
    "tasks": set(PACKAGES),
}
HEAVY = {
    "playwright": "agents/web_surfer/browser.py",
    "docker": "sandbox/engine.py",
    "openai": "orchestrator/models/openai_compatible.py",
    "ray": "tasks/batch/ray_engine.py",
}
# A facade that opens what implements it, when it is asked to; it shares no code with it.
OPENS_LATER = {
    ("sandbox.base", "sandbox.box"),
    ("sandbox.base", "sandbox.launchers"),
}
MAX_LINES = 400
MAX_LOOP_LINES = 250


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, with where and when it happens."""

    file: Path
    module: str
    lazy: bool
    for_types: bool

    @property
    def place(self) -> str:
        return self.file.relative_to(ROOT).as_posix()

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def sources() -> list[Path]:
    return sorted(file for name in PACKAGES for file in (ROOT / name).rglob("*.py"))


def imports_of(file: Path) -> Iterator[Import]:
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    for node, lazy, for_types in _statements(tree, lazy=False, for_types=False):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, alias.name, lazy, for_types)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                module = inner if _is_module(inner) else node.module
                yield Import(file, module, lazy, for_types)


def _statements(
    node: ast.AST, *, lazy: bool, for_types: bool
) -> Iterator[tuple[ast.AST, bool, bool]]:
    for child in ast.iter_child_nodes(node):
        yield child, lazy, for_types
        inside = lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        typing = for_types or (
            isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        )
        yield from _statements(child, lazy=inside, for_types=typing)


def _is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or path.is_dir()


def every_import() -> list[Import]:
    return [found for file in sources() for found in imports_of(file)]


def test_no_package_imports_what_its_layer_may_not() -> None:
    wrong = [
        f"{found.place} imports {found.module}"
        for found in every_import()
        if found.top in PACKAGES and not _allowed(found)
    ]
    assert wrong == []


def _allowed(found: Import) -> bool:
    may = ALLOWED[found.place.partition("/")[0]]
    return any(found.module == name or found.module.startswith(f"{name}.") for name in may)


@pytest.mark.parametrize(("library", "home"), HEAVY.items())
def test_a_heavy_library_is_imported_in_one_module_and_only_when_needed(
    library: str, home: str
) -> None:
    found = [item for item in every_import() if item.top == library]
    assert {item.place for item in found} == {home}
    assert [item.module for item in found if not item.lazy and not item.for_types] == []


def test_inspect_is_imported_only_by_the_module_that_inspect_imports() -> None:
    places = {item.place for item in every_import() if item.top == "inspect_ai"}
    assert places == {"tasks/benchmark/inspect_solver.py"}
    module = "tasks.benchmark.inspect_solver"
    assert [item.place for item in every_import() if item.module.startswith(module)] == []


def test_markitdown_is_imported_only_inside_the_sandbox_image() -> None:
    places = {item.place for item in every_import() if item.top == "markitdown"}
    assert all(place.startswith("sandbox/image/") for place in places)


def test_no_module_imports_itself_through_others() -> None:
    graph: dict[str, set[str]] = {}
    for found in every_import():
        name = ".".join(found.file.relative_to(ROOT).with_suffix("").parts)
        opened = found.lazy and (name, found.module) in OPENS_LATER
        if found.top in PACKAGES and not found.for_types and not opened:
            graph.setdefault(name, set()).add(found.module)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these modules import each other: {' <- '.join(error.args[1])}")


def test_the_loop_can_be_read_in_one_sitting_and_no_file_is_a_book() -> None:
    lengths = {
        file.relative_to(ROOT).as_posix(): len(file.read_text(encoding="utf-8").splitlines())
        for file in sources()
    }
    assert lengths["orchestrator/loop.py"] <= MAX_LOOP_LINES
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


@pytest.mark.parametrize("module", ["orchestrator.loop", "agents.roster", "tasks.api"])
def test_importing_the_core_pulls_in_no_heavy_library(module: str) -> None:
    heavy = sorted({*HEAVY, "markitdown", "starlette", "httpx2"})
    program = f"import sys, {module}; print([n for n in {heavy!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
