"""A box that is kept alive: one request at a time, cancelled without loss, restarted when it died.

Knows frames and settings, no launcher. Beyond its shape, nothing that a box says is trusted.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import json
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeVar, cast, get_args

from orchestrator.errors import SandboxFailed, ToolFailed
from sandbox import payload
from sandbox.advice import advice
from sandbox.base import (
    Cause,
    Conversion,
    FileEntry,
    Part,
    Result,
    SandboxSettings,
    Span,
    Texts,
)
from sandbox.inside.block import READER
from sandbox.inside.frames import Header
from sandbox.output import joined
from sandbox.process import finished
from sandbox.wire import BROKEN, Launch, Wire

GRACE_S = 10.0
"""How long past a block's own timeout the supervisor may take before the box is thrown away."""
SETTLE_S = 5.0
START_S = 60.0
MAX_FILE = 512 << 20
CONVERT_S = 70.0
CONVERT_OUTPUT = 6 << 20
LANGUAGES = {
    "python": "python",
    "python3": "python",
    "py": "python",
    "bash": "bash",
    "shell": "bash",
    "sh": "bash",
}
RESTARTED = (
    "[sandbox] The box was restarted before this block: whatever earlier blocks left is gone, "
    "except for files that were put back ({there})."
)
SHOWN_FILES = 8
T = TypeVar("T")


