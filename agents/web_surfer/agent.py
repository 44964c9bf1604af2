"""The WebSurfer as a member of the roster: the shared tool loop over the browser's tools.

The browser opens at the first live step. Assignments that run at the same time get a context of
their own; one that runs alone goes on where the last one stopped.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agents.human import Human
from agents.tool_loop import ToolLoop
from agents.toolkit import consent_given, consent_to, tools_of_class
from agents.web_surfer.browser import WebSettings as BrowserSettings
from agents.web_surfer.closing import closed_hosts
from agents.web_surfer.ports import Ports
from agents.web_surfer.provenance import Trust
from agents.web_surfer.search import SearchSettings
from agents.web_surfer.secrets import Vault
from agents.web_surfer.surfer import WebSurfer
from agents.web_surfer.text import one_line
from agents.workspace import Workspace
from orchestrator.agent import (
    Artifact,
    Assignment,
    Json,
    Observation,
    Obstacle,
    Report,
    WorkContext,
)
from orchestrator.blobs import Blobs
from orchestrator.errors import NeedsApproval, ToolFailed
from orchestrator.prompt_files import render
from orchestrator.settings import WebSettings
from sandbox.egress_policy import EgressPolicy

PROMPTS = Path(__file__).parents[1] / "prompts"
MAIN = "main"
ABILITIES = (
    "uses a web browser: searches, opens pages, follows links, fills forms, reads tables, "
    "downloads files into the workspace. Direct tools: search(query), fetch(url)."
)
PROGRAMS = frozenset({"Coder", "ComputerTerminal"})
FOR_EYES = frozenset({"look", "click_at"})


@dataclass(frozen=True, slots=True)
class WebParts:
    """What the browser and its proxy are opened with."""

    settings: WebSettings
    run: str
    blobs: Blobs
    log: Path
    secrets: Vault = field(default_factory=Vault)


class WebSurferAgent:
    """One browser for the whole run."""

    name = "WebSurfer"

    def __init__(self, parts: WebParts, workspace: Workspace) -> None:
        listing = parts.secrets.listing()
        self.description = f"{ABILITIES} It can type {listing}." if listing else ABILITIES
        self.parts = parts
        self.workspace = workspace
        self.trust = Trust(tell_hosts=frozenset(parts.settings.tell_hosts))
        self._branches: dict[str, _Branch] = {}
        self._stack = AsyncExitStack()
        self._main: WebSurfer | None = None
        self._opening = asyncio.Lock()  # protects the one browser against being opened twice

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        self.trust.read = lambda: self._read_by_others(ctx)
        self.trust.said = lambda: ctx.said
        name = MAIN if assignment.alone else assignment.path
        branch = self._branches.setdefault(name, _Branch(self, name))
        branch.begin(sees=ctx.profile.vision, room=ctx.observation_chars)
        tools = tools_of_class(WebSurfer, branch.call)
        if not ctx.profile.vision:
            tools = {name: tool for name, tool in tools.items() if name not in FOR_EYES}
        prompt = render("web_surfer", folder=PROMPTS) + self._named_secrets()
        branch.walls.clear()
        try:
            report = await ToolLoop(assignment, ctx, tools, prompt, device=branch).work()
            return judged(report, branch.walls)
        finally:
            if name != MAIN:
                await self._branches.pop(name).close()

    async def close(self) -> None:
        await self._stack.aclose()

    def _read_by_others(self, ctx: WorkContext) -> frozenset[str]:
        """What the team has read that is not public; programs read only where there are files."""
        others = ctx.readers - {self.name, Human.name}
        if not self.workspace.files:
            others -= PROGRAMS
        return frozenset(f"what {name} has read" for name in others)

    def _named_secrets(self) -> str:
        listing = self.parts.secrets.listing()
        if not listing:
            return ""
        return (
            f"\n\nSecrets that you may type as the whole text of a field, each on its own origin "
            f"only: {listing}. You never see their values."
        )

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
            closed_hosts=closed_hosts(web.closed_places),
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
    saved: list[Artifact] = field(default_factory=list)
    walls: list[tuple[str, Obstacle]] = field(default_factory=list)
    recalled: Observation | None = None
    surfer: WebSurfer | None = None
    sees: bool = False
    room: int = 20_000

    def begin(self, *, sees: bool, room: int) -> None:
        """A new conversation begins: its reader has seen nothing yet."""
        self.sees, self.room = sees, room
        if self.surfer is not None:
            self.surfer.start_over()

    async def call(self, tool: str, arguments: dict[str, Any]) -> Observation:
        """Do one tool live. What it saved and learned travels with the observation, also when it
        failed; no secret does."""
        secrets = self.agent.parts.secrets
        await asyncio.to_thread(secrets.load)
        try:
            observation = await self._done(tool, arguments)
        except NeedsApproval as error:
            details = dict(secrets.mask_all(error.details))
            raise NeedsApproval(secrets.mask(error.message), details) from None
        except ToolFailed as error:
            observation = Observation(text=error.message, failed=True)
        shown = secrets.mask_all(observation.model_dump(mode="json"))
        learned = {**(shown["snapshot"] or {}), "trust": self.agent.trust.take_news()}
        self._note_wall(learned)
        return Observation.model_validate({**shown, "snapshot": learned})

    async def _done(self, tool: str, arguments: dict[str, Any]) -> Observation:
        if self.surfer is None:
            self.surfer = await self.agent.open(self)
            if self.recalled is not None:
                self.surfer.recall(self.recalled)
        self.saved.clear()
        observation = await self.surfer.use(tool, arguments)
        return observation.model_copy(update={"artifacts": (*observation.artifacts, *self.saved)})

    def recall(self, observation: Observation) -> None:
        """A recorded step: its files are in the workspace, its pages come back when needed."""
        self.agent.workspace.recall(observation)
        snapshot = observation.snapshot or {}
        self.agent.trust.recall(snapshot.get("trust", ()))
        self._note_wall(snapshot)
        if "url" in snapshot:
            self.recalled = observation

    def _note_wall(self, snapshot: Json) -> None:
        if "url" in snapshot:
            self.walls.append((snapshot["url"], snapshot.get("wall", "")))

    async def close(self) -> None:
        """Close the tabs of this branch."""
        if self.surfer is not None:
            await self.surfer.close()

    def ports(self) -> Ports:
        """The surfer's ways to a person and to the workspace."""
        blobs = self.agent.parts.blobs

        secrets = self.agent.parts.secrets

        async def approve(details: dict[str, Any]) -> bool:
            if consent_to(secrets.mask_all(details)) in consent_given.get():
                return True
            raise NeedsApproval(f"{details.get('action', 'this act')} needs consent", details)

        async def save(name: str, content: bytes) -> str:
            if secrets.shows(content):
                raise ToolFailed(f"{secrets.mask(name)} was not saved: it holds a secret")
            item = await self.agent.workspace.save(f"downloads/{secrets.mask(name)}", content)
            self.saved.append(item)
            return item.path

        async def load(path: str) -> bytes:
            workspace = self.agent.workspace
            return blobs.get(workspace.files[workspace.known(path)].sha256)

        ports = Ports(approve, save, load, blobs.put, self.agent.trust, secrets)
        closed = self.agent.parts.settings.closed_places
        return replace(ports, sees=self.sees, room=self.room, closed_places=closed)


def judged(report: Report, walls: Sequence[tuple[str, Obstacle]]) -> Report:
    """The report with what the last page was instead of what was looked for. A report of success
    that rests on nothing but walls is none."""
    if not walls or not walls[-1][1]:
        return report
    url, last = walls[-1]
    if report.status == "done" and all(wall for _url, wall in walls):
        summary = f"[blocked: {last} at {one_line(url)}] {report.summary}"
        found = {"status": "blocked", "summary": summary, "obstacle": last}
    else:
        summary = f"{report.summary}\n[the last page was in the way: {last} at {one_line(url)}]"
        found = {"summary": summary, "obstacle": last}
    return report.model_copy(update=found)
