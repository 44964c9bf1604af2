"""The sandbox as the rest of the project sees it: settings, results, and `Sandbox.open`.

Knows no engine. Untrusted code and hostile files go in; results, file lists and bytes come out.
A program that fails inside is a Result, a path that may not be touched is ToolFailed, a box that
cannot be kept alive is SandboxFailed, a missing engine or image is NotReady.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Launcher = Literal["docker", "bubblewrap", "unsafe-local"]
Cause = Literal[
    "ok",
    "error",
    "timeout",
    "out_of_memory",
    "too_many_processes",
    "killed",
    "limit",
    "cancelled",
]
IMAGE = "quaestor-sandbox"


def _run_id() -> str:
    return uuid.uuid4().hex[:12]


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Where and how code runs.

    `root_tree` is what bubblewrap shows as `/` (default: where `quaestor sandbox build` keeps it).
    `runtime` is an engine runtime such as gVisor's `runsc`. `inputs` is a private copy of large
    inputs, shown read-only as /workspace/inputs. `proxy_socket` is the one way out; the sandbox's
    user must be able to connect to it; `proxy_login` is what it asks for, USER:PASSWORD. `log`
    gets a line before each block starts.
    """

    launcher: Launcher = "docker"
    image: str = IMAGE
    run_id: str = field(default_factory=_run_id)
    root_tree: Path | None = None
    runtime: str | None = None
    memory_bytes: int = 1 << 30
    cpus: float = 1.0
    pids: int = 256
    output_bytes: int = 65536
    timeout_s: float = 60.0
    inputs: Path | None = None
    proxy_socket: Path | None = None
    proxy_login: str = ""
    log: Path | None = None


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A regular file in the workspace. `sha256` is "" when there was too much to hash."""

    path: str
    size: int
    sha256: str
    mode: int


@dataclass(frozen=True, slots=True)
class Result:
    """What a block did. `exit_code` is None when it was ended from outside."""

    exit_code: int | None
    output: str
    truncated: bool
    cause: Cause
    duration_s: float
    changed: tuple[FileEntry, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A citable piece of a document: `anchor` is "page 3", "sheet Prices rows 1-200", ..."""

    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Conversion:
    """A document as text. `notes` say what was left out and why a fallback was used; `whole` is
    false when text is missing."""

    kind: str
    title: str
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Span:
    """A range of a document: pages of a PDF, rows of a sheet or CSV, lines of a text."""

    unit: Literal["page", "row", "line"]
    first: int
    last: int
    sheet: str = ""


Texts = Mapping[str, tuple[Part, ...]]


class Box(Protocol):
    """A running sandbox. Calls are served one at a time; paths are relative to /workspace."""

    async def run(
        self, code: str, language: str, *, timeout_s: float | None = None, key: str = ""
    ) -> Result:
        """Run a block; every process that it starts is dead when this returns.

        Cancelling the call stops the block and keeps the files.
        """
        ...

    async def cancel(self) -> None:
        """Stop the block that runs now, if any; its `run` returns with the cause `cancelled`."""
        ...

    async def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file, replacing what is there."""
        ...

    async def get(self, path: str) -> bytes:
        """Read a regular file; links, pipes and paths outside are ToolFailed."""
        ...

    async def files(self) -> tuple[FileEntry, ...]:
        """Every regular file of the workspace, without /workspace/inputs."""
        ...

    async def convert(self, path: str, *, members: tuple[str, ...] = ()) -> Conversion:
        """Turn a document, or a member of an archive, into text; bounded in time and size.

        This and the other questions about documents are answered inside the box, by a program
        of ours that has no sockets; what it refuses is ToolFailed.
        """
        ...

    async def span(self, path: str, span: Span, *, members: tuple[str, ...] = ()) -> Conversion:
        """A range of a document of any size."""
        ...

    async def grep(
        self, pattern: str, *, texts: Texts, paths: tuple[str, ...] = (), most: int = 30
    ) -> Conversion:
        """Lines that match, in known texts and in files; the title is how many there are."""
        ...

    async def find(
        self, words: str, *, texts: Texts, paths: tuple[str, ...] = (), most: int = 10
    ) -> Conversion:
        """The parts that hold the most of the words."""
        ...

    async def table(self, path: str, sql: str, *, members: tuple[str, ...] = ()) -> Conversion:
        """The rows of an SQL query over a sheet, CSV, JSON or Parquet file."""
        ...

    async def picture(self, path: str, *, page: int = 1, members: tuple[str, ...] = ()) -> bytes:
        """A picture, or a page of a PDF, as PNG of a size for models."""
        ...

    async def examine(self, request: str, *, timeout_s: float, key: str = "") -> str:
        """Have our program for evidence answer a request in JSON, like a question about documents;
        SandboxFailed when it does not come to an answer."""
        ...

    async def close(self) -> None:
        """Kill the box and all that is in it."""
        ...

    @property
    def restarts(self) -> int:
        """How often the box was lost; the next call finds a new one with an empty workspace."""
        ...

    @property
    def protections(self) -> dict[str, bool]:
        """Name of each protection -> whether it was seen to hold when the box started."""
        ...

    @property
    def image(self) -> str:
        """What programs run in, by content: an image's digest or a tree's recipe."""
        ...

    def describe(self) -> str:
        """One line for people."""
        ...


class Sandbox:
    """Opens boxes."""

    @staticmethod
    @asynccontextmanager
    async def open(settings: SandboxSettings) -> AsyncIterator[Box]:
        """A running box, killed when the block is left; raises NotReady or SandboxFailed."""
        from sandbox.box import SupervisedBox
        from sandbox.launchers import launch_for

        box = await SupervisedBox.start(settings, await launch_for(settings))
        try:
            yield box
        finally:
            await box.close()


async def ready(settings: SandboxSettings) -> None:
    """Raise NotReady, with the fix, when a box could not be opened with these settings."""
    from sandbox.launchers import launch_for

    await launch_for(settings)


async def available() -> tuple[Launcher, ...]:
    """The launchers that could work on this machine, best first; for `doctor`."""
    from sandbox.launchers import workable

    return await workable()