class SupervisedBox:
    """Implements `Box` over whatever a Launch starts."""

    def __init__(self, settings: SandboxSettings, launch: Launch) -> None:
        self._settings = settings
        self._launch = launch
        self._lock = asyncio.Lock()  # protects the one stream: a request and its answers
        self._wire: Wire | None = None
        self._running = False
        self._closed = False
        self._starts = 0
        self._put_back: set[str] | None = None
        """After a restart, until a block has been told: the files that were written since."""
        self._protections: dict[str, bool] = {}

    @classmethod
    async def start(cls, settings: SandboxSettings, launch: Launch) -> SupervisedBox:
        """A box that has answered."""
        box = cls(settings, launch)
        await box._connected()
        return box

    @property
    def restarts(self) -> int:
        lost = self._wire is None and not self._closed
        return self._starts - 1 + lost

    @property
    def protections(self) -> dict[str, bool]:
        return dict(self._protections)

    @property
    def image(self) -> str:
        return self._launch.image

    def describe(self) -> str:
        missing = sorted(name for name, holds in self._protections.items() if not holds)
        return self._launch.describe() + (f"; NOT {', '.join(missing)}" if missing else "")

    async def run(
        self, code: str, language: str, *, timeout_s: float | None = None, key: str = ""
    ) -> Result:
        known = LANGUAGES.get(language.strip().lower())
        if known is None:
            return _unknown_language(language)
        async with self._lock:
            wire = await self._connected()
            self._record(code, known, key)
            note = self._restart_note()
            header = {
                "op": "run",
                "language": known,
                "arguments": [],
                "timeout": self._settings.timeout_s if timeout_s is None else timeout_s,
                "output": self._settings.output_bytes,
            }
            return await self._run(wire, header, code, note)

    async def cancel(self) -> None:
        if self._running and self._wire is not None:
            with suppress(*BROKEN):
                await self._wire.send({"op": "cancel"})

    async def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        if len(content) > MAX_FILE:
            raise ToolFailed(f"{path}: {len(content)} bytes are over the limit of {MAX_FILE}.")
        header = {"op": "put", "path": _relative(path), "mode": mode, "size": len(content)}

        async def write(wire: Wire) -> None:
            await wire.send(header)
            await wire.send_content(content)
            _accept(path, (await wire.receive())[0])
            if self._put_back is not None:
                self._put_back.add(str(header["path"]))

        await self._request(write)

    async def get(self, path: str) -> bytes:
        header = {"op": "get", "path": _relative(path), "most": MAX_FILE}

        async def read(wire: Wire) -> bytes:
            answer, _ = await wire.ask(header)
            _accept(path, answer)
            content = bytearray()
            async for piece in wire.pieces():
                content += piece
                if len(content) > MAX_FILE:
                    raise OSError("the box sends more than it said")
            return bytes(content)

        return await self._request(read)

    async def files(self) -> tuple[FileEntry, ...]:
        async def listing(wire: Wire) -> tuple[FileEntry, ...]:
            answer, _ = await wire.ask({"op": "files"})
            _accept("/workspace", answer)
            return _entries(answer["files"])

        return await self._request(listing)

    async def convert(self, path: str, *, members: tuple[str, ...] = ()) -> Conversion:
        return await self._ask(path, "convert", members)

    async def span(self, path: str, span: Span, *, members: tuple[str, ...] = ()) -> Conversion:
        return await self._ask(path, "span", members, **dataclasses.asdict(span))

    async def grep(
        self, pattern: str, *, texts: Texts, paths: tuple[str, ...] = (), most: int = 30
    ) -> Conversion:
        return await self._search("grep", texts, paths, pattern=pattern, most=most)

    async def find(
        self, words: str, *, texts: Texts, paths: tuple[str, ...] = (), most: int = 10
    ) -> Conversion:
        return await self._search("find", texts, paths, words=words, most=most)

    async def table(self, path: str, sql: str, *, members: tuple[str, ...] = ()) -> Conversion:
        return await self._ask(path, "table", members, sql=sql)

    async def picture(self, path: str, *, page: int = 1, members: tuple[str, ...] = ()) -> bytes:
        found = await self._ask(path, "image", members, page=page)
        return base64.b64decode(found.parts[0].text if found.parts else "")

    async def _ask(
        self, path: str, op: str, members: tuple[str, ...], **more: object
    ) -> Conversion:
        request = {"op": op, "paths": [_relative(path)], "members": list(members), **more}
        return await self.inquire(path, json.dumps(request))

    async def _search(
        self, op: str, texts: Texts, paths: tuple[str, ...], **more: object
    ) -> Conversion:
        known = {name: [dataclasses.asdict(part) for part in t] for name, t in texts.items()}
        inside = [_relative(path) for path in paths]
        request = {"op": op, "paths": inside, "members": [], "texts": known, **more}
        return await self.inquire(op, json.dumps(request))

    async def inquire(self, what: str, request: str) -> Conversion:
        """Have the reader answer a request; `what` names it in errors."""
        result = await self.read(payload.reader(request), key=what)
        return _conversion(what, result)

    async def examine(self, request: str, *, timeout_s: float, key: str = "") -> str:
        result = await self.read(payload.examiner(request), key, timeout_s)
        if result.cause != "ok":
            raise SandboxFailed(f"the examination broke ({result.cause}): {result.output[-400:]}")
        return result.output

    async def read(self, program: str, key: str = "", timeout_s: float = CONVERT_S) -> Result:
        """Run a program of ours as the reader: isolated from the workspace, without sockets."""
        async with self._lock:
            wire = await self._connected()
            self._record(program, READER, key)
            header = {
                "op": "run",
                "language": READER,
                "arguments": [],
                "timeout": timeout_s,
                "output": CONVERT_OUTPUT,
            }
            return await self._run(wire, header, program, "")

    async def close(self) -> None:
        self._closed = True
        await self._discard()

    async def _run(self, wire: Wire, header: Header, code: str, note: str) -> Result:
        """One block on a live wire. Cancellation stops the block, keeps the box, passes on."""
        exchange = asyncio.ensure_future(wire.ask(header, code.encode("utf-8", "replace")))
        self._running = True
        try:
            async with asyncio.timeout(float(header["timeout"]) + GRACE_S):
                answer, output = await asyncio.shield(exchange)
            return _result(answer, output, note, networked=self._settings.proxy_socket is not None)
        except TimeoutError:
            await self._discard()
            return _lost("timeout", "The block and its box did not end in time.", header)
        except BROKEN as error:
            complaint = wire.complaint()
            await self._discard()
            return _lost("killed", f"The box died during this block ({error}). {complaint}", header)
        except asyncio.CancelledError:
            await self._settle(wire, exchange)
            raise
        finally:
            self._running = False
            if not exchange.done():
                exchange.cancel()

    async def _settle(self, wire: Wire, exchange: asyncio.Future[tuple[Header, bytes]]) -> None:
        """Stop the running block and take its answer off the stream; else throw the box away."""
        try:
            async with asyncio.timeout(SETTLE_S):
                await wire.send({"op": "cancel"})
                await asyncio.shield(exchange)
        except (*BROKEN, TimeoutError, asyncio.CancelledError):
            await self._discard()

    async def _request(self, exchange: Callable[[Wire], Awaitable[T]]) -> T:
        """A short exchange. It is finished even when the caller is cancelled in between."""
        async with self._lock:
            wire = await self._connected()
            task = asyncio.ensure_future(exchange(wire))
            try:
                return await asyncio.shield(task)
            except BROKEN as error:
                await self._discard()
                raise SandboxFailed(f"the box died: {error} {wire.complaint()}") from error
            except asyncio.CancelledError:
                await asyncio.wait([task], timeout=SETTLE_S)
                if not task.done() or task.exception() is not None:
                    task.cancel()
                    await self._discard()
                raise

    async def _connected(self) -> Wire:
        if self._closed:
            raise SandboxFailed("the box is closed")
        if self._wire is None:
            self._wire = await self._started()
            self._put_back = set() if self._starts else None
            self._starts += 1
        return self._wire

    async def _started(self) -> Wire:
        wire = await finished(self._launch.launch(), lambda begun: begun.kill())
        try:
            async with asyncio.timeout(START_S):
                answer, _ = await wire.receive()
        except (*BROKEN, TimeoutError) as error:
            complaint = wire.complaint()
            await wire.kill()
            raise SandboxFailed(f"the box did not start: {error} {complaint}".strip()) from error
        except asyncio.CancelledError:
            await wire.kill()
            raise
        measured = answer.get("protections") or {}
        self._protections = {str(name): bool(holds) for name, holds in measured.items()}
        return wire

    def _restart_note(self) -> str:
        """What the next block is told of a restart, once."""
        back, self._put_back = self._put_back, None
        if back is None:
            return ""
        shown = ", ".join(sorted(back)[:SHOWN_FILES])
        more = f" and {len(back) - SHOWN_FILES} more" if len(back) > SHOWN_FILES else ""
        return RESTARTED.format(there=f"{shown}{more}" if back else "none")

    async def _discard(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            await asyncio.shield(wire.kill())

    def _record(self, code: str, language: str, key: str) -> None:
        """One line per block, written before it starts, so that a repeat can be proved."""
        if self._settings.log is None:
            return
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "run": self._settings.run_id,
            "key": key,
            "language": language,
            "sha256": hashlib.sha256(code.encode("utf-8", "replace")).hexdigest(),
            "cause": "started",
        }
        # One write per line: several boxes may share a log.
        log = os.open(self._settings.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(log, f"{json.dumps(line)}\n".encode("ascii"))
        finally:
            os.close(log)


def _relative(path: str) -> str:
    """A path below /workspace; the supervisor checks again, this only makes the message good."""
    inside = path.removeprefix("/workspace/")
    while inside.startswith("./"):
        inside = inside[2:]
    if not inside or inside.startswith("/") or ".." in inside.split("/"):
        raise ToolFailed(f"{path}: only files inside /workspace can be used.")
    return inside


def _accept(path: str, answer: Header) -> None:
    if answer.get("op") == "refused":
        raise ToolFailed(f"{path}: {answer.get('reason')}.")


def _entries(listed: list[list[object]]) -> tuple[FileEntry, ...]:
    return tuple(
        FileEntry(path=str(path), size=int(str(size)), sha256=str(digest), mode=int(str(mode)))
        for path, size, digest, mode in listed
    )


def _result(answer: Header, raw: bytes, note: str, *, networked: bool) -> Result:
    if answer.get("op") != "ended":
        return _lost("error", f"The block could not be started: {answer.get('reason')}.", answer)
    head = int(answer["head"])
    output, truncated = joined(raw[:head], raw[head:], int(answer["total"]))
    left_out = int(answer["left_out"])
    after = f"[sandbox] {left_out} files are not kept (odd names, or too many)." if left_out else ""
    cause = answer["cause"] if answer["cause"] in get_args(Cause) else "error"
    hint = advice(output, networked=networked) if cause == "error" else ""
    return Result(
        exit_code=answer["exit_code"],
        output="\n".join(text for text in (note, output, after, hint) if text),
        truncated=truncated,
        cause=cast("Cause", cause),
        duration_s=float(answer["seconds"]),
        changed=_entries(answer["changed"]),
        removed=tuple(map(str, answer["removed"])),
    )


def _lost(cause: Cause, text: str, header: Header) -> Result:
    seconds = float(header.get("timeout", 0.0)) if cause == "timeout" else 0.0
    return Result(None, f"[sandbox] {text.strip()}", False, cause, seconds)


def _unknown_language(language: str) -> Result:
    known = ", ".join(sorted(set(LANGUAGES.values())))
    return Result(None, f"[sandbox] No {language!r} here; it runs: {known}.", False, "error", 0.0)


def _conversion(path: str, result: Result) -> Conversion:
    if result.cause != "ok":
        reason = result.output.strip().splitlines()[-1:] or [result.cause]
        raise ToolFailed(f"{path}: it could not be read ({result.cause}): {reason[0]}")
    try:
        found = json.loads(result.output)
        if "refused" in found:
            raise ToolFailed(f"{path}: {found['refused']}.")
        parts = tuple(Part(str(part["anchor"]), str(part["text"])) for part in found["parts"])
        notes = tuple(map(str, found["notes"]))
        whole = bool(found["whole"])
        return Conversion(str(found["kind"]), str(found["title"]), parts, notes, whole)
    except (ValueError, KeyError, TypeError) as error:
        raise ToolFailed(f"{path}: the converter gave no usable answer ({error}).") from error
