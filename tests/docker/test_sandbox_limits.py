"""Hostile or clumsy code uses too much of everything; the box stays usable and names the cause."""

from __future__ import annotations

import time

import pytest
from sandbox_bench import bash, processes, python, said, settings

from sandbox.base import Box, Launcher, Sandbox


async def test_a_memory_bomb_is_killed_with_its_cause_and_the_files_stay(box: Box) -> None:
    await box.put("kept", b"x")
    hog = "x = bytearray(3 << 30)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint('SURVIVED')"
    result = await python(box, hog)
    assert result.cause == "out_of_memory"
    assert "SURVIVED" not in result.output
    assert [file.path for file in await box.files()] == ["kept"]
    assert box.restarts == 0


async def test_memory_that_is_mapped_as_shared_is_memory_too(box: Box) -> None:
    hog = "import mmap\nx = mmap.mmap(-1, 3 << 30)\n"
    result = await python(box, f"{hog}for i in range(0, len(x), 4096): x[i] = 1\nprint('SURVIVED')")
    assert result.cause == "out_of_memory"
    assert "SURVIVED" not in result.output
    assert box.restarts == 0


async def test_memory_is_counted_over_all_processes(box: Box) -> None:
    code = """
import os, time
for _ in range(8):
    if not os.fork():
        x = bytearray(200 << 20)
        for i in range(0, len(x), 4096): x[i] = 1
        time.sleep(5)
        os._exit(0)
failed = [os.waitpid(-1, 0)[1] for _ in range(8)]
raise SystemExit(any(failed))
"""
    result = await python(box, code)
    assert result.cause == "out_of_memory"


async def test_memory_shared_after_a_fork_is_counted_once(box: Box) -> None:
    code = """
import os, time
x = bytearray(300 << 20)
for i in range(0, len(x), 4096): x[i] = 1
for _ in range(8):
    if not os.fork():
        time.sleep(1)
        os._exit(0)
print([os.waitpid(-1, 0)[1] for _ in range(8)])
"""
    assert await said(box, code) == str([0] * 8)


async def test_a_fork_bomb_is_stopped_with_its_cause(box: Box) -> None:
    result = await python(box, "import os\nwhile True: os.fork()", timeout_s=60)
    assert result.cause == "too_many_processes"
    assert await processes(box) == []


async def test_a_fork_bomb_that_never_gives_up_ends_at_the_timeout(box: Box) -> None:
    bomb = """
import os
while True:
    try:
        if not os.fork(): os.setsid()
    except OSError:
        pass
"""
    started = time.monotonic()
    result = await python(box, bomb, timeout_s=2)
    assert result.cause == "timeout"
    assert time.monotonic() - started < 12
    assert await processes(box) == []
    assert box.restarts == 0


async def test_an_endless_loop_ends_at_its_timeout_with_its_children(box: Box) -> None:
    result = await bash(box, "trap '' TERM INT; sleep 1000 & while true; do :; done", timeout_s=1)
    assert (result.cause, result.exit_code) == ("timeout", None)
    assert 0.9 < result.duration_s < 3
    assert await processes(box) == []


async def test_what_a_block_leaves_in_the_background_dies_with_it_at_once(box: Box) -> None:
    daemon = "setsid nohup bash -c 'trap \"\" HUP; sleep 1000' >/dev/null 2>&1 &"
    holder = "(sleep 1000; echo late) &"
    result = await bash(box, f"{daemon}\n{holder}\necho said")
    assert (result.cause, result.output) == ("ok", "said\n")
    assert result.duration_s < 1
    assert await processes(box) == []


async def test_a_gigabyte_of_output_is_bounded_and_keeps_both_ends(box: Box) -> None:
    code = "echo begin; head -c 1000000000 /dev/zero | tr '\\0' x; echo; echo end"
    result = await bash(box, code, timeout_s=60)
    assert result.cause == "ok"
    assert result.truncated
    assert result.output.startswith("begin\nxxx")
    assert result.output.endswith("xxx\nend\n")
    assert len(result.output) < 66_000
    assert "bytes left out" in result.output


async def test_binary_output_becomes_harmless_text(box: Box) -> None:
    code = (
        "import os, sys; sys.stdout.buffer.write(os.urandom(2000) + bytes(range(256))"
        " + b'\\x1b]0;title\\x07\\x1b[31mred\\x1b[0m\\r\\nend')"
    )
    result = await python(box, code)
    assert result.output.endswith("red\nend")
    assert not [char for char in result.output if ord(char) < 32 and char not in "\n\t"]


async def test_the_workspace_has_a_quota(box: Box) -> None:
    fill = "head -c 900000000 /dev/zero > big || echo refused; rm -f big; echo ok > small"
    result = await bash(box, fill)
    assert "refused" in result.output
    assert await box.get("small") == b"ok\n"


async def test_a_single_file_has_a_limit_that_is_named_as_the_cause(box: Box) -> None:
    result = await bash(box, "exec truncate -s 3G sparse")
    assert result.cause == "limit"


async def test_shared_memory_and_scratch_space_are_bounded(box: Box) -> None:
    code = "for d in /dev/shm /tmp; do head -c 300000000 /dev/zero > $d/x || echo refused; done"
    assert (await bash(box, code)).output.count("refused") == 2


async def test_the_processor_share_is_limited_by_the_engine() -> None:
    burn = """
import os, time
for _ in range(2):
    if not os.fork():
        end = time.monotonic() + 1.5
        while time.monotonic() < end: pass
        os._exit(0)
for _ in range(2): os.wait()
print(sum(os.times()[2:4]))
"""
    async with Sandbox.open(settings("docker", cpus=0.5)) as box:
        assert float(await said(box, burn)) < 1.2


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("language", ["ruby", "", "python; rm -rf /", "../python"])
async def test_an_unknown_language_gets_an_answer_that_names_the_known_ones(
    shared_box: Box, language: str
) -> None:
    result = await shared_box.run("1", language)
    assert (result.cause, result.exit_code) == ("error", None)
    assert "bash, python" in result.output


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("language", ["python", "Python3", "py", "bash", "sh", "shell"])
async def test_the_usual_names_of_the_known_languages_work(shared_box: Box, language: str) -> None:
    code = "echo hello" if "sh" in language else "print('hello')"
    assert (await shared_box.run(code, language)).output == "hello\n"


async def test_exit_codes_and_signals_are_reported_as_a_shell_would(box: Box) -> None:
    for code, exit_code, cause in (
        ("exit 3", 3, "error"),
        ("kill -9 $$", 137, "killed"),
        ("kill -SEGV $$", 139, "error"),
        ("no-such-program", 127, "error"),
        ("true", 0, "ok"),
    ):
        result = await bash(box, code)
        assert (result.exit_code, result.cause) == (exit_code, cause), code


async def test_a_box_of_another_size_has_that_size(launcher: Launcher) -> None:
    small = settings(launcher, memory_bytes=256 << 20, pids=24, output_bytes=1000)
    async with Sandbox.open(small) as box:
        hog = "x = bytearray(400 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1"
        assert (await python(box, hog)).cause == "out_of_memory"
        many = "import os, time\nfor _ in range(40): os.fork() or time.sleep(9)"
        assert (await python(box, many, timeout_s=9)).cause == "too_many_processes"
        assert len((await bash(box, "seq 100000")).output) < 1100
