"""The Coder: writes a program, runs it in the sandbox, and mends it from the output.

Its programs are typed artifacts that carry their author. They are the only code that runs.
"""

from __future__ import annotations

from pathlib import Path

from agents.computer_terminal import ComputerTerminal
from agents.tool_loop import ToolLoop
from agents.toolkit import tool, tools_of
from orchestrator.agent import Assignment, CodeArtifact, Observation, Report, WorkContext
from orchestrator.canonical import sha256_of
from orchestrator.prompt_files import render

PROMPTS = Path(__file__).parent / "prompts"


class Coder:
    """Write, run, fix: an inner loop over the terminal, without the lead in between."""

    name = "Coder"

    def __init__(self, terminal: ComputerTerminal) -> None:
        self._terminal = terminal
        self.description = (
            f"writes Python or bash programs, runs them in a container {terminal.workspace.reach} "
            "over the files of the workspace, and mends them until they work. For arithmetic, "
            "data and files to be made."
        )

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        loop = ToolLoop(
            assignment,
            ctx,
            self._terminal.marked(tools_of(self)),
            render("coder", folder=PROMPTS, reach=self._terminal.workspace.reach),
            device=self._terminal.workspace,
        )
        return await loop.work()

    async def close(self) -> None:
        """The terminal owns the box."""

    @tool()
    async def run(self, code: str, language: str = "python") -> Observation:
        """Run a whole program in the container and see its output. language: python or bash."""
        program = authored(code, language)
        return await self._terminal.execute(program)


def authored(code: str, language: str) -> CodeArtifact:
    """A program signed by the Coder; equal programs have equal ids."""
    name = f"program-{sha256_of([language, code])[:8]}"
    return CodeArtifact(id=name, author=Coder.name, language=language.lower(), code=code)
