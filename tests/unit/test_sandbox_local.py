"""The supervisor's whole protocol over a plain process, without engine or root tree."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.errors import SandboxFailed, ToolFailed
from sandbox.base import Box, Sandbox, SandboxSettings


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    chosen = SandboxSettings(launcher="unsafe-local", timeout_s=20, log=tmp_path / "log")
    async with Sandbox.open(chosen) as opened:
        yield opened


async def test_it_says_loudly_that_nothing_is_protected(box: Box) -> None:
    assert "NO isolation" in box.describe()
    assert not any(box.protections.values())


async def test_state_between_blocks_is_files_only(box: Box) -> None:
    await box.run("x = 5; open('kept', 'w').write(str(x))", "python")
    result = await box.run("import os; print(open('kept').read(), 'x' in globals())", "python")
    assert result.output == "5 False\n"
    await box.run("cd /; export SHOW=1", "bash")
    assert (await box.run('basename "$PWD"; echo "${SHOW:-unset}"', "bash")).output.split() == [
        "workspace",
        "unset",
    ]


async def test_files_changes_and_removals_are_reported(box: Box) -> None:
    await box.put("in/a.txt", b"abc")
    result = await box.run("mv in/a.txt b.txt; echo more >> b.txt", "bash")
    assert [(file.path, file.size) for file in result.changed] == [("b.txt", 8)]
    assert result.removed == ("in/a.txt",)
    assert await box.get("b.txt") == b"abcmore\n"
    with pytest.raises(ToolFailed, match="no such file"):
        await box.get("in/a.txt")


async def test_a_timeout_kills_what_escaped_into_a_session_of_its_own(
    box: Box, tmp_path: Path
) -> None:
    mark = tmp_path / "late"
    result = await box.run(f"setsid sh -c 'sleep 2; touch {mark}' & sleep 60", "bash", timeout_s=1)
    assert result.cause == "timeout"
    await asyncio.sleep(2)
    assert not mark.exists()


async def test_every_block_is_in_the_log_with_its_key(box: Box, tmp_path: Path) -> None:
    await box.run("true", "bash", key="round/1")
    await box.run("1/0", "python", key="round/2")
    lines = [json.loads(line) for line in (tmp_path / "log").read_text("utf-8").splitlines()]
    assert [(line["key"], line["language"]) for line in lines] == [
        ("round/1", "bash"),
        ("round/2", "python"),
    ]


async def test_its_folder_goes_away_and_a_closed_box_says_so() -> None:
    async with Sandbox.open(SandboxSettings(launcher="unsafe-local")) as box:
        folder = Path((await box.run("pwd", "bash")).output.strip())
        assert folder.is_dir()
    assert not folder.exists()
    with pytest.raises(SandboxFailed, match="closed"):
        await box.files()


async def test_text_documents_are_read_without_any_library(box: Box) -> None:
    await box.put("notes.md", b"# Title\nbody\n")
    document = await box.convert("notes.md")
    assert (document.kind, document.parts[0].anchor) == ("md", "lines 1-2")
