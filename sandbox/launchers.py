"""Launcher name -> how it starts boxes: the one list to edit."""

from __future__ import annotations

from orchestrator.errors import NotReady
from sandbox.base import Launcher, SandboxSettings
from sandbox.bubblewrap import BubblewrapLaunch
from sandbox.container import ContainerLaunch
from sandbox.local import LocalLaunch
from sandbox.wire import Launch


async def launch_for(settings: SandboxSettings) -> Launch:
    """A usable way to start boxes; raises NotReady with the fix."""
    match settings.launcher:
        case "docker":
            return await ContainerLaunch.prepare(settings)
        case "bubblewrap":
            return await BubblewrapLaunch.prepare(settings)
        case "unsafe-local":
            return LocalLaunch(settings)


async def workable() -> tuple[Launcher, ...]:
    """The isolating launchers whose engine and image are there."""
    found: list[Launcher] = []
    names: tuple[Launcher, ...] = ("docker", "bubblewrap")
    for name in names:
        try:
            await launch_for(SandboxSettings(launcher=name))
        except NotReady:
            continue
        found.append(name)
    return tuple(found)
