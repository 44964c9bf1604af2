"""The files of a run: one sandbox that all agents share, opened when it is first needed.

The workspace is never trusted to survive. After each block its changed files are stored as
blobs; a restarted box, or a resumed run, gets them back before the next live step.
"""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath

from agents.open_box import WayOut, bound, open_box
from orchestrator.agent import CODE_OUTPUT, Artifact, CodeArtifact, Effect, Observation, Source
from orchestrator.blobs import Blobs
from orchestrator.errors import QuaestorError, SandboxFailed, ToolFailed
from orchestrator.events import Protections
from sandbox.base import Box, Result, SandboxSettings

MAX_STORED_BYTES = 64 << 20


@dataclass(slots=True)
class Workspace:
    """`files` is what the workspace should hold: path to stored content. `way_out` is what
    programs may reach, by way of a proxy that logs it; None is nothing."""

    settings: SandboxSettings
    blobs: Blobs
    files: dict[str, Artifact] = field(default_factory=dict)
    notice: Callable[[str], None] = lambda _text: None
    way_out: WayOut | None = None
    measured: Protections | None = None
    """What the newest box was seen to hold when it was needed; None before that."""
    _opening: asyncio.Task[Box] | None = None
    _bound: frozenset[str] = frozenset()
    _held: dict[str, str] = field(default_factory=dict)
    _restarts: int = 0
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _one_block: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Protects the box: a block's end kills everything in it, so blocks never overlap."""

    async def close(self) -> None:
        """Kill the box and everything in it."""
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
            await asyncio.wait({opening})
        await self._stack.aclose()

    def warm(self) -> None:
        """Begin to open the box, so that it is there when it is first needed. What goes wrong
        with it is told then."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(_noticed)

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
            conclusive=_ended_well(result),
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
        if self._opening is not None:
            async with self._one_block:
                await self._ready()
        return item

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Box]:
        """The box with every file in it, for questions about documents."""
        async with self._one_block:
            yield await self._ready()

    @property
    def effect(self) -> Effect:
        """What running a program again would mean: with a network it may be seen outside."""
        return "idempotent" if self.way_out is None else "ambiguous"

    @property
    def reach(self) -> str:
        """What programs can reach, in words for a model."""
        if self.way_out is None:
            return "without network"
        policy = self.way_out.policy
        hosts = ", ".join(sorted(policy.only_hosts | policy.allow))
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
        box = await self._opened()
        if box.restarts != self._restarts:
            self._held.clear()
            self._restarts = box.restarts
        await self._fill(box)
        self.measured = _measured(self.settings, box)
        return box

    async def _opened(self) -> Box:
        self.warm()
        opening = self._opening
        if opening is None:
            raise SandboxFailed("the workspace is closed")
        try:
            return await asyncio.shield(opening)
        except QuaestorError:
            self._opening = None  # the next need tries again
            raise

    async def _open(self) -> Box:
        self._bound = bound(self.files)
        inputs = {path: self.files[path].sha256 for path in self._bound}
        reads = {path: partial(self.blobs.get, sha256) for path, sha256 in inputs.items()}
        opening = open_box(self.settings, self.way_out, reads)
        return await self._stack.enter_async_context(opening)

    async def _fill(self, box: Box) -> None:
        for path, item in self.files.items():
            if path not in self._bound and self._held.get(path) != item.sha256:
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


def _measured(settings: SandboxSettings, box: Box) -> Protections:
    holding = sorted(box.protections.items())
    return Protections(
        sandbox=settings.launcher,
        holds=tuple(name for name, holds in holding if holds),
        missing=tuple(name for name, holds in holding if not holds),
    )


def _noticed(opening: asyncio.Task[Box]) -> None:
    """Look at what went wrong: asyncio complains about failures that nobody has seen."""
    if not opening.cancelled():
        opening.exception()


def _ending(result: Result) -> str:
    return f"exit {result.exit_code}" if result.exit_code is not None else result.cause


def _ended_well(result: Result) -> bool:
    return result.cause == "ok" and result.exit_code == 0


def _worded(result: Result, changed: Mapping[str, Artifact]) -> str:
    lines = [result.output.rstrip() or "(no output)"]
    if not _ended_well(result):
        lines.append(f"[{result.cause}, exit code {result.exit_code}]")
    lines += [f"[file {item.path}, {item.size} bytes]" for item in changed.values()]
    return "\n".join(lines)
