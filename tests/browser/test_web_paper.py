"""What `docs/web.md` promises: its example runs, and its table of tools is that of the tools."""

from __future__ import annotations

import asyncio
import re
import runpy
import sys
from pathlib import Path

from browser.hard_pages import serving

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "docs" / "web.md"


async def test_the_example_runs_as_it_stands(tmp_path: Path) -> None:
    found = re.search(r"```python\n(.+?)```", PAPER.read_text(encoding="utf-8"), re.S)
    assert found is not None
    program = tmp_path / "example.py"
    program.write_text(found[1], encoding="utf-8")
    with serving() as site:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, program, site.url("/plain")),
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = (part.decode() for part in await process.communicate())
    assert process.returncode == 0, errors
    assert "It costs 12.50 EUR." in out
    assert "You came through a link." in out
    assert "failed: there is no [999]" in out


def test_the_table_of_tools_is_current() -> None:
    written = PAPER.read_text(encoding="utf-8")
    maker = runpy.run_path(str(ROOT / "docs" / "make_web_reference.py"))
    assert maker["with_table"](written) == written, "run: python docs/make_web_reference.py"
