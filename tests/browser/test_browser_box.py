"""What can be opened from inside the browser's box: by a program in it, and through Chromium.

Each attempt is made without the box too, where it has to succeed.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import platformdirs
import pytest
from browser.processes import descendants, name_of, status_of
from listening import Visit, listening
from playwright.async_api import Browser as Chromium
from playwright.async_api import Error, async_playwright

from agents.web_surfer.browser import (
    BYPASS_NOTHING,
    Browser,
    WebSettings,
    find_chromium,
    open_browser,
    unboxed_because,
)
from agents.web_surfer.surfer import WebSurfer
from orchestrator.errors import NotReady, ToolFailed
from sandbox.browser_box import PREFIX, BrowserBox, private_folder, taken
from sandbox.egress_policy import EgressPolicy

ROOT = Path(__file__).resolve().parents[2]
SECRET = "the-contents-of-a-secret-file"
PORT = 4000
PROBE = """
import json, os, socket, sys
asked = json.loads(sys.argv[1])
def reads(path):
    try:
        if os.path.isdir(path):
            return bool(os.listdir(path))
        return bool(open(path, "rb").read(1))
    except OSError:
        return False
def connects(address):
    kind = socket.AF_INET if isinstance(address, list) else socket.AF_UNIX
    try:
        with socket.socket(kind) as one:
            one.settimeout(3)
            one.connect(tuple(address) if isinstance(address, list) else address)
        return True
    except OSError:
        return False
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(json.dumps({
    "read": [path for path in asked["paths"] if reads(path)],
    "connected": [name for name, address in asked["addresses"].items() if connects(address)],
    "cards": sorted(name for _, name in socket.if_nameindex()),
    "uid": os.getuid(),
    "capabilities": int(status["CapEff"], 16),
    "files": sorted(os.listdir("/proc/self/fd"))[:4],
    "environment": sorted(os.environ),
    "processes": sum(name.isdigit() for name in os.listdir("/proc")),
}))
"""


@dataclass
class Machine:
    """What somebody on the outside must not get at: files, sockets, a port on loopback."""

    home: Path
    port: int
    visits: list[bytes] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        places = [self.home / "journal.db", self.home / "key", self.home, ROOT / "pyproject.toml"]
        places += [path for path in Path.home().iterdir() if path.is_file() and path.stat().st_size]
        return [*map(str, places), f"/proc/{os.getpid()}/environ"]

    @property
    def addresses(self) -> dict[str, Any]:
        return {
            "engine": str(self.home / "engine.sock"),
            "abstract": f"\0{self.home}",
            "loopback": ["127.0.0.1", self.port],
        }


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    for name in ("journal.db", "key"):
        (tmp_path / name).write_text(SECRET, encoding="utf-8")
    with _listening(socket.AF_INET, ("127.0.0.1", 0)) as (loopback, visits):
        found = Machine(tmp_path, loopback.getsockname()[1], visits)
        addresses = found.addresses
        with (
            _listening(socket.AF_UNIX, addresses["engine"]),
            _listening(socket.AF_UNIX, addresses["abstract"]),
        ):
            yield found


Listening = tuple[socket.socket, list[bytes]]


@contextmanager
def _listening(kind: socket.AddressFamily, address: Any) -> Iterator[Listening]:
    """A server that answers everything with the secret, and lists what it was sent."""
    listener, visits = socket.socket(kind), list[bytes]()
    listener.bind(address)
    listener.listen()

    def serve() -> None:
        with suppress(OSError):
            while True:
                peer, _ = listener.accept()
                with peer, suppress(OSError):
                    peer.settimeout(2)
                    visits.append(peer.recv(4096))
                    body = f"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{SECRET}"
                    peer.sendall(body.encode())

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener, visits
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def probed(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def test_a_program_in_the_box_opens_nothing_that_it_opens_outside(machine: Machine) -> None:
    asked = json.dumps({"paths": machine.paths, "addresses": machine.addresses})
    program = [str(Path(sys.executable).resolve()), "-I", "-S", "-c", PROBE, asked]
    outside = await asyncio.to_thread(probed, program)
    with private_folder() as folder:
        box = await BrowserBox.prepare(folder)
        boxed = box.command(program, find_chromium(), PORT)
        inside = await asyncio.to_thread(probed, boxed)
    assert outside["read"] == machine.paths
    assert outside["connected"] == list(machine.addresses)
    assert (inside["read"], inside["connected"]) == ([], [])
    assert inside["cards"] == ["lo"]
    assert (inside["uid"] == outside["uid"], inside["capabilities"]) == (False, 0)
    assert inside["files"] == ["0", "1", "2", "3"]  # 3 is the listing itself
    assert inside["environment"] == ["HOME", "LANG", "PATH", "PWD", "TMPDIR"]
    assert inside["processes"] <= 4


async def shown(chromium: Chromium, url: str, proxy: Any) -> str:
    """What a page without any guard of ours shows of a URL."""
    context = await chromium.new_context(proxy=proxy)
    try:
        page = await context.new_page()
        await page.goto(url, timeout=20_000)
        return await page.content()
    except Error as error:
        return str(error)
    finally:
        await context.close()


async def reached(chromium: Chromium, machine: Machine) -> list[str]:
    """Which of the machine's things Chromium itself can show."""
    found = []
    proxy = {"server": "http://127.0.0.1:9", "bypass": f"{BYPASS_NOTHING},127.0.0.1"}
    for path in ("journal.db", "key"):
        for scheme in ("file://", "view-source:file://"):
            if SECRET in await shown(chromium, f"{scheme}{machine.home}/{path}", proxy):
                found.append(f"{scheme}{path}")
    if SECRET in await shown(chromium, f"http://127.0.0.1:{machine.port}/", proxy):
        found.append("loopback")
    return found


