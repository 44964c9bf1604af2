"""The WebSurfer as a member of the roster: the shared tool loop over the browser's tools.

The browser opens at the first live step. Assignments that run at the same time get a context of
their own; one that runs alone goes on where the last one stopped.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.tool_loop import ToolLoop
from agents.toolkit import consent_given, tools_of_class
from agents.web_surfer.browser import WebSettings as BrowserSettings
from agents.web_surfer.ports import Ports
from agents.web_surfer.search import SearchSettings
from agents.web_surfer.surfer import WebSurfer
from agents.workspace import Workspace
from orchestrator.agent import Artifact, Assignment, Observation, Report, WorkContext
from orchestrator.blobs import Blobs
from orchestrator.errors import NeedsApproval
from orchestrator.prompt_files import render
from orchestrator.settings import WebSettings
from sandbox.egress_policy import EgressPolicy

PROMPTS = Path(__file__).parents[1] / "prompts"
MAIN = "main"


@dataclass(frozen=True, slots=True)
class WebParts:
    """What the browser and its proxy are opened with."""

    settings: WebSettings
    run: str
    blobs: Blobs
    log: Path


class WebSurferAgent:
    """One browser for the whole run."""

    name = "WebSurfer"
    description = (
        "uses a web browser: searches, opens pages, follows links, fills forms, reads tables, "
        "downloads files into the workspace. Direct tools: search(query), fetch(url)."
    )

    def __init__(self, parts: WebParts, workspace: Workspace) -> None:
        self.parts = parts
        self.workspace = workspace
        self._branches: dict[str, _Branch] = {}
        self._stack = AsyncExitStack()
        self._main: WebSurfer | None = None
        self._opening = asyncio.Lock()  # protects the one browser against being opened twice

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        name = MAIN if assignment.alone else assignment.path
        branch = self._branches.setdefault(name, _Branch(self, name))
        tools = tools_of_class(WebSurfer, branch.call)
        prompt = render("web_surfer", folder=PROMPTS)
        try:
            return await ToolLoop(assignment, ctx, tools, prompt, device=branch).work()
        finally:
            if name != MAIN:
                await self._branches.pop(name).close()

    async def close(self) -> None:
        await self._stack.aclose()

    async def open(self, branch: _Branch) -> WebSurfer:
        """The surfer of a branch, over the one browser."""
        async with self._opening:
            if self._main is None:
                main = self._branches.setdefault(MAIN, _Branch(self, MAIN))
                opened = WebSurfer.open(self._browser(), ports=main.ports(), search=self._search())
                self._main = await self._stack.enter_async_context(opened)
        if branch.name == MAIN:
            return self._main
        return await self._main.branch(branch.name, branch.ports())

    def _browser(self) -> BrowserSettings:
        web = self.parts.settings
        policy = EgressPolicy(
            enabled=web.enabled,
            allow=frozenset(web.allow_hosts),
            only_hosts=frozenset(web.only_hosts),
        )
        chromium = Path(web.chromium) if web.chromium else None
        self.parts.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return BrowserSettings(
            policy=policy, egress_log=self.parts.log, chromium=chromium, box=web.box
        )

    def _search(self) -> SearchSettings:
        web = self.parts.settings
        key = os.environ.get(web.search_key_env) if web.search_key_env else None
        return SearchSettings(provider=web.search, url=web.search_url, key=key)


@dataclass(slots=True)
class _Branch:
    """One line of browsing: its surfer once it is open, and what it saved on the way."""

    agent: WebSurferAgent
    name: str
    consent: bool = False
    saved: list[Artifact] = field(default_factory=list)
    recalled: Observation | None = None
    surfer: WebSurfer | None = None

    async def call(self, tool: str, arguments: dict[str, Any]) -> Observation:
        """Do one tool live. Files that it saved travel with the observation."""
        if self.surfer is None:
            self.surfer = await self.agent.open(self)
            if self.recalled is not None:
                self.surfer.recall(self.recalled)
        self.consent = consent_given.get()
        self.saved.clear()
        observation: Observation = await getattr(self.surfer, tool)(**arguments)
        artifacts = (*observation.artifacts, *self.saved)
        return observation.model_copy(update={"artifacts": artifacts})

    def recall(self, observation: Observation) -> None:
        """A recorded step: its files are in the workspace, its pages come back when needed."""
        self.agent.workspace.recall(observation)
        if observation.snapshot is not None:
            self.recalled = observation

    async def close(self) -> None:
        """Close the tabs of this branch."""
        if self.surfer is not None:
            await self.surfer.close()

    def ports(self) -> Ports:
        """The surfer's ways to a person and to the workspace."""
        blobs = self.agent.parts.blobs

        async def approve(details: dict[str, Any]) -> bool:
            if self.consent:
                self.consent = False  # one consent is for one act
                return True
            raise NeedsApproval(f"{details.get('action', 'this act')} needs consent", details)

        async def save(name: str, content: bytes) -> str:
            item = await self.agent.workspace.save(f"downloads/{name}", content)
            self.saved.append(item)
            return item.path

        async def load(path: str) -> bytes:
            workspace = self.agent.workspace
            return blobs.get(workspace.files[workspace.known(path)].sha256)

        return Ports(approve=approve, save=save, load=load, keep_image=blobs.put)
