"""Code that was given one host reaches that host alone, through the proxy that logs it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from listening import Visit, listening
from sandbox_bench import settings

from agents.coder import Coder, authored
from agents.computer_terminal import ComputerTerminal
from agents.open_box import WayOut
from agents.toolkit import tools_of
from agents.workspace import Workspace
from orchestrator.blobs import Blobs
from orchestrator.settings import BoxSettings, Settings
from sandbox.base import Launcher
from sandbox.egress_policy import EgressPolicy
from tasks.team import open_team

FETCH = """
import sys, urllib.request
for url in {urls!r}:
    try:
        print(urllib.request.urlopen(url, timeout=60).read().decode())
    except Exception as error:
        print("NO", error)
"""


@dataclass(frozen=True)
class Shop:
    """An HTTP server on loopback, and what has reached it."""

    port: int
    asked: list[str]


@contextlib.contextmanager
def shop() -> Iterator[Shop]:
    asked: list[str] = []

    class Page(Visit):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send("price")

    with listening(Page) as port:
        yield Shop(port, asked)


@pytest.fixture
def shops() -> Iterator[tuple[Shop, Shop]]:
    with shop() as one, shop() as other:
        yield one, other


@contextlib.asynccontextmanager
async def workspace(
    launcher: Launcher, folder: Path, network: EgressPolicy | None
) -> AsyncIterator[Workspace]:
    log = folder / "logs" / "egress.jsonl"
    way_out = WayOut(network, log) if network else None
    opened = Workspace(settings(launcher), Blobs(folder / "blobs"), way_out=way_out)
    try:
        yield opened
    finally:
        await opened.close()


async def test_the_named_endpoint_is_reached_and_every_other_is_refused_and_logged(
    launcher: Launcher, tmp_path: Path, shops: tuple[Shop, Shop]
) -> None:
    open_shop, closed_shop = shops
    policy = EgressPolicy(
        allow=frozenset({f"127.0.0.1:{open_shop.port}"}), only_hosts=frozenset({"example.org"})
    )
    urls = [
        f"http://127.0.0.1:{open_shop.port}/a",
        f"http://127.0.0.1:{closed_shop.port}/b",
        "http://169.254.169.254/latest/meta-data",
        f"http://localhost:{open_shop.port}/c",
        "https://example.com/",
    ]
    async with workspace(launcher, tmp_path, policy) as place:
        program = authored(FETCH.format(urls=urls), "python")
        seen = await place.run(program, "fetch")
    lines = seen.text.splitlines()
    assert lines[0] == "price", seen.text
    assert [line[:2] for line in lines[1:5]] == ["NO"] * 4
    assert (open_shop.asked, closed_shop.asked) == (["/a"], [])
    log = (tmp_path / "logs" / "egress.jsonl").read_text(encoding="utf-8")
    passages = [json.loads(line) for line in log.splitlines()]
    verdicts = sorted(p["verdict"] for p in passages)  # each is written when it has ended
    assert verdicts == ["passed", *["refused"] * 4]
    assert {p["host"] for p in passages} >= {"127.0.0.1", "169.254.169.254", "example.com"}


async def test_what_goes_around_the_proxy_reaches_nothing(
    launcher: Launcher, tmp_path: Path, shops: tuple[Shop, Shop]
) -> None:
    there = shops[0]
    code = f"""
import socket
for host, port in (("127.0.0.1", {there.port}), ("172.17.0.1", {there.port}), ("1.1.1.1", 80)):
    try:
        socket.create_connection((host, port), 1); print("REACHED")
    except OSError: print("no")
raw = socket.create_connection(("127.0.0.1", 3128), 5)
raw.sendall(b"GET http://127.0.0.1:{there.port}/x HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
print(raw.recv(100).split(b"\\r\\n")[0].decode())
"""
    policy = EgressPolicy(allow=frozenset({f"127.0.0.1:{there.port}"}))
    async with workspace(launcher, tmp_path, policy) as place:
        seen = await place.run(authored(code, "python"), "around")
    assert seen.text.splitlines()[:3] == ["no", "no", "no"]
    assert "407" in seen.text  # without its login the proxy serves nobody
    assert there.asked == []


async def test_the_reader_of_documents_has_no_sockets_even_then(
    launcher: Launcher, tmp_path: Path, shops: tuple[Shop, Shop]
) -> None:
    attempt = """
import socket
for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):
    try: socket.socket(family); print("OPENED", family)
    except OSError as error: print("refused")
"""
    policy = EgressPolicy(allow=frozenset({f"127.0.0.1:{shops[0].port}"}))
    async with workspace(launcher, tmp_path, policy) as place, place.reading() as box:
        result = await box.read(attempt)  # type: ignore[attr-defined]  # the launchers' box
        assert result.output.split() == ["refused"] * 3
        assert (await box.run(attempt, "python")).output.count("OPENED") == 3


async def test_without_a_named_host_a_program_is_told_that_there_is_no_network(
    launcher: Launcher, tmp_path: Path
) -> None:
    async with workspace(launcher, tmp_path, None) as place:
        fetch = "import urllib.request as u; u.urlopen('http://example.org', timeout=5)"
        offline = await place.run(authored(fetch, "python"), "fetch")
        missing = await place.run(authored("import torch", "python"), "import")
    assert offline.text.count("[sandbox] There is no network here") == 1
    assert missing.text.count("[sandbox] The library torch is not installed") == 1


async def test_a_block_with_a_network_is_not_repeated_blindly(tmp_path: Path) -> None:
    for hosts, effect, words in (
        ((), "idempotent", "without network"),
        (("example.org",), "ambiguous", "example.org"),
    ):
        box = BoxSettings(code_hosts=hosts)
        chosen = Settings(home=tmp_path, demo=True, sandbox=box)
        async with open_team(chosen, run="r", blobs=Blobs(tmp_path / "blobs")) as team:
            coder, terminal = team.agents["Coder"], team.agents["ComputerTerminal"]
            assert isinstance(coder, Coder)
            assert isinstance(terminal, ComputerTerminal)
            tools = terminal.marked(tools_of(coder))
            assert {tool.marks.effect for tool in tools.values()} == {effect}
            assert words in coder.description


async def test_the_way_out_is_closed_to_other_users_and_gone_afterwards(
    launcher: Launcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setattr("tempfile.tempdir", str(short))
    async with workspace(launcher, tmp_path, EgressPolicy()) as place:
        await place.run(authored("true", "bash"), "start")
        (folder,) = short.iterdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    await asyncio.sleep(0)
    assert not folder.exists()
    short.rmdir()


async def test_the_way_out_works_where_temporary_files_lie_deeper_than_a_socket_can(
    launcher: Launcher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shops: tuple[Shop, Shop],
) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    authority = f"127.0.0.1:{shops[0].port}"
    policy = EgressPolicy(allow=frozenset({authority}))
    async with workspace(launcher, deep, policy) as place:
        fetch = f"import urllib.request as u; print(u.urlopen('http://{authority}/').status)"
        shown = await place.run(authored(fetch, "python"), "fetch")
    assert shown.text.startswith("200")
