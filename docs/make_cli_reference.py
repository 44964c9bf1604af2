"""Writes `docs/cli.md` from the command's own help: `python docs/make_cli_reference.py`.

With `--check` it writes nothing and ends with 1 when the page is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

from typer.testing import CliRunner

from tasks.cli.main import app

PAGE = Path(__file__).parent / "cli.md"
COMMANDS = (
    "run", "resume", "replay", "plan", "runs", "show", "why", "watch", "tell", "inbox", "answer",
    "pause", "cancel", "batch run", "batch status", "batch list", "batch resume", "batch retry",
    "batch cancel", "batch results", "bench run", "bench resume",
    "bench score", "bench add", "bench export",
    "bench check", "bench report", "bench compare", "bench estimate", "bench gate",
    "forensics init", "forensics check", "forensics run", "forensics status", "forensics report",
    "forensics verify", "forensics bundle", "forensics review", "forensics share",
    "forensics calibrate",
    "export", "gc", "purge", "sandbox build", "doctor", "models probe", "models presets",
    "config show", "config path", "config check",
)  # fmt: skip
HEAD = """# The command line

This page is made from the command's own help by `docs/make_cli_reference.py`.

Standard output holds the answer and nothing else, or with `--json` one JSON record per line: first
`started`, then the journal's events with the number that each has there (`seq`), last exactly one
`outcome`. Progress, warnings and errors are on standard error. Without a terminal nothing ever
waits for input.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, _section(())]
    parts += [_section(tuple(name.split())) for name in COMMANDS]
    return "\n".join(parts)


def main() -> int:
    """Write the page, or check it."""
    text = page()
    if "--check" in sys.argv[1:]:
        return int(PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


def _section(words: tuple[str, ...]) -> str:
    name = " ".join(("quaestor", *words))
    return f"## {name}\n\n```text\n{_help(words)}```\n"


def _help(words: tuple[str, ...]) -> str:
    wide = {"prog_name": "quaestor", "terminal_width": 94}
    done = CliRunner().invoke(app, [*words, "--help"], **wide)
    if done.exit_code:
        raise SystemExit(f"quaestor {' '.join(words)} --help fails: {done.output}")
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines()) + "\n"


if __name__ == "__main__":
    sys.exit(main())
