"""The help: quick, complete, and the same as the page in docs."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import Cli

ROOT = Path(__file__).parents[2]
HEAVY = {
    "playwright", "docker", "markitdown", "openai", "ray", "starlette", "sqlalchemy",
    "opentelemetry", "pydantic",
}  # fmt: skip


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    made = Cli(tmp_path)
    made.prepare()
    return made


def test_help_imports_nothing_heavy(cli: Cli) -> None:
    script = (
        "import sys\n"
        "from tasks.cli.main import run_command\n"
        "code = run_command(['--help'])\n"
        "tops = sorted({name.partition('.')[0] for name in sys.modules})\n"
        "sys.stderr.write(' '.join([str(code), *tops]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=cli.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    code, *modules = done.stderr.split()
    assert code == "0"
    assert "typer" in modules
    assert not HEAVY & set(modules)


def test_help_is_on_stdout_with_the_exit_codes(cli: Cli) -> None:
    done = cli("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for code in ("0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "70 ", "130 ", "143 "):
        assert f"\n    {code}" in done.stdout
    assert "quaestor" in cli("--version").stdout
    nothing = cli()
    assert (nothing.returncode, nothing.stderr) == (2, "")
    assert nothing.stdout == done.stdout


def test_the_reference_page_is_what_the_command_says() -> None:
    reference = runpy.run_path(str(ROOT / "docs" / "make_cli_reference.py"))
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert reference["page"]() == written, "run: python docs/make_cli_reference.py"


def test_the_reference_page_leaves_no_command_out(cli: Cli) -> None:
    reference = runpy.run_path(str(ROOT / "docs" / "make_cli_reference.py"))
    listed = cli("--help").stdout.partition("Commands:")[2].partition("Exit codes")[0]
    names = {
        line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line.split()
    }
    assert names == {name.split()[0] for name in reference["COMMANDS"]}
