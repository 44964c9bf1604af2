"""The files of a run outlive its boxes: a killed one, and those of an earlier process."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

from sandbox_bench import containers, settings

from agents.coder import authored
from agents.workspace import Workspace
from orchestrator.blobs import Blobs
from sandbox.base import Launcher

MAKE = "open('kept.txt', 'w').write('kept'); open('gone.txt', 'w')"
SHOW = "import os; print(sorted(os.listdir('.')), open('kept.txt').read())"


async def test_a_box_killed_during_a_block_is_replaced_with_the_files_in_it(tmp_path: Path) -> None:
    chosen = settings("docker")
    place = Workspace(chosen, Blobs(tmp_path))
    await place.run(authored(MAKE, "python"), "1")
    block = asyncio.create_task(place.run(authored("sleep 100", "bash"), "2"))
    await asyncio.sleep(0.7)
    (name,) = containers(chosen.run_id)
    subprocess.run(["docker", "kill", name], check=True, capture_output=True)
    assert "killed" in (await block).text
    shown = await place.run(authored(SHOW, "python"), "3")
    assert "['gone.txt', 'kept.txt'] kept" in shown.text
    await place.close()


async def test_a_resumed_run_finds_what_its_recorded_blocks_left(
    launcher: Launcher, tmp_path: Path
) -> None:
    before = Workspace(settings(launcher), Blobs(tmp_path))
    made = await before.run(authored(MAKE, "python"), "1")
    removed = await before.run(authored("rm gone.txt", "bash"), "2")
    await before.close()
    after = Workspace(settings(launcher), Blobs(tmp_path))
    for recorded in (made, removed):
        after.recall(recorded)
    shown = await after.run(authored(SHOW, "python"), "3")
    assert "['kept.txt'] kept" in shown.text
    await after.close()
