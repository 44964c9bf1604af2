"""Composes what a run needs from its settings: models, sandbox, browser, agents.

Nothing heavy is opened here; devices open when a live step first needs them, so an offline
replay builds the same team and never starts a container or a browser.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from agents.computer_terminal import ComputerTerminal
from agents.open_box import WayOut
from agents.roster import Parts, assemble
from agents.web_surfer.agent import WebParts
from agents.web_surfer.closing import closed_hosts
from agents.workspace import Workspace
from orchestrator.agent import Agent, Artifact
from orchestrator.blobs import Blobs
from orchestrator.events import Member, TaskReceived
from orchestrator.models.llm import LLM
from orchestrator.models.replay import ReplayModel
from orchestrator.settings import Settings
from sandbox.base import SandboxSettings
from sandbox.egress_policy import EgressPolicy
from tasks.model_pool import ModelPool
from tasks.secret_values import vault_of

Notice = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Team:
    """The lead's model, the agents' model, and the agents by name."""

    lead: LLM
    model: LLM
    agents: Mapping[str, Agent]
    workspace: Workspace

    def roster(self) -> tuple[Member, ...]:
        """The lines of the roster as the lead reads them."""
        return tuple(
            Member(name=agent.name, description=agent.description) for agent in self.agents.values()
        )


@asynccontextmanager
async def open_team(
    settings: Settings,
    *,
    run: str,
    blobs: Blobs,
    person_present: bool = False,
    offline: bool = False,
    notice: Notice = lambda _text: None,
    pool: ModelPool | None = None,
) -> AsyncIterator[Team]:
    """A team that lets go of everything at the end, also after a cancel. `offline` is a replay:
    any model call raises EndOfRecording. A given `pool` of models stays open."""
    async with AsyncExitStack() as stack:
        if pool is None:
            pool = ModelPool(settings.home, blobs.get, os.environ)
            stack.push_async_callback(pool.close)
        lead, model = _models(settings, pool, offline=offline)
        workspace = Workspace(
            box_settings(settings, run),
            blobs,
            notice=notice,
            way_out=_way_out(settings, run),
        )
        parts = Parts(
            settings=settings,
            workspace=workspace,
            terminal=ComputerTerminal(workspace),
            web=WebParts(
                settings.web,
                run,
                blobs,
                settings.home / "logs" / f"{run}.egress.jsonl",
                vault_of(settings, os.environ),
            ),
            person_present=person_present,
        )
        agents = assemble(parts)
        stack.push_async_callback(workspace.close)
        for agent in agents.values():
            stack.push_async_callback(agent.close)
        yield Team(lead, model, agents, workspace)


def fill_workspace(team: Team, task: TaskReceived) -> None:
    """Put the attachments, and the files of an earlier run, where every agent finds them."""
    files = team.workspace.files
    inherited = task.earlier.artifacts if task.earlier else ()
    for item in inherited:
        files[item.path] = item
    for attached in task.attachments:
        path = f"inputs/{attached.name}"
        files[path] = Artifact(
            path=path,
            sha256=attached.sha256,
            size=attached.size,
            media_type=attached.media_type,
        )


def warm_box(team: Team) -> None:
    """Let the box start while the opening call runs."""
    terminal = team.agents.get(ComputerTerminal.name)
    if isinstance(terminal, ComputerTerminal):
        terminal.workspace.warm()


def _models(settings: Settings, pool: ModelPool, *, offline: bool) -> tuple[LLM, LLM]:
    if offline:
        replay = ReplayModel()
        return replay, replay
    if settings.demo:
        from tasks.demo.policy import demo_model

        scripted = demo_model()
        return scripted, scripted
    return pool.lead_and_model(settings)


def box_settings(settings: Settings, run: str) -> SandboxSettings:
    """The box of a run, as configured."""
    box = settings.sandbox
    return SandboxSettings(
        launcher=box.launcher,
        image=box.image,
        runtime=box.runtime,
        run_id=run,
        timeout_s=box.timeout_s,
        log=settings.home / "sandbox.jsonl",
    )


def _way_out(settings: Settings, run: str) -> WayOut | None:
    """What programs may reach: nothing, or the named hosts where their addresses are public."""
    hosts = frozenset(settings.sandbox.code_hosts)
    if not hosts:
        return None
    log = settings.home / "logs" / f"{run}.code-egress.jsonl"
    closed = closed_hosts(settings.web.closed_places)
    return WayOut(EgressPolicy(only_hosts=hosts, closed_hosts=closed), log)


def default_home(environ: Mapping[str, str]) -> Path:
    """QUAESTOR_HOME, or the user's data folder."""
    if environ.get("QUAESTOR_HOME"):
        return Path(environ["QUAESTOR_HOME"]).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("quaestor")
