"""Files go in and out; names, links and pipes that hostile code leaves lead nowhere."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest
import pytest_asyncio
from sandbox_bench import bash, python, settings

from orchestrator.errors import ToolFailed
from sandbox.base import Box, Launcher, Sandbox

OUTSIDE = ("../x", "/etc/passwd", "a/../../x", "", "/workspace/../etc/passwd", "a//b", "./../x")
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def box(emptied: Box) -> Box:
    """One box for all of them: each finds it empty."""
    return emptied


async def test_large_files_make_the_round_trip_quickly_and_whole(box: Box) -> None:
    content = os.urandom(48_000_000)
    started = time.monotonic()
    await box.put("deep/er/big.bin", content, mode=0o755)
    assert await box.get("/workspace/deep/er/big.bin") == content
    assert time.monotonic() - started < 5
    (entry,) = await box.files()
    assert entry.path == "deep/er/big.bin"
    assert entry.sha256 == hashlib.sha256(content).hexdigest()
    assert (entry.size, entry.mode) == (48_000_000, 0o755)


async def test_a_result_lists_exactly_what_its_block_changed_and_removed(box: Box) -> None:
    await box.put("given", b"given")
    await box.put("old", b"old")
    result = await bash(box, "echo new > new; rm old; mkdir -p d; echo x > d/x; cat given")
    assert {file.path for file in result.changed} == {"new", "d/x"}
    assert result.removed == ("old",)
    assert result.changed[-1].sha256 == hashlib.sha256(b"new\n").hexdigest()
    result = await bash(box, "printf GIVEN > given; chmod +x new")
    assert {(file.path, file.mode) for file in result.changed} == {("given", 0o644), ("new", 0o755)}
    assert (await bash(box, "true")).changed == ()


async def test_a_rewrite_of_the_same_size_is_seen_however_quick_it_is(box: Box) -> None:
    for number in range(20):
        result = await bash(box, f"printf {number:04} > f")
        assert [file.path for file in result.changed] == ["f"], number


@pytest.mark.parametrize("path", OUTSIDE)
async def test_paths_outside_the_workspace_are_refused(box: Box, path: str) -> None:
    with pytest.raises(ToolFailed):
        await box.get(path)
    with pytest.raises(ToolFailed):
        await box.put(path, b"x")
    assert box.restarts == 0


async def test_links_pipes_folders_and_missing_files_cannot_be_read(box: Box) -> None:
    await bash(
        box,
        "ln -s /etc/passwd link; ln -s . here; mkfifo pipe; mkdir folder; echo x > file;"
        "ln -s /etc etc; python3 -c \"import socket; socket.socket(1).bind('sock')\"",
    )
    for path in ("link", "here/file", "pipe", "folder", "missing", "etc/passwd", "file/x", "sock"):
        started = time.monotonic()
        with pytest.raises(ToolFailed):
            await box.get(path)
        assert time.monotonic() - started < 2, path
    assert [file.path for file in await box.files()] == ["file"]


async def test_writing_replaces_a_link_and_never_follows_one(box: Box) -> None:
    await bash(box, "echo victim > /tmp/victim; ln -s /tmp/victim link; ln -s /tmp out; mkfifo p")
    await box.put("link", b"mine")
    await box.put("p", b"was a pipe")
    with pytest.raises(ToolFailed):
        await box.put("out/planted", b"x")
    result = await bash(box, "cat /tmp/victim link p; ls /tmp")
    assert result.output.startswith("victim\nminewas a pipe")
    assert "planted" not in result.output


async def test_a_write_that_does_not_fit_is_refused_and_the_box_stays_in_step(box: Box) -> None:
    await bash(box, "head -c 500000000 /dev/zero > filler")
    with pytest.raises(ToolFailed, match="space"):
        await box.put("more", b"x" * 60_000_000)
    await bash(box, "rm filler")
    await box.put("more", b"fits now")
    assert await box.get("more") == b"fits now"
    assert box.restarts == 0


async def test_names_that_do_not_belong_in_a_journal_are_counted_not_listed(box: Box) -> None:
    code = r"""
import os
for name in (b"line\nbreak", b"\xff\xfe", b"esc\x1b[31m", b"good"):
    open(name, "w").write("x")
os.makedirs("/".join(["d"] * 200)); open("/".join(["d"] * 200) + "/deep", "w")
"""
    result = await python(box, code)
    assert [file.path for file in result.changed] == ["good"]
    assert "4 files are not kept" in result.output


async def test_names_that_no_journal_holds_are_refused_and_those_of_any_script_are_kept(
    box: Box,
) -> None:
    too_long, too_deep = "x" * 300, "/".join(["d"] * 100)
    for path in ("line\nbreak", "esc\x1b[31m", "c1\x9b31m", "\udcff", too_long, too_deep):
        with pytest.raises(ToolFailed):
            await box.put(path, b"x")
        with pytest.raises(ToolFailed):
            await box.get(path)
    for path in ("\u202etxt.exe", "\u0645\u0644\u0641/\u6587\u4ef6 1.txt", "y" * 255):
        await box.put(path, path.encode())
        assert await box.get(path) == path.encode()
    assert len(await box.files()) == 3
    assert box.restarts == 0


async def test_huge_sparse_files_do_not_stall_the_listing(box: Box) -> None:
    result = await bash(box, "for i in $(seq 40); do truncate -s 1G s$i; done")
    assert result.cause == "ok"
    started = time.monotonic()
    listed = await box.files()
    assert time.monotonic() - started < 10
    assert len(listed) == 40
    assert sum(file.sha256 == "" for file in listed) >= 38


async def test_unreadable_files_are_no_trouble(box: Box) -> None:
    result = await bash(box, "echo x > locked; mkdir shut; echo x > shut/x; chmod 0 locked shut")
    assert result.cause == "ok"
    with pytest.raises(ToolFailed):
        await box.get("locked")
    assert (await bash(box, "chmod 700 locked shut; cat locked shut/x")).output == "x\nx\n"


async def test_inputs_are_shown_read_only_and_stay_out_of_the_listing(
    launcher: Launcher, tmp_path: Path
) -> None:
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "table.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    async with Sandbox.open(settings(launcher, inputs=inputs)) as box:
        result = await bash(box, "cat inputs/table.csv; echo x > inputs/table.csv; rm -rf inputs/*")
        assert result.output.startswith("a,b\n1,2\n")
        assert "Read-only" in result.output
        assert await box.get("inputs/table.csv") == b"a,b\n1,2\n"
        assert await box.files() == ()
    assert (inputs / "table.csv").read_text(encoding="utf-8") == "a,b\n1,2\n"