async def test_chromium_in_the_box_shows_no_file_and_no_port_of_the_machine(
    machine: Machine,
) -> None:
    async with open_browser(WebSettings(box="bubblewrap")) as browser:
        boxed = await reached(await _chromium(browser), machine)
        assert machine.visits == []
        _check_processes()
    async with async_playwright() as playwright:
        unboxed = await playwright.chromium.launch(
            executable_path=find_chromium(), chromium_sandbox=False
        )
        outside = await reached(unboxed, machine)
        await unboxed.close()
    assert boxed == []
    assert {"file://journal.db", "file://key", "loopback"} <= set(outside)
    assert machine.visits != []


async def _chromium(browser: Browser) -> Chromium:
    context = await browser.new_context("probe", None)
    assert context.browser is not None
    return context.browser


def _check_processes() -> None:
    """As the host sees them: another user, another network, no rights, filtered renderers."""
    ours = [
        (pid, status)
        for pid in descendants(os.getpid())
        if "chromium" in (status := status_of(pid)).get("Name", "") and status["State"][0] != "Z"
    ]
    assert ours, "Chromium was not found among our processes"
    mine = {name: Path(f"/proc/self/ns/{name}").readlink() for name in ("net", "pid", "mnt")}
    for pid, status in ours:
        for name, space in mine.items():
            with suppress(FileNotFoundError):  # it may have ended meanwhile
                assert Path(f"/proc/{pid}/ns/{name}").readlink() != space
        assert status["NoNewPrivs"] == "1"
        if os.geteuid() == 0:
            assert "0" not in status["Uid"].split()
    kinds = {status["Seccomp"] for _, status in ours}
    assert "2" in kinds, "no process of Chromium runs under a system call filter"


HUNGRY = """<!doctype html><title>Asking</title><p>Still here</p><script>
const held = [];
for (let i = 0; i < 48; i++) held.push(new Uint8Array(64 << 20).fill(i + 1));
document.title = "Took " + (held.length >> 4) + " GiB";
</script>"""


async def test_a_page_that_takes_memory_without_end_ends_alone(tmp_path: Path) -> None:
    class Page(Visit):
        def do_GET(self) -> None:
            self.send(HUNGRY if self.path == "/hungry" else "<title>Plain</title><p>It costs 5.")

    with listening(Page) as port:
        policy = EgressPolicy(allow=frozenset({f"127.0.0.1:{port}"}))
        settings = WebSettings(
            policy=policy, box="bubblewrap", memory_bytes=1 << 30, goto_seconds=120
        )
        async with WebSurfer.open(settings) as surfer:
            with suppress(ToolFailed):
                seen = await surfer.act("goto", url=f"http://127.0.0.1:{port}/hungry")
                assert "Took" not in seen.text
            after = await surfer.act("goto", url=f"http://127.0.0.1:{port}/plain")
    assert "/hungry crashed" in after.text
    assert "It costs 5." in after.text


LIVES = """
import asyncio, sys
from agents.web_surfer.browser import WebSettings, open_browser

async def main():
    async with open_browser(WebSettings(box="bubblewrap")) as browser:
        context = await browser.new_context("main", None)
        page = await context.new_page()
        print(await page.evaluate("1 + 1"), flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
def short() -> Iterator[Path]:
    """A temporary folder whose path leaves room for a socket's."""
    with tempfile.TemporaryDirectory(prefix="q-", dir="/tmp") as folder:
        yield Path(folder)


