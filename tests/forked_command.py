"""The command in a process of its own, forked from one that has loaded the program.

Most of what a short command costs is starting Python and loading it; a suite runs hundreds of them.
Whatever is about the start itself, signals or terminals starts the command outright instead.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["tasks.cli.main", "tasks.api", "openai", "playwright.async_api", "openpyxl"]
)


def run(
    arguments: Sequence[str], environ: Mapping[str, str], folder: Path, stdin: str, seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run `quaestor ARGUMENTS` to its end. Raises TimeoutExpired."""
    with tempfile.TemporaryDirectory() as place:
        streams = [Path(place, name) for name in ("stdin", "stdout", "stderr")]
        streams[0].write_text(stdin, encoding="utf-8")
        process = _CONTEXT.Process(
            target=_become, args=(list(arguments), dict(environ), str(folder), streams)
        )
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(list(arguments), seconds)
        texts = [file.read_text(encoding="utf-8") for file in streams[1:]]
        return subprocess.CompletedProcess(list(arguments), process.exitcode, *texts)


def _become(
    arguments: list[str], environ: dict[str, str], folder: str, streams: list[Path]
) -> None:
    for number, file in enumerate(streams):
        mode = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
        opened = os.open(file, mode, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    sys.path[:0] = environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.argv = ["quaestor", *arguments]
    from tasks.cli.main import main

    main()
