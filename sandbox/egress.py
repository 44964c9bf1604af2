"""A filtering forward proxy: the only way out for the browser, and for code that got a host.

It resolves a name once and connects to the address it has checked, so a second answer of a name
server changes nothing. It logs every passage. Refuses to know what the bytes mean: TLS and
websockets pass through CONNECT untouched.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import json
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from sandbox.egress_answers import answer, ask_for_credential
from sandbox.egress_budget import Budget
from sandbox.egress_policy import (
    Address,
    EgressPolicy,
    Refused,
    Target,
    canonical_host,
    check_target,
    open_addresses,
)
from sandbox.egress_wire import (
    HOP_HEADERS,
    Head,
    Stop,
    Verdict,
    body_length,
    destination,
    read_head,
    rendered,
    request_head,
    request_line,
)

MAX_HEAD = 64 * 1024
HEAD_SECONDS = 30.0
CHUNK = 64 * 1024
REMEMBERED = 2000
GRACE_SECONDS = 30.0

Resolver = Callable[[str, int], Awaitable[list[Address]]]


@dataclass(slots=True)
class Passage:
    """One request through the proxy, as it is logged. `number` counts up from 1."""

    number: int
    time: str
    branch: str
    method: str
    host: str
    port: int
    verdict: Verdict = "passed"
    reason: str = ""
    sent: int = 0
    received: int = 0


@dataclass(frozen=True, slots=True)
class Credential:
    """What one branch shows to the proxy, so that its traffic is told apart."""

    server: str
    username: str
    password: str


@dataclass(slots=True)
class Egress:
    """A running proxy. `passages` holds the newest requests, oldest first."""

    policy: EgressPolicy
    server_url: str
    budget: Budget
    passages: deque[Passage] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    count: int = 0
    _passwords: dict[str, str] = field(default_factory=dict)

    def credential(self, branch: str) -> Credential:
        """The same user and password for the same branch, as long as the proxy lives."""
        name = _user_name(branch)
        password = self._passwords.setdefault(name, secrets.token_urlsafe(24))
        return Credential(self.server_url, name, password)

    def visit(self, branch: str, host: str) -> None:
        """The branch goes to this host itself; what pages load from elsewhere has a budget."""
        with contextlib.suppress(Refused):
            self.budget.visit(_user_name(branch), canonical_host(host))

    def begin(self, branch: str, method: str) -> Passage:
        """A new passage, which is counted but not yet remembered: its host is not known."""
        self.count += 1
        return Passage(self.count, datetime.now(UTC).isoformat(), branch, method, "", 0)

    def verdicts(self, branch: str, after: int = 0) -> list[Passage]:
        """What was not let through for this branch since passage number `after`."""
        return [
            passage
            for passage in self.passages
            if passage.number > after
            and passage.branch == _user_name(branch)
            and passage.verdict != "passed"
        ]

    def branch_of(self, authorization: str) -> str | None:
        """The branch whose credential this is, or None."""
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return None
        expected = self._passwords.get(user)
        if expected is None or not hmac.compare_digest(expected.encode(), password.encode()):
            return None
        return user


def _user_name(branch: str) -> str:
    """A colon would end the name in the header."""
    return branch.replace(":", "_")


async def resolve_with_system(host: str, port: int) -> list[Address]:
    """Ask the system's resolver; raises OSError when the name does not exist."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


@contextlib.asynccontextmanager
async def open_egress(
    policy: EgressPolicy,
    log: Path | None = None,
    *,
    socket_path: Path | None = None,
    resolve: Resolver = resolve_with_system,
) -> AsyncIterator[Egress]:
    """Run the proxy on a loopback port of its own, and on a unix socket if one is named."""
    listener = socket.create_server(("127.0.0.1", 0))
    server_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    egress = Egress(policy, server_url, Budget(policy))
    gate = _Gate(egress, resolve, log)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(gate.hang_up)
        await stack.enter_async_context(
            await asyncio.start_server(gate.admit, sock=listener, limit=MAX_HEAD)
        )
        if socket_path is not None:
            stack.callback(socket_path.unlink, missing_ok=True)
            await stack.enter_async_context(
                await asyncio.start_unix_server(gate.admit, socket_path, limit=MAX_HEAD)
            )
            # The folder keeps other users away; the box's user has to reach the socket itself.
            os.chmod(socket_path, 0o666)  # noqa: PTH101, S103 - behind a private folder
        yield egress


