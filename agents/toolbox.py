"""The Toolbox: functions of other packages as tools, added by configuration alone."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from pathlib import Path

from agents.plugins import load
from agents.tool_loop import ToolLoop
from agents.toolkit import Tool, ToolMarks, make_tool
from orchestrator.agent import Assignment, Observation, Report, Source, WorkContext
from orchestrator.canonical import canonical
from orchestrator.prompt_files import render
from orchestrator.settings import ToolSettings

PROMPTS = Path(__file__).parent / "prompts"


class Toolbox:
    """Offers the added tools to the model, each with the class that the configuration gave it."""

    name = "Toolbox"

    def __init__(self, added: Sequence[ToolSettings]) -> None:
        self._tools = {}
        for entry in added:
            built = _adapted(load(entry.use, "tools.add"), entry)
            self._tools[built.name] = built
        listed = "; ".join(f"{t.name}: {t.spec.description}" for t in self._tools.values())
        self.description = f"uses tools of this installation: {listed}"

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        prompt = render("toolbox", folder=PROMPTS)
        return await ToolLoop(assignment, ctx, self._tools, prompt).work()

    async def close(self) -> None:
        """Nothing to let go of."""


def _adapted(function: object, entry: ToolSettings) -> Tool:
    """A tool whose results are observations, whatever the function returns."""
    if not callable(function):
        raise TypeError(f"{entry.use} is not a function")
    plain: Callable[..., object] = function

    @wraps(plain)
    async def call(**arguments: object) -> Observation:
        result = plain(**arguments)
        if inspect.isawaitable(result):
            result = await _awaited(result)
        if isinstance(result, Observation):
            return result
        text = result if isinstance(result, str) else canonical(result)
        return Observation(text=text, source=Source(kind="tool", ref=entry.use))

    effect = "idempotent" if entry.risk == "read" else "ambiguous"
    return make_tool(call, ToolMarks(entry.risk, effect, direct=entry.risk == "read"))  # type: ignore[arg-type]


async def _awaited(result: Awaitable[object]) -> object:
    return await result
