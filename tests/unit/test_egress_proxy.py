"""The proxy over real sockets on loopback: who gets in, what gets out, what is written down."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sandbox.egress import Credential, Egress, open_egress
from sandbox.egress_policy import Address, EgressPolicy


@dataclass
class Origin:
    """A tiny HTTP server that remembers the requests it was sent."""

    port: int = 0
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi"

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            length = [line for line in head.split("\r\n") if line.lower().startswith("content-l")]
            if length:
                self.bodies.append(await reader.readexactly(int(length[0].split(":")[1])))
            writer.write(self.answer)
            await writer.drain()
        writer.close()


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    made = Origin()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


async def no_such_name(host: str, port: int) -> list[Address]:
    raise OSError(f"{host} is not a name")


async def always_loopback(host: str, port: int) -> list[Address]:
    return [ip_address("127.0.0.1")]


def basic(credential: Credential) -> str:
    token = base64.b64encode(f"{credential.username}:{credential.password}".encode()).decode()
    return f"Proxy-Authorization: Basic {token}\r\n"


async def send(egress: Egress, request: str, body: bytes = b"") -> str:
    port = urlsplit(egress.server_url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode() + body)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer.decode()


async def get(egress: Egress, url: str, branch: str = "main") -> str:
    return await send(
        egress, f"GET {url} HTTP/1.1\r\nHost: x\r\n{basic(egress.credential(branch))}\r\n"
    )


def allowing(*authorities: str, **changes: float) -> EgressPolicy:
    return EgressPolicy(allow=frozenset(authorities), **changes)  # type: ignore[arg-type]


async def test_a_request_reaches_an_allowed_server_without_the_proxy_credential(
    origin: Origin,
) -> None:
    async with open_egress(allowing(origin.authority)) as egress:
        answer = await get(egress, f"http://{origin.authority}/a?b=c")
    assert answer.startswith("HTTP/1.1 200 OK")
    assert answer.endswith("hi")
    assert "Connection: close" in answer
    assert "keep-alive" not in answer
    assert origin.heads[0].startswith(f"GET /a?b=c HTTP/1.1\r\nHost: {origin.authority}\r\n")
    assert "roxy-" not in origin.heads[0]


async def test_only_the_declared_body_is_passed_on(origin: Origin) -> None:
    async with open_egress(allowing(origin.authority)) as egress:
        await send(
            egress,
            f"POST http://{origin.authority}/ HTTP/1.1\r\n{basic(egress.credential('a'))}"
            "Content-Length: 4\r\n\r\n",
            b"bodyGET http://smuggled/ HTTP/1.1\r\n\r\n",
        )
    assert origin.bodies == [b"body"]
    assert len(origin.heads) == 1


async def test_nobody_passes_without_the_credential_of_a_branch(origin: Origin) -> None:
    async with open_egress(allowing(origin.authority)) as egress:
        good = egress.credential("a")
        wrong = Credential(good.server, "a", "guess")
        for line in ("", basic(wrong), "Proxy-Authorization: Basic ???\r\n"):
            answer = await send(egress, f"GET http://{origin.authority}/ HTTP/1.1\r\n{line}\r\n")
            assert answer.startswith("HTTP/1.1 407")
    assert origin.heads == []


async def test_a_forbidden_endpoint_is_refused_with_a_reason_and_never_touched(
    origin: Origin,
) -> None:
    async with open_egress(EgressPolicy()) as egress:
        answer = await get(egress, f"http://{origin.authority}/", branch="b")
        refused = egress.verdicts("b")
    assert answer.startswith("HTTP/1.1 403")
    assert "X-Quaestor-Egress: refused" in answer
    assert "loopback" in answer
    assert [(p.host, p.port, p.verdict) for p in refused] == [("127.0.0.1", origin.port, "refused")]
    assert origin.heads == []


async def test_a_name_is_resolved_by_the_proxy_and_refused_when_it_leads_inside(
    origin: Origin,
) -> None:
    async with open_egress(EgressPolicy(), resolve=always_loopback) as egress:
        answer = await get(egress, f"http://rebind.example:{origin.port}/")
    assert "403" in answer
    assert "leads to 127.0.0.1" in answer
    assert origin.heads == []


async def test_an_unreachable_host_is_told_apart_from_a_refused_one() -> None:
    async with open_egress(allowing("127.0.0.1:9"), resolve=no_such_name) as egress:
        closed_port = await get(egress, "http://127.0.0.1:9/")
        no_name = await get(egress, "http://nowhere.example/")
    for answer in (closed_port, no_name):
        assert answer.startswith("HTTP/1.1 502")
        assert "X-Quaestor-Egress: unreachable" in answer
    assert "does not resolve" in no_name


async def test_a_tunnel_carries_bytes_both_ways(origin: Origin) -> None:
    async with open_egress(allowing(origin.authority)) as egress:
        answer = await send(
            egress,
            f"CONNECT {origin.authority} HTTP/1.1\r\n{basic(egress.credential('a'))}\r\n"
            "GET /inside HTTP/1.1\r\n\r\n",
        )
    assert answer.startswith("HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK")
    assert origin.heads[0].startswith("GET /inside")


async def test_a_websocket_upgrade_passes_with_its_headers(origin: Origin) -> None:
    origin.answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\nframes"
    async with open_egress(allowing(origin.authority)) as egress:
        answer = await send(
            egress,
            f"GET ws://{origin.authority}/chat HTTP/1.1\r\n{basic(egress.credential('a'))}"
            "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
    assert answer.startswith("HTTP/1.1 101")
    assert answer.endswith("frames")
    assert "Connection: Upgrade" in origin.heads[0]


@pytest.mark.parametrize(
    "request_line",
    [
        "GET / HTTP/1.1",
        "GET ftp://example.org/ HTTP/1.1",
        "GET https://example.org/ HTTP/1.1",
        "GET file:///etc/passwd HTTP/1.1",
        "GET http://user:pw@127.0.0.1/ HTTP/1.1",
        "CONNECT example.org HTTP/1.1",
        "GET http://[::1/ HTTP/1.1",
        "nonsense",
    ],
)
async def test_what_is_not_plain_web_traffic_is_turned_away(request_line: str) -> None:
    async with open_egress(EgressPolicy(), resolve=no_such_name) as egress:
        answer = await send(egress, f"{request_line}\r\n{basic(egress.credential('a'))}\r\n")
    assert answer.split(" ")[1] in ("400", "403")


async def test_more_bytes_than_the_cap_are_cut(origin: Origin, tmp_path: Path) -> None:
    origin.answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 300_000
    log = tmp_path / "egress.jsonl"
    async with open_egress(allowing(origin.authority, max_bytes=100_000), log) as egress:
        answer = await get(egress, f"http://{origin.authority}/")
    assert len(answer) < 200_000
    assert json.loads(log.read_text(encoding="utf-8"))["verdict"] == "cut"


async def test_every_passage_is_logged_with_host_branch_and_bytes(
    origin: Origin, tmp_path: Path
) -> None:
    log = tmp_path / "egress.jsonl"
    async with open_egress(allowing(origin.authority), log) as egress:
        await get(egress, f"http://{origin.authority}/", branch="one")
        await get(egress, "http://10.0.0.1/", branch="two")
    first, second = (json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())
    assert (first["branch"], first["host"], first["verdict"]) == ("one", "127.0.0.1", "passed")
    assert first["received"] >= 2
    assert (second["branch"], second["host"], second["verdict"]) == ("two", "10.0.0.1", "refused")


async def test_a_box_without_network_reaches_the_proxy_over_its_socket(
    origin: Origin, tmp_path: Path
) -> None:
    path = tmp_path / "egress.sock"
    async with open_egress(allowing(origin.authority), socket_path=path) as egress:
        reader, writer = await asyncio.open_unix_connection(path)
        request = f"GET http://{origin.authority}/ HTTP/1.1\r\n{basic(egress.credential('a'))}\r\n"
        writer.write(request.encode())
        assert (await reader.read()).endswith(b"hi")
        writer.close()
    assert not path.exists()


async def test_closing_the_proxy_ends_open_tunnels(origin: Origin) -> None:
    async with open_egress(allowing(origin.authority)) as egress:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", urlsplit(egress.server_url).port
        )
        request = f"CONNECT {origin.authority} HTTP/1.1\r\n{basic(egress.credential('a'))}\r\n"
        writer.write(request.encode())
        await reader.readuntil(b"\r\n\r\n")
    async with asyncio.timeout(2):
        assert await reader.read() == b""
    writer.close()


async def post(egress: Egress, url: str, body: bytes, branch: str = "main") -> str:
    head = f"POST {url} HTTP/1.1\r\n{basic(egress.credential(branch))}"
    return await send(egress, f"{head}Content-Length: {len(body)}\r\n\r\n", body)


async def test_what_pages_send_to_a_host_that_was_never_visited_has_a_budget(
    origin: Origin, tmp_path: Path
) -> None:
    log = tmp_path / "egress.jsonl"
    url, body = f"http://{origin.authority}/", b"x" * 400
    async with open_egress(allowing(origin.authority, unvisited_sent=1200), log) as egress:
        answers = [await post(egress, url, body) for _ in range(4)]
        egress.visit("main", "2130706433")  # the same host in another spelling
        visited = await post(egress, url, body)
        elsewhere = await post(egress, url, body, branch="other")
    verdicts = [json.loads(line)["verdict"] for line in log.read_text("utf-8").splitlines()]
    assert verdicts == ["passed", "passed", "cut", "refused", "passed", "passed"]
    assert "never visited" in answers[3]
    assert visited.endswith("hi")
    assert elsewhere.endswith("hi")
    assert len(origin.bodies) == 4


async def test_what_pages_send_in_addresses_counts_too(origin: Origin) -> None:
    async with open_egress(allowing(origin.authority, unvisited_sent=1200)) as egress:
        for number in range(4):
            last = await get(egress, f"http://{origin.authority}/{number}?{'x' * 500}")
    assert "never visited" in last
    assert len(origin.heads) == 2


async def test_what_pages_take_from_a_host_that_was_never_visited_has_a_budget(
    origin: Origin,
) -> None:
    origin.answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000
    policy = allowing(origin.authority, unvisited_received=100_000)
    async with open_egress(policy) as egress:
        cut = await get(egress, f"http://{origin.authority}/")
        egress.visit("main", "127.0.0.1")
        whole = await get(egress, f"http://{origin.authority}/")
    assert len(cut) < 200_000 < len(whole)


async def test_a_branch_that_has_moved_its_bytes_gets_no_more(origin: Origin) -> None:
    async with open_egress(allowing(origin.authority, branch_bytes=300)) as egress:
        egress.visit("main", "127.0.0.1")
        for _ in range(9):
            last = await get(egress, f"http://{origin.authority}/")
        other = await get(egress, f"http://{origin.authority}/", branch="other")
    assert "this branch has moved more than 300 bytes" in last
    assert other.endswith("hi")
