"""The files of a run: one sandbox that all agents share, opened when it is first needed.

The workspace is never trusted to survive. After each block its changed files are stored as
blobs; a restarted box, or a resumed run, gets them back before the next live step.
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from orchestrator.agent import Artifact, CodeArtifact, Effect, Observation, Source
from orchestrator.blobs import Blobs
from orchestrator.errors import SandboxFailed, ToolFailed
from orchestrator.outcome import CODE_OUTPUT
from sandbox.base import Box, Result, Sandbox, SandboxSettings
from sandbox.egress import open_egress
from sandbox.egress_policy import EgressPolicy

MAX_STORED_BYTES = 64 << 20


@dataclass(slots=True)
class Workspace:
    """`files` is what the workspace should hold: path to stored content. `network` is what
    programs may reach, by way of a proxy that logs it; None is nothing."""

    settings: SandboxSettings
    blobs: Blobs
    files: dict[str, Artifact] = field(default_factory=dict)
    notice: Callable[[str], None] = lambda _text: None
    network: EgressPolicy | None = None
    network_log: Path | None = None
    _box: Box | None = None
    _held: dict[str, str] = field(default_factory=dict)
    _restarts: int = 0
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _one_block: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Protects the box: a block's end kills everything in it, so blocks never overlap."""

    async def close(self) -> None:
        """Kill the box and everything in it."""
        await self._stack.aclose()
        self._box = None

    def recall(self, observation: Observation) -> None:
        """Take over what a recorded step left in the workspace."""
        removed = (observation.snapshot or {}).get("removed", ())
        self._note_changes({item.path: item for item in observation.artifacts}, tuple(removed))

    async def run(self, program: CodeArtifact, key: str) -> Observation:
        """Run a program of the Coder. A failing program is an observation like any other."""
        async with self._one_block:
            box = await self._ready()
            result = await box.run(program.code, program.language, key=key)
            changed = await self._stored(box, result)
        self._note_changes(changed, result.removed)
        self._held.update({path: item.sha256 for path, item in changed.items()})
        return Observation(
            text=_worded(result, changed),
            source=Source(kind="tool", ref="ComputerTerminal"),
            locator=f"{CODE_OUTPUT} of {program.id} ({_ending(result)})",
            page=program.id,
            artifacts=tuple(changed.values()),
            code=program,
            snapshot={"removed": list(result.removed), "image": box.image},
        )

    async def save(self, path: str, content: bytes) -> Artifact:
        """Put a file into the workspace, for example a download."""
        item = Artifact(
            path=path,
            sha256=self.blobs.put(content),
            size=len(content),
            media_type=mimetypes.guess_type(path)[0] or "application/octet-stream",
        )
        self.files[path] = item
        if self._box is not None:
            async with self._one_block:
                await self._fill(self._box)
        return item

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Box]:
        """The box with every file in it, for questions about documents."""
        async with self._one_block:
            yield await self._ready()

    @property
    def effect(self) -> Effect:
        """What running a program again would mean: with a network it may be seen outside."""
        return "idempotent" if self.network is None else "ambiguous"

    @property
    def reach(self) -> str:
        """What programs can reach, in words for a model."""
        if self.network is None:
            return "without network"
        hosts = ", ".join(sorted(self.network.only_hosts | self.network.allow))
        return f"whose only network is HTTP and HTTPS to {hosts}"

    def known(self, path: str) -> str:
        """The workspace path that a model means; what follows a `!` names a member of an archive.
        Raises ToolFailed with what there is."""
        asked = str(PurePosixPath(path)).removeprefix("/workspace/").removeprefix("./")
        if asked in self.files:
            return asked
        same_name = [p for p in self.files if PurePosixPath(p).name == PurePosixPath(asked).name]
        if len(same_name) == 1:
            return same_name[0]
        archive, mark, member = asked.rpartition("!")
        if mark:
            return f"{self.known(archive)}!{member}"
        there = ", ".join(sorted(self.files)) or "no files"
        raise ToolFailed(f"there is no file {path!r} in the workspace; there is: {there}")

    def describe(self) -> str:
        """Every file with its size, one a line."""
        return "\n".join(
            f"{item.path} ({item.media_type}, {item.size} bytes)"
            for item in sorted(self.files.values(), key=lambda item: item.path)
        )

    async def _ready(self) -> Box:
        if self._box is None:
            settings = await self._connected()
            self._box = await self._stack.enter_async_context(Sandbox.open(settings))
        if self._box.restarts != self._restarts:
            self._held.clear()
            self._restarts = self._box.restarts
        await self._fill(self._box)
        return self._box

    async def _connected(self) -> SandboxSettings:
        """The settings of the box, with the way out opened if there is one."""
        if self.network is None:
            return self.settings
        # The folder keeps other users away; the box's user has to reach the socket itself.
        folder = self._stack.enter_context(TemporaryDirectory(prefix="quaestor-net-"))
        outlet = Path(folder, "outlet.sock")
        if self.network_log is not None:
            self.network_log.parent.mkdir(parents=True, exist_ok=True)
        opening = open_egress(self.network, self.network_log, socket_path=outlet)
        egress = await self._stack.enter_async_context(opening)
        os.chmod(outlet, 0o666)  # noqa: PTH101, S103 - behind a private folder
        login = egress.credential("code")
        named = f"{login.username}:{login.password}"
        return replace(self.settings, proxy_socket=outlet, proxy_login=named)

    async def _fill(self, box: Box) -> None:
        for path, item in self.files.items():
            if self._held.get(path) != item.sha256:
                await box.put(path, self.blobs.get(item.sha256))
                self._held[path] = item.sha256

    async def _stored(self, box: Box, result: Result) -> dict[str, Artifact]:
        stored: dict[str, Artifact] = {}
        for entry in result.changed:
            if entry.size > MAX_STORED_BYTES:
                self.notice(f"{entry.path} ({entry.size} bytes) is too large to be kept")
                continue
            try:
                content = await box.get(entry.path)
            except SandboxFailed as error:
                self.notice(f"{entry.path} could not be read out: {error.message}")
                continue
            stored[entry.path] = Artifact(
                path=entry.path,
                sha256=self.blobs.put(content),
                size=len(content),
                media_type=mimetypes.guess_type(entry.path)[0] or "application/octet-stream",
            )
        return stored

    def _note_changes(self, changed: Mapping[str, Artifact], removed: tuple[str, ...]) -> None:
        self.files.update(changed)
        for path in removed:
            self.files.pop(path, None)


def _ending(result: Result) -> str:
    return f"exit {result.exit_code}" if result.exit_code is not None else result.cause


def _worded(result: Result, changed: Mapping[str, Artifact]) -> str:
    lines = [result.output.rstrip() or "(no output)"]
    if result.cause != "ok" or result.exit_code != 0:
        lines.append(f"[{result.cause}, exit code {result.exit_code}]")
    lines += [f"[file {item.path}, {item.size} bytes]" for item in changed.values()]
    return "\n".join(lines)
