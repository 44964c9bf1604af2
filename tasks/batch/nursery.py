"""Where unit processes are born: a process that has loaded the program once and forks guards.

Starting Python and loading the program takes longer than many a task. The nursery is told
nothing but what kind of work it will be: each order arrives on a socket of its own, which only the
guard reads, so no process can hold anything of another unit, and never gold. It ends with its
scheduler.

`python -m tasks.batch.nursery FD JOB`
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys

from orchestrator.models.endpoint import Endpoint
from orchestrator.models.llm import Usage
from orchestrator.models.openai_compatible import OpenAICompatible
from orchestrator.models.prices import table_micros
from tasks.batch.guard import guard
from tasks.batch.unit import carry_out


def tend(door: socket.socket, job: str) -> None:
    """Fork a guard for every line that comes through the door, until it is closed."""
    asyncio.run(_load_model_client())
    if job == "case":
        _load_cases()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # what is loaded stays shared between the processes
    while True:
        word, lines, _, _ = socket.recv_fds(door, 1, 1)
        if not word:
            return
        if os.fork():
            os.close(lines[0])
            continue
        try:
            door.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            guard(socket.socket(fileno=lines[0]), carry_out)
        finally:
            os._exit(0)


async def _load_model_client() -> None:
    """Load what the first call of every unit would load, and open nothing."""
    await OpenAICompatible.open(Endpoint("none", "http://127.0.0.1:9")).close()
    table_micros("none", "http://127.0.0.1:9", Usage())


def _load_cases() -> None:
    """Load what every case would load."""
    import tasks.forensics.unit  # noqa: F401 - loaded for the processes that are forked
    from tasks.forensics.reporting.pages import load_templates

    load_templates()


if __name__ == "__main__":
    tend(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
