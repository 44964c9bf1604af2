"""Writes what a real run of the demo shows into README.md: `uv run python docs/make_transcript.py`.

Leaves out the lines of the workers' model calls and cuts long lines; changes nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- transcript -->\n", "<!-- /transcript -->"
LONGEST = 118
NOTE = "(The lines of the workers' model calls are left out here, and long lines are cut.)"


def main() -> int:
    """Run the demo in a home of its own; the exit code is that of the demo."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, "-m", "tasks.cli", "run", "--demo", "--plain"],
            cwd=ROOT,
            env={**os.environ, "QUAESTOR_HOME": home},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode == 0:
        readme = ROOT / "README.md"
        page = readme.read_text(encoding="utf-8")
        readme.write_text(with_transcript(page, done.stderr, done.stdout), encoding="utf-8")
    return done.returncode


def with_transcript(page: str, progress: str, answer: str) -> str:
    """The page with this run in it."""
    shown = [_cut(line) for line in progress.splitlines() if not _is_workers_call(line)]
    lines = ["```text", "$ quaestor run --demo", *shown, "", answer.rstrip(), "```", "", NOTE, ""]
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{chr(10).join(lines)}{END}{tail}"


def _is_workers_call(line: str) -> bool:
    return " model ok " in line and " lead " not in line


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST else line[: LONGEST - 3].rsplit(" ", 1)[0] + " ..."


if __name__ == "__main__":
    raise SystemExit(main())
