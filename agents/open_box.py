"""Opens the box of a run: large inputs bound read-only from a private copy, and a way out where
one was asked for. Knows nothing of what will run in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.agent import Artifact
from sandbox.base import Box, Sandbox, SandboxSettings
from sandbox.egress import open_egress
from sandbox.egress_policy import EgressPolicy
from sandbox.short_folder import short_folder

INPUTS = "inputs/"
LARGE_INPUTS = 64 << 20
"""Inputs of more bytes than this in all are bound: in the workspace they would take memory that
programs need, since its pages count against the box's limit."""


@dataclass(frozen=True, slots=True)
class WayOut:
    """What programs may reach, and the file that logs what they did reach."""

    policy: EgressPolicy
    log: Path | None = None


def bound(files: Mapping[str, Artifact]) -> frozenset[str]:
    """The paths that are bound read-only and never written: all inputs, or none."""
    inputs = [path for path in files if path.startswith(INPUTS)]
    total = sum(files[path].size for path in inputs)
    return frozenset(inputs) if total > LARGE_INPUTS else frozenset()


@asynccontextmanager
async def open_box(
    settings: SandboxSettings,
    way_out: WayOut | None,
    inputs: Mapping[str, Callable[[], bytes]],
) -> AsyncIterator[Box]:
    """A running box; `inputs` are the bound files with how to read them. Raises NotReady or
    SandboxFailed."""
    async with AsyncExitStack() as stack:
        if inputs:
            folder = stack.enter_context(TemporaryDirectory(prefix="quaestor-inputs-"))
            copied = await asyncio.to_thread(_copied, Path(folder, "inputs"), inputs)
            settings = replace(settings, inputs=copied)
        if way_out is not None:
            settings = await _connected(stack, settings, way_out)
        yield await stack.enter_async_context(Sandbox.open(settings))


def _copied(folder: Path, inputs: Mapping[str, Callable[[], bytes]]) -> Path:
    """The private copy. Its own folder keeps other users away; the box's user has to read it."""
    folder.mkdir()
    for path, content in inputs.items():
        copy = folder / path.removeprefix(INPUTS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content())
        copy.chmod(0o644)
    for place in (folder, *(inner for inner in folder.rglob("*") if inner.is_dir())):
        place.chmod(0o755)
    return folder


async def _connected(
    stack: AsyncExitStack, settings: SandboxSettings, way_out: WayOut
) -> SandboxSettings:
    """The settings with the socket of an open proxy."""
    outlet = stack.enter_context(short_folder("quaestor-net-")) / "outlet.sock"
    if way_out.log is not None:
        way_out.log.parent.mkdir(parents=True, exist_ok=True)
    egress = await stack.enter_async_context(
        open_egress(way_out.policy, way_out.log, socket_path=outlet)
    )
    login = egress.credential("code")
    named = f"{login.username}:{login.password}"
    return replace(settings, proxy_socket=outlet, proxy_login=named)
