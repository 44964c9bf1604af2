"""Units of a batch with real boxes: what a killed scheduler leaves of them, and what their programs
can find of gold."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from batch_play import batch_cli, results, wait_until_nothing_is_left
from cli_process import LONG_S, Cli
from harness import assign, finish
from openai_server import from_request_policy, serve

from orchestrator.models.llm import Completion, Request, ToolCall

HANG = "import time; print('began', flush=True); time.sleep(1000)"
HUNT = """
import os, pathlib
found = []
for root, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if (root, name) not in (("/", "sys"), ("/", "dev"))]
    for name in files:
        path = pathlib.Path(root, name)
        try:
            if path.is_file() and path.stat().st_size < 1 << 20:
                found += [str(path)] if b"canary-" + b"gold" in path.read_bytes() else []
        except OSError:
            pass
print("found", len(found), "files with gold", found[:3])
"""
PROGRAMS = {"hang": HANG, "hunt": HUNT}


def policy(request: Request) -> Completion | str:
    """The lead asks the Coder for a program by name; the Coder knows it, and reports its output."""
    told = "\n".join(message.content for message in request.messages)
    if not request.tools:
        seen = re.search(r"found (\d+) files with gold", told)
        return finish(f"{seen[1]} files") if seen else assign(("Coder", word_of(told)))
    shown = re.search(r"found \d+ files with gold.*", told)
    if shown:
        return call("report", status="done", summary=shown[0])
    return call("run", code=PROGRAMS[word_of(told)], language="python")


def word_of(told: str) -> str:
    found = re.search(r"\b(hang|hunt)\b", told)
    assert found
    return found[1]


def call(name: str, **arguments: object) -> Completion:
    made = ToolCall(id="c1", name=name, arguments=json.dumps(arguments))
    return Completion(text="", tool_calls=(made,))


def boxed(folder: Path, base_url: str, launcher: str) -> tuple[Cli, list[str]]:
    cli = batch_cli(folder, base_url)
    cli.user_config.unlink()
    model = ["--model", "scripted", "--base-url", base_url, "--no-web", "--no-verify"]
    return cli, [*model, "--sandbox", launcher]


def written(folder: Path, **tasks: str) -> Path:
    path = folder / "tasks.jsonl"
    rows = [{"id": name, "input": text, "gold": "canary-gold"} for name, text in tasks.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def containers(run: str) -> list[str]:
    command = ["docker", "ps", "-aq", "--filter", f"label=quaestor.run={run}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("launcher", ["docker", "bubblewrap"])
def test_a_killed_scheduler_leaves_no_box_behind(tmp_path: Path, launcher: str) -> None:
    tasks = written(tmp_path, hang="Run the program hang.")
    with serve(from_request_policy(policy)) as server:
        cli, flags = boxed(tmp_path, server.base_url, launcher)
        process = cli.start("batch", "run", str(tasks), *flags)
        boxes = cli.home / "sandbox.jsonl"
        until = time.monotonic() + LONG_S
        try:
            while not (boxes.is_file() and "started" in boxes.read_text()):
                assert process.poll() is None
                assert time.monotonic() < until, "the program never began"
                time.sleep(0.05)
            run = json.loads(boxes.read_text().splitlines()[0])["run"]
            assert launcher != "docker" or containers(run)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        wait_until_nothing_is_left(tmp_path / "temp")
        while launcher == "docker" and containers(run):
            assert time.monotonic() < until + LONG_S, "its container is still there"
            time.sleep(0.1)


def test_a_program_in_the_box_of_a_unit_finds_no_gold(tmp_path: Path) -> None:
    tasks = written(tmp_path, hunt="Run the program hunt.")
    with serve(from_request_policy(policy)) as server:
        cli, flags = boxed(tmp_path, server.base_url, "docker")
        done = cli("batch", "run", str(tasks), *flags)
        assert done.returncode == 0, done.stderr
    assert results(cli)[0]["answer"] == "0 files"
