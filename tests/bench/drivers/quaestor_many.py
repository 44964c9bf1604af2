"""Runs many tasks at once through the Python API in one process, configured by one JSON word.

With `"terminal": "inside"` the Coder's programs run inside of this process, as in the peers' rows;
without it everything is as shipped. Prints one line of JSON with the answers.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from inside import run_inside

from agents.coder import Coder
from agents.computer_terminal import ComputerTerminal
from agents.roster import Parts
from orchestrator.agent import CodeArtifact, Observation, Source
from orchestrator.outcome import CODE_OUTPUT
from orchestrator.settings import (
    AgentSettings,
    BoxSettings,
    ModelSettings,
    Settings,
    WebSettings,
)
from tasks import api


class InsideTerminal(ComputerTerminal):
    """A terminal without a process."""

    async def execute(self, program: CodeArtifact) -> Observation:
        code, output = run_inside(program.code)
        return Observation(
            text=output.rstrip() or "(no output)",
            source=Source(kind="tool", ref="ComputerTerminal"),
            locator=f"{CODE_OUTPUT} of {program.id} (exit {code})",
            conclusive=code == 0,
            code=program,
        )


class InsideCoder(Coder):
    """The Coder over that terminal."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(InsideTerminal(parts.workspace))


INSIDE = {
    "Coder": AgentSettings(use="__main__:InsideCoder"),
    "ComputerTerminal": AgentSettings(enabled=False),
}


def settings_of(config: dict[str, Any]) -> Settings:
    """Settings as a user would write them."""
    inside = config.get("terminal") == "inside"
    hosts = tuple(config.get("allow_hosts", ()))
    return Settings(
        home=Path(config["home"]),
        models=ModelSettings(name="scripted", base_url=config["base_url"]),
        web=WebSettings(enabled=bool(hosts), allow_hosts=hosts),
        sandbox=BoxSettings(launcher=config.get("sandbox", "unsafe-local")),
        agents=INSIDE if inside else {},
        on_question="deny",
    )


async def main() -> None:
    config: dict[str, Any] = json.loads(sys.argv[1])
    files = [Path(name) for name in config.get("files", ())]
    async with api.open(settings_of(config)) as quaestor:
        began = time.perf_counter()
        outcomes = await asyncio.gather(*(quaestor.run(task, files) for task in config["tasks"]))
        seconds = time.perf_counter() - began
    results = [{"answer": one.answer, "outcome": one.outcome} for one in outcomes]
    spent = [one.spent for one in outcomes]
    print(
        json.dumps(
            {
                "results": results,
                "seconds": seconds,
                "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "calls": sum(used.calls for used in spent),
                "tokens": sum(used.prompt_tokens + used.completion_tokens for used in spent),
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    asyncio.run(main())