@dataclass(slots=True)
class _Gate:
    """Serves connections: one request each, since every request may go to another host."""

    egress: Egress
    resolve: Resolver
    log: Path | None
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    async def admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end; what the peer breaks ends only this connection."""
        task = asyncio.current_task()
        if task is not None:
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            pass  # the browser went away before it had asked for anything
        except asyncio.CancelledError:
            pass  # hung up by us; asyncio's own callback would log it as an error
        finally:
            writer.close()

    async def hang_up(self) -> None:
        """End every open connection."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await read_head(reader)
            method, url = request_line(head)
        except Stop as stop:
            await answer(reader, writer, stop)
            return
        branch = self.egress.branch_of(head.get("proxy-authorization"))
        if branch is None:
            await ask_for_credential(reader, writer)
            return
        passage = self.egress.begin(branch, method)
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.egress.policy.max_seconds):
                await self._pass_through(head, url, passage, (reader, writer))
        except Stop as stop:
            if passage.verdict != "cut":  # what broke off then is our own doing
                passage.verdict, passage.reason = stop.verdict, stop.reason
            await answer(reader, writer, stop)
        except TimeoutError:
            passage.verdict, passage.reason = "cut", "the time limit of a connection was reached"
        except OSError as error:
            if passage.verdict != "cut":
                passage.reason = f"ended early: {error.strerror or error}"
        finally:
            self._write_log(passage, time.monotonic() - started)

    async def _pass_through(self, head: Head, url: str, passage: Passage, client: _Streams) -> None:
        target, path = destination(passage.method, url)
        passage.host, passage.port = target.host, target.port
        self.egress.passages.append(passage)
        if exceeded := self.egress.budget.exceeded(passage.branch, target.host):
            raise Stop("refused", exceeded)
        server = await self._connect(target)
        flow = _Flow(client, server, passage, self.egress)
        try:
            if passage.method == "CONNECT":
                client[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await flow.run(up_to=None)
            else:
                await self._forward(head, target, path, flow)
        finally:
            server[1].close()

    async def _connect(self, target: Target) -> _Streams:
        policy = self.egress.policy
        try:
            allowed = check_target(policy, target)
            addresses = await self._addresses(target)
            usable = addresses if allowed else open_addresses(target, addresses)
        except Refused as refusal:
            raise Stop("refused", str(refusal)) from refusal
        reason = "it has no address"
        for address in usable:
            try:
                async with asyncio.timeout(policy.connect_seconds):
                    return await asyncio.open_connection(str(address), target.port)
            except TimeoutError:
                reason = "it did not answer in time"
            except OSError as error:
                reason = error.strerror or str(error)
        raise Stop("unreachable", f"{target.name} cannot be reached: {reason}")

    async def _addresses(self, target: Target) -> list[Address]:
        literal = target.literal
        if literal is not None:
            return [literal]
        try:
            async with asyncio.timeout(self.egress.policy.connect_seconds):
                return await self.resolve(target.host, target.port)
        except (OSError, UnicodeError) as error:
            raise Stop("unreachable", f"the name {target.host} does not resolve") from error

    async def _forward(self, head: Head, target: Target, path: str, flow: _Flow) -> None:
        upgrade = "upgrade" in head.get("connection").lower() and bool(head.get("upgrade"))
        if flow.send_up(request_head(head, target, path, upgrade=upgrade)):
            await flow.run(up_to=None if upgrade else body_length(head), close_after=not upgrade)

    def _write_log(self, passage: Passage, seconds: float) -> None:
        if self.log is None:
            return
        line = json.dumps({**asdict(passage), "seconds": round(seconds, 3)})
        with self.log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class _Flow:
    """Bytes both ways between a client and a server, under a cap and the branch's budget."""

    client: _Streams
    server: _Streams
    passage: Passage
    egress: Egress

    async def run(self, *, up_to: int | None, close_after: bool = False) -> None:
        """Until the server ends. `up_to`: how many bytes of the client's belong to its request."""
        upward = asyncio.create_task(self._send_up(up_to))
        try:
            if close_after:
                await self._copy_response_head()
            while chunk := await self.server[0].read(CHUNK):
                self.passage.received += len(chunk)
                if not self._within_cap(received=len(chunk)):
                    return
                self.client[1].write(chunk)
                await self.client[1].drain()
        finally:
            upward.cancel()
            await asyncio.gather(upward, return_exceptions=True)

    def send_up(self, chunk: bytes) -> bool:
        """Count it, then pass it on; False when it is over the cap and the passage was cut. The
        head of a request counts too: an address can carry what was read."""
        self.passage.sent += len(chunk)
        if not self._within_cap(sent=len(chunk)):
            return False
        self.server[1].write(chunk)
        return True

    async def _send_up(self, up_to: int | None) -> None:
        reader, writer = self.client[0], self.server[1]
        while up_to is None or up_to > 0:
            chunk = await reader.read(CHUNK if up_to is None else min(CHUNK, up_to))
            if not chunk:
                break
            if not self.send_up(chunk):
                return
            await writer.drain()
            up_to = None if up_to is None else up_to - len(chunk)
        else:
            await reader.read(1)  # nothing more belongs to this request: wait for the hang-up
        if writer.can_write_eof():
            writer.write_eof()
        await asyncio.sleep(GRACE_SECONDS)  # a server may finish its answer to a half-closed peer
        writer.close()

    async def _copy_response_head(self) -> None:
        """Tell the client that this connection is used up; its next request may go elsewhere."""
        while True:
            try:
                head = await read_head(self.server[0])
            except (Stop, asyncio.IncompleteReadError) as error:
                reason = f"{self.passage.host} did not answer in HTTP"
                raise Stop("unreachable", reason) from error
            fields = [pair for pair in head.headers if pair[0].lower() not in HOP_HEADERS]
            interim = head.start.split(" ")[1:2] == ["100"]
            if not interim:
                fields.append(("Connection", "close"))
            self.client[1].write(rendered(head.start, fields))
            if not interim:
                return

    def _within_cap(self, *, sent: int = 0, received: int = 0) -> bool:
        passage, most = self.passage, self.egress.policy.max_bytes
        why = self.egress.budget.spend(passage.branch, passage.host, sent=sent, received=received)
        if passage.sent + passage.received > most:
            why = f"more than {most} bytes"
        if not why:
            return True
        passage.verdict, passage.reason = "cut", why
        self.client[1].close()
        self.server[1].close()
        return False
