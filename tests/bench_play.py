"""A suite of sums for benchmark runs, and how its commands are called."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from cli_process import LONG_S, Cli

COUNT = 6


def suite_of(folder: Path, count: int = COUNT, **more: Any) -> Path:
    """Sums, the last one with a gold that nobody can find."""
    rows = [
        {"id": f"sum/{number}", "input": f"Add {number} and {3 * number}.",
         "gold": str(4 * number) if number < count else "canary-0123456789ab",
         "level": number % 2, **more}
        for number in range(1, count + 1)
    ]  # fmt: skip
    path = folder / "gold" / "sums.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def bench(cli: Cli, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A bench command, which may take long on a loaded machine."""
    process = cli.start("bench", *arguments)
    out, err = process.communicate(timeout=10 * LONG_S)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def records(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]
