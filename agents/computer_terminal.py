"""The ComputerTerminal: runs programs of the Coder in the sandbox. It has no model.

It refuses code of any other author, and never looks for code in a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from agents.tool_loop import ToolLoop
from agents.toolkit import Tool, tool, tools_of
from agents.workspace import Workspace
from orchestrator.agent import (
    Assignment,
    CodeArtifact,
    Observation,
    Report,
    ToolInvocation,
    WorkContext,
)
from orchestrator.errors import ToolFailed

AUTHOR = "Coder"


class ComputerTerminal:
    """Runs the Coder's newest program, or runs it again after files have changed."""

    name = "ComputerTerminal"
    description = (
        "runs the newest program that the Coder wrote, once more, in the container. It takes no "
        "code in its instruction. Direct tool: run_program()."
    )

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        program = assignment.code
        if program is None:
            summary = "there is no program to run; the Coder has to write one first"
            return Report(status="failed", summary=summary)
        runner = _Runner(self, program)
        run = assignment.model_copy(update={"tool": ToolInvocation(name="run_program")})
        tools = self.marked(tools_of(runner))
        return await ToolLoop(run, ctx, tools, "", device=self.workspace).work()

    async def close(self) -> None:
        await self.workspace.close()

    def marked(self, tools: Mapping[str, Tool]) -> dict[str, Tool]:
        """The tools with the effect that running a program has in this workspace."""
        effect = self.workspace.effect
        return {n: replace(t, marks=replace(t.marks, effect=effect)) for n, t in tools.items()}

    async def execute(self, program: CodeArtifact) -> Observation:
        """Run one program. Raises ToolFailed for an author other than the Coder."""
        if program.author != AUTHOR:
            raise ToolFailed(f"only code of the {AUTHOR} is run, not of {program.author}")
        return await self.workspace.run(program, program.id)


class _Runner:
    """Binds the program that an assignment carries to a tool without arguments."""

    def __init__(self, terminal: ComputerTerminal, program: CodeArtifact) -> None:
        self._terminal = terminal
        self._program = program

    @tool(direct=True)
    async def run_program(self) -> Observation:
        """Run the Coder's newest program."""
        return await self._terminal.execute(self._program)
