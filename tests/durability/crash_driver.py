"""A process that works on one run and kills itself with SIGKILL after its n-th new record.

Usage: crash_driver.py HOME BASE_URL RUN|new KILL_AT [setting=value ...]. Uses the product's Python
API as it is; the kill comes from a watcher, which sees an event right after its commit.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from orchestrator import events as ev
from orchestrator.settings import Settings
from tasks import api


def settings(home: Path, base_url: str, overrides: dict[str, Any]) -> Settings:
    plain = {
        "home": home,
        "models": {"name": "scripted", "base_url": base_url},
        "web": {"enabled": False},
        "agents": {
            "FileSurfer": {"enabled": False},
            "Coder": {"enabled": False},
            "ComputerTerminal": {"enabled": False},
            "Looker": {"use": "crash_agents:Looker"},
            "Counter": {"use": "crash_agents:Counter"},
        },
    }
    return Settings.model_validate({**plain, **overrides})


async def main(home: str, base_url: str, run: str, kill_at: str, options: str = "{}") -> None:
    seen = 0

    def watch(_key: str, _event: ev.Event, seq: int) -> None:
        nonlocal seen
        seen += seq > 0
        if seen == int(kill_at) and seq:
            os.kill(os.getpid(), signal.SIGKILL)

    given = json.loads(options)
    task, files = given.pop("task", "Find both values and their sum."), given.pop("attach", [])
    chosen = settings(Path(home), base_url, given)
    async with api.open(chosen, watch=watch) as quaestor:
        if run == "new":
            outcome = await quaestor.run(task, [Path(name) for name in files])
        else:
            outcome = await quaestor.resume(quaestor.journal.find(run))
    print(outcome.model_dump_json())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