def test_nothing_of_the_box_outlives_a_killed_parent(short: Path) -> None:
    environ = {**os.environ, "TMPDIR": str(short), "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, "-c", LIVES], env=environ, stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "2\n"
        theirs = descendants(parent.pid)
        assert {"bwrap", "chromium"} <= {name_of(pid) for pid in theirs}
        handles = [os.pidfd_open(pid) for pid in theirs if status_of(pid)]
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    for handle in handles:
        ended, _, _ = select.select([handle], [], [], 60)
        os.close(handle)
        assert ended, f"{[name_of(pid) for pid in theirs]} still run"
    (left,) = short.glob(f"{PREFIX}*")
    sweeping = "from sandbox.browser_box import private_folder\nwith private_folder(): pass"
    subprocess.run([sys.executable, "-c", sweeping], env=environ, check=True, timeout=60)
    assert not left.exists()


def test_an_ordinary_users_box_is_closed_and_without_one_the_proxy_holds(short: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("the other tests have run as an ordinary user already")
    seen = _as_nobody(short)
    assert seen["outside"] == ["file", "loopback"]
    assert seen["inside"] == []
    assert seen["page"] == "2"
    assert (seen["unboxed"], seen["visited"]) == (True, [0])
    assert "loopback" in seen["refused"]


AS_NOBODY = """
import asyncio, http.server, json, os, threading
from pathlib import Path
from agents.web_surfer.browser import WebSettings, find_chromium, open_browser
from agents.web_surfer.surfer import WebSurfer
from orchestrator.errors import ToolFailed
from sandbox.browser_box import BrowserBox, private_folder
from sandbox.egress_policy import EgressPolicy

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        visits.append(self.server.server_port)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<title>Shop</title>It costs 5.")

visits = []
secret = Path(os.environ["TMPDIR"], "secret")
secret.write_text("x")
server, closed = (http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) for _ in "ab")
for one in (server, closed):
    threading.Thread(target=one.serve_forever, daemon=True).start()
probe = f'''
test -r {secret} && echo file
exec 2>/dev/null; (exec 5<>/dev/tcp/127.0.0.1/{server.server_port}) && echo loopback
true'''

async def lines(command):
    done = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    return (await done.communicate())[0].decode().split()

async def main():
    program = ["/usr/bin/bash", "-c", probe]
    seen = {"outside": await lines(program)}
    with private_folder() as folder:
        box = await BrowserBox.prepare(folder)
        seen["inside"] = await lines(box.command(program, find_chromium(), 4000))
    async with open_browser(WebSettings(box="bubblewrap")) as browser:
        context = await browser.new_context("main", None)
        page = await context.new_page()
        seen["page"] = str(await page.evaluate("1 + 1"))
    policy = EgressPolicy(allow=frozenset({f"127.0.0.1:{server.server_port}"}))
    async with WebSurfer.open(WebSettings(box="none", policy=policy)) as surfer:
        shown = await surfer.act("goto", url=f"http://127.0.0.1:{server.server_port}/")
        seen["unboxed"] = "It costs 5." in shown.text
        try:
            await surfer.act("goto", url=f"http://127.0.0.1:{closed.server_port}/")
        except ToolFailed as error:
            seen["refused"] = error.message
    seen["visited"] = sorted({port - server.server_port for port in visits})
    print(json.dumps(seen))

asyncio.run(main())
"""


def _as_nobody(folder: Path) -> dict[str, Any]:
    """The system's own Python, since root's may be where nobody can read."""
    libraries = str(Path(platformdirs.__file__).parents[1])
    folder.chmod(0o777)
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{libraries}",
        "TMPDIR": str(folder),
        "HOME": str(folder),
    }
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run(
        [*become, "/usr/bin/python3", "-c", AS_NOBODY],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def test_as_root_chromium_is_not_started_without_a_box(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(NotReady, match="as root"):
        await unboxed_because("none")
    async with open_browser(WebSettings(box="none")) as browser:
        with pytest.raises(NotReady, match="as root"):
            await browser.new_context("main", None)


def test_of_what_the_box_leaves_only_plain_files_are_taken(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "plain")
    os.mkfifo(tmp_path / "pipe")
    assert taken(tmp_path / "plain", 5) == b"12345"
    for name, most in (("plain", 4), ("link", 5), ("pipe", 5), (".", 5)):
        with pytest.raises(OSError, match=r"larger|symbolic|plain|directory"):
            taken(tmp_path / name, most)
