"""Boxes are cancelled, killed, lost and restarted; nothing is left behind and nothing hangs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from sandbox_bench import bash, bubblewraps, containers, processes, python, said, settings, until

from orchestrator.errors import NotReady, SandboxFailed
from sandbox.base import IMAGE, Box, Launcher, Sandbox, SandboxSettings, available, ready

ROOT = Path(__file__).resolve().parents[2]
HOST = """
import asyncio, sys
from sandbox.base import Sandbox, SandboxSettings
async def main():
    settings = SandboxSettings(launcher=sys.argv[1], run_id=sys.argv[2])
    async with Sandbox.open(settings) as box:
        print("open", flush=True)
        await box.run("setsid sleep 1000 & while true; do :; done", "bash", timeout_s=500)
asyncio.run(main())
"""


async def test_cancelling_the_call_stops_the_block_and_keeps_the_files(box: Box) -> None:
    call = asyncio.create_task(bash(box, "echo half > half; sleep 1000 & sleep 1000"))
    await asyncio.sleep(0.5)
    started = time.monotonic()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert time.monotonic() - started < 2
    assert await box.get("half") == b"half\n"
    assert await processes(box) == []
    assert box.restarts == 0


async def test_cancel_ends_the_running_block_with_that_cause(box: Box) -> None:
    call = asyncio.create_task(bash(box, "echo begun; sleep 1000"))
    await asyncio.sleep(0.5)
    await box.cancel()
    result = await call
    assert (result.cause, result.output) == ("cancelled", "begun\n")
    await box.cancel()  # nothing runs: nothing happens
    assert await said(box, "print(1)") == "1"


async def test_calls_made_at_the_same_time_are_served_one_after_the_other(box: Box) -> None:
    results = await asyncio.gather(*(said(box, f"print({number})") for number in range(8)))
    assert results == [str(number) for number in range(8)]


async def test_a_cancelled_transfer_leaves_the_stream_in_step(box: Box) -> None:
    call = asyncio.create_task(box.put("big", b"x" * 80_000_000))
    await asyncio.sleep(0.01)
    call.cancel()
    with suppress(asyncio.CancelledError):
        await call
    assert await said(box, "print(2)") == "2"


async def test_a_killed_box_is_a_result_then_a_restart_that_says_so() -> None:
    chosen = settings("docker")
    async with Sandbox.open(chosen) as box:
        await box.put("gone", b"x")
        call = asyncio.create_task(bash(box, "sleep 1000"))
        await asyncio.sleep(0.5)
        (name,) = containers(chosen.run_id)
        subprocess.run(["docker", "kill", name], check=True, capture_output=True)
        result = await call
        assert (result.cause, result.exit_code) == ("killed", None)
        assert "died" in result.output
        result = await bash(box, "ls; echo alive")
        assert "restarted" in result.output.splitlines()[0]
        assert result.output.endswith("\nalive\n")
        assert box.restarts == 1
        assert await box.files() == ()
        assert "restarted" not in (await bash(box, "true")).output


async def test_a_killed_bubblewrap_box_is_restarted_too() -> None:
    async with Sandbox.open(settings("bubblewrap")) as box:
        await said(box, "print(1)")
        inside = [pid for pid in _descendants(os.getpid()) if _runs_supervisor(pid)]
        assert len(inside) == 2  # bwrap and PID 1
        for pid in inside:
            os.kill(pid, signal.SIGKILL)
        with suppress(SandboxFailed):
            await box.files()
        assert "alive" in (await bash(box, "echo alive")).output
        assert box.restarts == 1


async def test_when_the_host_process_is_killed_its_box_is_gone_within_a_second(
    launcher: Launcher,
) -> None:
    run_id = f"killed{os.getpid()}{launcher}"
    command = [sys.executable, "-c", HOST, launcher, run_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"open\n"
        tree = _descendants(host.pid)
        time.sleep(0.3)
        tree |= _descendants(host.pid)
        host.kill()
        host.wait()
        if launcher == "docker":
            await until(lambda: containers(run_id) == [], seconds=1.5)
        else:
            assert tree
            await until(lambda: not any(map(_alive, tree)), seconds=1.0)


async def test_what_dead_processes_left_on_the_engine_is_swept_at_the_next_start() -> None:
    from sandbox import owner
    from sandbox.engine import Engine

    labels = {"quaestor.owner": owner.place(), "quaestor.run": "sweep-test"}
    for process, stays in (("999999@1", False), (owner.process(), True)):
        marks = [f"--label={key}={value}" for key, value in labels.items()]
        made = ["docker", "create", *marks, f"--label=quaestor.process={process}", IMAGE, "true"]
        subprocess.run(made, check=True, capture_output=True)
        await ready(settings("docker"))
        left = containers("sweep-test")
        assert bool(left) is stays
        for name in left:
            Engine.find().remove(name)


async def test_an_interrupted_start_leaves_nothing(launcher: Launcher) -> None:
    for delay in (0.0, 0.02, 0.05, 0.1, 0.2, 0.3):
        chosen = settings(launcher)

        async def start(chosen: SandboxSettings = chosen) -> None:
            async with Sandbox.open(chosen):
                await asyncio.sleep(1000)

        call = asyncio.create_task(start())
        await asyncio.sleep(delay)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert containers(chosen.run_id) == [], delay
    await until(lambda: not _descendants(os.getpid()) & {*bubblewraps("OPENBLAS")}, seconds=2)


async def test_a_closed_box_says_so_and_is_gone(launcher: Launcher) -> None:
    chosen = settings(launcher)
    async with Sandbox.open(chosen) as box:
        pass
    with pytest.raises(SandboxFailed, match="closed"):
        await said(box, "print(1)")
    assert containers(chosen.run_id) == []


async def test_closing_takes_no_time_even_while_a_block_runs(launcher: Launcher) -> None:
    async with asyncio.TaskGroup() as group:
        async with Sandbox.open(settings(launcher)) as box:
            running = group.create_task(bash(box, "trap '' TERM; sleep 1000"))
            await asyncio.sleep(0.3)
            started = time.monotonic()
        assert time.monotonic() - started < 3
        assert (await running).cause == "killed"


async def test_the_log_has_a_line_before_the_block_starts(
    launcher: Launcher, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    async with Sandbox.open(settings(launcher, log=log, run_id="r1")) as box:
        call = asyncio.create_task(box.run("sleep 1000", "bash", key="round/1/a"))
        await asyncio.sleep(0.5)
        (line,) = map(json.loads, log.read_text(encoding="utf-8").splitlines())
        assert (line["run"], line["key"], line["language"]) == ("r1", "round/1/a", "bash")
        assert len(line["sha256"]) == 64
        await box.cancel()
        await call
        await box.run("true", "bash", key="round/2/a")
    assert len(log.read_text(encoding="utf-8").splitlines()) == 2


async def test_output_and_exit_code_of_a_traceback_read_well(box: Box) -> None:
    result = await python(box, "x = 1\nprint('before')\nx / 0\n")
    assert result.output.startswith("before\nTraceback")
    assert "    x / 0\n" in result.output
    assert result.output.endswith("ZeroDivisionError: division by zero\n")
    assert result.exit_code == 1


async def test_the_libraries_and_programs_that_are_promised_are_there(box: Box) -> None:
    modules = "numpy, pandas, matplotlib, openpyxl, PIL, requests, bs4, duckdb, pytz, networkx"
    more = "pyarrow, maxminddb, ua_parser, tldextract, charset_normalizer, markitdown, scipy, sympy"
    code = (
        f"import {modules}, {more}\nimport matplotlib.pyplot as p\np.plot([1]); p.savefig('p.png')"
    )
    result = await python(box, code, timeout_s=60)
    assert (result.cause, result.output) == ("ok", "")
    programs = "git jq rg pdftotext sqlite3 tesseract python3 python bash tar unzip"
    missing = await bash(box, f"for p in {programs}; do command -v $p >/dev/null || echo $p; done")
    assert missing.output in ("", "unzip\n")
    assert (await bash(box, "python -c 'import numpy; print(1)'")).output == "1\n"


async def test_the_only_way_out_is_the_proxys_socket(launcher: Launcher, tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).splitlines()[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    outlet = tmp_path / "outlet.sock"
    async with await asyncio.start_unix_server(proxy, outlet):
        outlet.chmod(0o666)
        async with Sandbox.open(settings(launcher, proxy_socket=outlet)) as box:
            fetch = "import urllib.request as u; print(u.urlopen('http://example.test/x').read())"
            assert await said(box, fetch) == "b'hello'"
            assert await said(box, fetch) == "b'hello'"
            direct = "import socket; socket.create_connection(('1.1.1.1', 80), 1)"
            assert (await python(box, direct)).cause == "error"
    assert asked == [b"GET http://example.test/x HTTP/1.1"] * 2


async def test_a_missing_image_or_tree_is_named_with_the_command_that_mends_it(
    tmp_path: Path,
) -> None:
    with pytest.raises(NotReady) as missing:
        await ready(settings("docker", image="no-such-image-here"))
    assert "quaestor sandbox build" in str(missing.value.fix)
    with pytest.raises(NotReady) as missing:
        await ready(settings("bubblewrap", root_tree=tmp_path / "nothing"))
    assert "quaestor sandbox build" in str(missing.value.fix)
    assert set(await available()) == {"docker", "bubblewrap"}


async def test_without_an_engine_the_error_says_what_was_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(NotReady) as missing:
        await ready(settings("docker"))
    assert "none.sock" in missing.value.message
    assert "--sandbox bubblewrap" in str(missing.value.fix)


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for place in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, place.read_text(encoding="ascii").split()):
                found |= {child} | _descendants(child)
    return found


def _runs_supervisor(pid: int) -> bool:
    return b"sandbox.supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes()


def _alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2][1] != "Z"
    return False
