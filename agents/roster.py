"""Who is on the team: the one list to edit when you add an agent.

Each line is a name and a function that builds the agent from the parts of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agents.coder import Coder
from agents.computer_terminal import ComputerTerminal
from agents.file_surfer import FileSurfer
from agents.human import Human
from agents.plugins import load
from agents.toolbox import Toolbox
from agents.web_surfer.agent import WebParts, WebSurferAgent
from agents.workspace import Workspace
from orchestrator.agent import Agent
from orchestrator.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """What an agent may be built from. `person_present` is whether somebody is at a terminal."""

    settings: Settings
    workspace: Workspace
    terminal: ComputerTerminal
    web: WebParts
    person_present: bool = False


Factory = Callable[[Parts], Agent]

ROSTER: Mapping[str, Factory] = {
    "WebSurfer": lambda parts: WebSurferAgent(parts.web, parts.workspace),
    "FileSurfer": lambda parts: FileSurfer(
        parts.workspace, ears=parts.settings.models.audio is not None
    ),
    "Coder": lambda parts: Coder(parts.terminal),
    "ComputerTerminal": lambda parts: parts.terminal,
    "Human": lambda _parts: Human(),
    "Toolbox": lambda parts: Toolbox(parts.settings.tools.add),
}

PARTS: Mapping[str, tuple[str, ...]] = {
    "websurfer": ("WebSurfer",),
    "filesurfer": ("FileSurfer",),
    "coder": ("Coder", "ComputerTerminal"),
}
"""What `--without` leaves out: without a Coder there is nothing that the terminal could run."""


def assemble(parts: Parts) -> dict[str, Agent]:
    """The team of a run: the roster without what is switched off, plus agents by configuration.
    Raises UsageError for a class that cannot be loaded."""
    settings = parts.settings
    absent = {name for name, agent in settings.agents.items() if not agent.enabled}
    absent |= {name for part in settings.without for name in PARTS.get(part, ())}
    if not settings.web.enabled:
        absent.add("WebSurfer")
    if not parts.person_present:
        absent.add("Human")
    if not settings.tools.add:
        absent.add("Toolbox")
    team = {name: build(parts) for name, build in ROSTER.items() if name not in absent}
    for name, agent in settings.agents.items():
        if agent.use is not None and agent.enabled:
            added = load(agent.use, f"agents.{name}.use")
            built: Agent = added(parts)  # type: ignore[operator]
            team[built.name] = built
    return team
