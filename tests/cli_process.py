"""Runs the real command as a process, in a home and a project folder of its own.

The model is the scripted server; the environment holds nothing but what a test puts there.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import forked_command
from harness import assign, finish

from orchestrator.models.llm import Completion, Request, ToolCall

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "tasks.cli"]
LONG_S = 120.0
SHOP = '''
import os, sys, time
from pathlib import Path


def order(item: str) -> str:
    """Order an item."""
    print("a stray print")
    os.write(1, b"a stray write\\n")
    with Path(os.environ["SHOP_LOG"]).open("a") as log:
        log.write(item + "\\n")
    return f"ordered {item} as number 4711"


class Broken:
    name = "Broken"

    def __init__(self, parts):
        raise RuntimeError("a bug in a constructor")
'''


@dataclass(slots=True)
class Cli:
    """A home, a folder to stand in, and the flags that every run needs."""

    folder: Path
    base_url: str = "http://127.0.0.1:9/v1"
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def user_config(self) -> Path:
        return self.folder / "config" / "quaestor" / "quaestor.toml"

    def flags(self) -> list[str]:
        """A model that is there, and nothing heavy."""
        model = ["--model", "scripted", "--base-url", self.base_url]
        return [*model, "--no-web", "--sandbox", "unsafe-local"]

    def environment(self) -> dict[str, str]:
        """A small environment, so that the developer's own settings cannot leak in."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "QUAESTOR_HOME": str(self.home),
            "PYTHONPATH": f"{ROOT}:{self.folder}",
            "SHOP_LOG": str(self.folder / "shop.log"),
            "TERM": "dumb",
            **self.environ,
        }

    def prepare(self) -> None:
        """Make the folders, and a package that configuration can name."""
        self.project.mkdir(parents=True)
        (self.project / ".git").mkdir()
        (self.folder / "acme_shop.py").write_text(SHOP, encoding="utf-8")

    def configure(self, text: str) -> None:
        """Write the user's own configuration."""
        self.user_config.parent.mkdir(parents=True, exist_ok=True)
        self.user_config.write_text(text, encoding="utf-8")

    def __call__(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return forked_command.run(arguments, self.environment(), self.project, stdin, LONG_S)

    def work(self, *arguments: str, task: str = "Capital?") -> subprocess.CompletedProcess[str]:
        """`quaestor run TASK` with the usual flags."""
        return self("run", task, *self.flags(), *arguments)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.project,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def records(self, done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
        """The JSON lines of a finished command; anything else on stdout is an error."""
        return [json.loads(line) for line in done.stdout.splitlines()]

    def newest(self) -> str:
        """The id of the newest run."""
        listed = self("runs", "--json", "-n", "1")
        return str(json.loads(listed.stdout)["run"])


@dataclass(slots=True)
class Terminal:
    """A command on a pseudo terminal, as a person sees it."""

    process: subprocess.Popen[bytes]
    descriptor: int
    seen: str = ""

    def wait_for(self, pattern: str, seconds: float = LONG_S) -> str:
        """Read until a pattern shows."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            if time.monotonic() > deadline or not self._read():
                raise AssertionError(f"{pattern!r} never showed; seen:\n{self.seen}")
        return found[0]

    def type(self, text: str) -> None:
        """Type at the keyboard."""
        os.write(self.descriptor, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self.descriptor, b"\x03")

    def finish(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        return self.process.wait(LONG_S)

    def _read(self) -> bool:
        ready, _, _ = select.select([self.descriptor], [], [], 1.0)
        if not ready:
            return self.process.poll() is None
        try:
            chunk = os.read(self.descriptor, 65536)
        except OSError:  # how Linux says that the other side was closed
            return False
        self.seen += chunk.decode("utf-8", "replace")
        return bool(chunk)


@contextmanager
def on_terminal(cli: Cli, *arguments: str) -> Iterator[Terminal]:
    """Run a command on a pseudo terminal of its own session."""
    parent, child = pty.openpty()
    environ = {**cli.environment(), "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(
        [sys.executable, "-c", LEADER, *COMMAND, *arguments],
        cwd=cli.project,
        env=environ,
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,
    )
    os.close(child)
    try:
        yield Terminal(process, parent)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
        os.close(parent)


LEADER = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def told(request: Request) -> str:
    """Everything that a request shows to the model."""
    return "\n".join(message.content for message in request.messages)


def knows(_request: Request) -> str:
    """A lead that knows the answer."""
    return finish("Paris")


def asks_the_coder(request: Request) -> Completion | str:
    """A lead that asks the Coder once and passes on what it says."""
    if request.tools:
        said = json.dumps({"status": "done", "summary": "the worker says forty-two"})
        return Completion(text="", tool_calls=(ToolCall(id="1", name="report", arguments=said),))
    if "the worker says" in told(request):
        return finish("forty-two")
    return assign(("Coder", "say a number"))


def shops(request: Request) -> Completion | str:
    """A lead whose Toolbox orders a lamp, which needs consent."""
    text = told(request)
    if request.tools:
        if any(message.role == "tool" for message in request.messages):
            outcome = "could not order" if "failed:" in text else "ordered"
            return f"the worker says it {outcome} the lamp"
        call = ToolCall(id="1", name="order", arguments='{"item": "lamp"}')
        return Completion(text="", tool_calls=(call,))
    if "could not order" in text:
        return finish("no lamp")
    if "the worker says" in text:
        return finish("the lamp is ordered")
    return assign(("Toolbox", "order the lamp"))
