"""PID 1 of every box: takes frames on stdin, runs blocks as children, answers on stdout.

It is the only program of ours in the box, uses the standard library alone, and never runs
untrusted code in its own process. When stdin ends, the host is gone: it kills all and exits.
Knows nothing of Docker or bubblewrap; the host sends it with `sandbox.payload`.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from contextlib import suppress

from sandbox.inside import frames, probe, relay
from sandbox.inside.block import READER, Block, HostGone, Runner
from sandbox.inside.confine import Confinement, protect_supervisor
from sandbox.inside.files import Entry, Refused, Workspace
from sandbox.inside.frames import Header


class Supervisor:
    """Serves one request after the other until the host is gone."""

    def __init__(self, confinement: Confinement, stdin: int, stdout: int) -> None:
        self._confinement = confinement
        self._frames = frames.FrameReader(stdin)
        self._stdout = stdout
        self._runner = Runner(confinement, self._frames, stdin)
        self._workspace = Workspace(confinement.workspace, confinement.as_user)

    def serve(self) -> None:
        """Answer until stdin ends."""
        self._workspace.files()
        self._reply(
            {
                "op": "ready",
                "python": platform.python_version(),
                "protections": probe.protections(self._confinement),
            }
        )
        with suppress(HostGone):
            while frame := self._frames.wait():
                self._answer(*frame)
        self._runner.kill_all(os.getpid())

    def _answer(self, header: Header, payload: bytes) -> None:
        try:
            match header.get("op"):
                case "run":
                    self._run(header, payload)
                case "put":
                    self._put(header)
                case "get":
                    self._get(header)
                case "files":
                    self._reply({"op": "files", "files": _listed(self._workspace.files())})
                case _:
                    pass  # a cancel that came after its block had ended
        except (Refused, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            self._reply({"op": "refused", "reason": str(reason)})

    def _run(self, header: Header, code: bytes) -> None:
        block = Block(
            code=code,
            language=str(header["language"]),
            arguments=tuple(header["arguments"]),
            timeout=float(header["timeout"]),
            output=int(header["output"]),
        )
        if block.language != READER:
            relay.start(self._confinement)
        ended = self._runner.run(block)
        changed, removed = self._workspace.changes()
        self._reply(
            {
                "op": "ended",
                "exit_code": ended.exit_code,
                "cause": ended.cause,
                "seconds": ended.seconds,
                "head": len(ended.head),
                "total": ended.total,
                "changed": _listed(changed),
                "removed": removed,
                "left_out": self._workspace.left_out,
            },
            ended.head + ended.tail,
        )

    def _put(self, header: Header) -> None:
        left = int(header["size"])
        try:
            with self._workspace.writing(str(header["path"]), int(header["mode"])) as add:
                while left > 0:
                    piece = self._piece()
                    left -= len(piece)
                    add(piece)
        finally:
            while left > 0:  # after an error the rest is still on its way
                left -= len(self._piece())
        self._reply({"op": "done"})

    def _get(self, header: Header) -> None:
        with self._workspace.reading(str(header["path"])) as (fd, size):
            if size > int(header["most"]):
                raise Refused(f"it holds {size} bytes, over the limit of {header['most']}")
            self._reply({"op": "content", "size": size})
            while piece := os.read(fd, frames.CHUNK):
                self._reply({"op": "piece"}, piece)
        self._reply({"op": "done"})

    def _piece(self) -> bytes:
        frame = self._frames.wait()
        if frame is None:
            raise HostGone
        return frame[1]

    def _reply(self, header: Header, payload: bytes = b"") -> None:
        frames.write(self._stdout, header, payload)


def _listed(found: dict[str, Entry]) -> list[list[str | int]]:
    return [[path, entry.size, entry.sha256, entry.mode] for path, entry in found.items()]


def main() -> None:
    """Keep the stream to ourselves and serve."""
    confinement = Confinement(**json.loads(sys.argv[1]))
    protect_supervisor()
    stdin, stdout = os.dup(0), os.dup(1)
    for pipe in (stdin, stdout):
        frames.enlarge(pipe)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    with suppress(BrokenPipeError):
        Supervisor(confinement, stdin, stdout).serve()
