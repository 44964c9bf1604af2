"""Where unit processes are born: a process that has loaded the program once and forks guards.

Starting Python and loading the program takes longer than many a task. The nursery is told
nothing: each order arrives on a socket of its own, which only the guard reads, so no process can
hold anything of another unit, and never gold. It ends with its scheduler.

`python -m tasks.batch.nursery FD`
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


def tend(door: socket.socket) -> None:
    """Fork a guard for every line that comes through the door, until it is closed."""
    asyncio.run(_load_model_client())
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


if __name__ == "__main__":
    tend(socket.socket(fileno=int(sys.argv[1])))
