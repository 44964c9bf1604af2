"""The WebSurfer as a member of the roster: the shared tool loop over the browser's tools."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from agents.workspace import Workspace
from orchestrator.agent import Assignment, Report, WorkContext
from orchestrator.blobs import Blobs
from orchestrator.settings import WebSettings


@dataclass(frozen=True, slots=True)
class WebParts:
    """What the browser and its proxy are opened with."""

    settings: WebSettings
    run: str
    blobs: Blobs
    log: Path


class WebSurferAgent:
    """Drives one browser for the whole run; assignments at the same time get their own context."""

    name = "WebSurfer"
    description = (
        "uses a web browser: searches, opens pages, follows links, fills forms, reads tables, "
        "downloads files into the workspace. Direct tools: search(query), fetch(url)."
    )

    def __init__(self, parts: WebParts, workspace: Workspace) -> None:
        self._parts = parts
        self._workspace = workspace
        self._stack = AsyncExitStack()

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        return Report(status="failed", summary="the browser is not connected yet")

    async def close(self) -> None:
        await self._stack.aclose()
