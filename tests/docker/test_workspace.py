"""The files of a run outlive its boxes: a killed one, and those of an earlier process."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
from sandbox_bench import containers, settings, until

from agents.coder import authored
from agents.open_box import LARGE_INPUTS
from agents.workspace import Workspace
from orchestrator.agent import Artifact
from orchestrator.blobs import Blobs
from orchestrator.errors import NotReady
from sandbox.base import Launcher, Span

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
    told = shown.text.splitlines()[0]
    assert "restarted" in told
    assert "put back (gone.txt, kept.txt)" in told
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


async def test_large_inputs_are_bound_read_only_and_take_none_of_the_boxs_memory(
    launcher: Launcher, tmp_path: Path
) -> None:
    blobs = Blobs(tmp_path)
    place = Workspace(settings(launcher, memory_bytes=200 << 20), blobs)
    content = (b"x" * 1023 + b"\n") * (LARGE_INPUTS * 2 >> 10)
    item = Artifact(path="inputs/big.txt", sha256=blobs.put(content), size=len(content))
    place.files[item.path] = item
    hog = "x = bytearray(120 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\n"
    look = "import os; print(os.path.getsize('inputs/big.txt'))\n"
    shown = await place.run(authored(f"{hog}{look}", "python"), "1")
    assert shown.text == f"{len(content)}\n".rstrip()
    change = "import os; os.chmod('inputs/big.txt', 0o777); open('inputs/big.txt', 'a')"
    refused = await place.run(authored(change, "python"), "2")
    assert "error, exit code 1" in refused.text
    async with place.reading() as box:
        found = await box.span("inputs/big.txt", Span("line", 100_000, 100_000))
        assert found.parts[0].text == "x" * 1023
    await place.close()


async def test_the_box_starts_before_it_is_needed_and_ends_though_it_never_was(
    tmp_path: Path,
) -> None:
    chosen = settings("docker")
    place = Workspace(chosen, Blobs(tmp_path))
    place.warm()
    await until(lambda: len(containers(chosen.run_id)) == 1, seconds=20)
    await place.close()
    assert containers(chosen.run_id) == []


async def test_a_box_that_cannot_start_is_told_when_it_is_needed(tmp_path: Path) -> None:
    place = Workspace(settings("docker", image="no-such-image-here"), Blobs(tmp_path))
    place.warm()
    for _ in range(2):
        with pytest.raises(NotReady, match="no-such-image-here"):
            await place.run(authored("true", "bash"), "1")
    await place.close()
