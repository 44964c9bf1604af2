"""Two small agents for the durability suite: one with the shared tool loop, one without."""

from __future__ import annotations

import os
from pathlib import Path

from agents.roster import Parts
from agents.tool_loop import ToolLoop
from agents.toolkit import tool, tools_of
from orchestrator.agent import Assignment, Observation, Report, Source, WorkContext

LOG = "CRASH_LOG"


def logged(line: str) -> None:
    """Append to the log that the test reads as its oracle for what really happened."""
    with Path(os.environ[LOG]).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


class Looker:
    """Looks things up with a tool; every look is logged outside."""

    name = "Looker"
    description = "looks up the value of a thing"

    def __init__(self, _parts: Parts) -> None:
        """Needs nothing."""

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        return await ToolLoop(assignment, ctx, tools_of(self), "You look things up.").work()

    async def close(self) -> None:
        """Nothing to let go of."""

    @tool()
    async def look(self, thing: str) -> Observation:
        """The value of a thing."""
        logged(f"look {thing}")
        return Observation(
            text=f"{thing} has the value {len(thing) * 111}",
            source=Source(kind="tool", ref="look"),
        )

    @tool(effect="ambiguous")
    async def post(self, thing: str) -> Observation:
        """Tell the world about a thing; cannot be repeated safely."""
        logged(f"post {thing}")
        return Observation(text=f"posted {thing}", source=Source(kind="tool", ref="post"))


class Counter:
    """Adds the numbers of its instruction, without a model."""

    name = "Counter"
    description = "adds the numbers in its instruction"

    def __init__(self, _parts: Parts) -> None:
        """Needs nothing."""

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        numbers = [int(word) for word in assignment.instruction.split() if word.isdigit()]

        async def add() -> dict[str, object]:
            logged(f"add {numbers}")
            return Observation(
                text=f"the sum is {sum(numbers)}",
                source=Source(kind="tool", ref="Counter"),
                locator="code output",
            ).model_dump(mode="json")

        done = await ctx.once("act/1", add, kind="tool", fingerprint=numbers)
        observation = Observation.model_validate(done.value)
        evidence = await ctx.add_evidence("act/1", observation)
        return Report(status="done", summary=observation.text, evidence=(evidence.id,))

    async def close(self) -> None:
        """Nothing to let go of."""
