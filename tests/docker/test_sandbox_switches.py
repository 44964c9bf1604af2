"""Each protection is switched off once, to see that the attack it stops then gets through.

Only where that cannot harm this machine: what is reached are listeners, files and containers of
the test. A limit is loosened ten times instead. What stays untried under bubblewrap: the process
namespace (its kill(-1) would be the machine's), the root tree bound read-only (it is shared), and
no-new-privileges, which bwrap itself always sets; the container has each of them switched off.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sandbox_bench import LAUNCHERS, bash, grouped, python, settings

from sandbox import bubblewrap, cgroups, container, payload
from sandbox.base import IMAGE, Box, Launcher, Sandbox, SandboxSettings

Patch = pytest.MonkeyPatch


def without(patch: Patch, old: str, new: str) -> None:
    """Change the program that is sent into the box; the text must be there."""
    sources = payload._sources

    def changed(modules: tuple[str, ...]) -> str:
        texts = json.loads(sources(modules))
        if not any(old in text for text in texts.values()):
            return json.dumps(texts)
        hits.append(old)
        return json.dumps({name: text.replace(old, new) for name, text in texts.items()})

    hits: list[str] = []
    patch.setattr(payload, "_sources", changed)
    changed(payload._SUPERVISOR)
    changed(payload._READER)
    assert hits, f"{old!r} is in no program that is sent"


def with_limits(patch: Patch, **changes: Any) -> None:
    """Other settings for the container."""
    limits = container._limits
    patch.setattr(container, "_limits", lambda chosen: {**limits(chosen), **changes})


def without_option(patch: Patch, *options: str) -> None:
    """Leave options of bwrap out."""
    namespaces = bubblewrap.BubblewrapLaunch._namespaces

    def fewer(launch: bubblewrap.BubblewrapLaunch, *more: str) -> list[str]:
        return [word for word in namespaces(launch, *more) if word not in options]

    patch.setattr(bubblewrap.BubblewrapLaunch, "_namespaces", fewer)


@dataclass(frozen=True, slots=True)
class Switch:
    """What to switch off, and a program that prints THROUGH once it is."""

    name: str
    off: Callable[[Patch], None]
    code: str
    launchers: tuple[Launcher, ...] = LAUNCHERS
    before: str = ""
    language: str = "python"


LEFT = "import os, time\nif not os.fork():\n  os.setsid(); time.sleep(30)\n"
SWITCHES = (
    Switch(
        "system call filter",
        lambda patch: without(patch, "if self.filtered else None", "if False else None"),
        "import ctypes\nif ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0: print('THROUGH')",
    ),
    Switch(
        "user of its own",
        lambda patch: without(patch, "            become(self.uid)\n", "            pass\n"),
        "open('/run/sbx/planted', 'w'); print('THROUGH')",
    ),
    Switch(
        "killing what a block leaves",
        lambda patch: without(
            patch,
            "os.kill(-1, signal.SIGKILL)\n",
            "return None\n",
        ),
        "import os\nme = {'1', str(os.getpid())}\n"
        "if {p for p in os.listdir('/proc') if p.isdigit()} - me: print('THROUGH')",
        before=LEFT,
    ),
    Switch(
        "oom score",
        lambda patch: without(patch, 'write_text("1000"', 'write_text("0"'),
        "if open('/proc/self/oom_score_adj').read().strip() == '0': print('THROUGH')",
    ),
    Switch(
        "file size limit",
        lambda patch: without(patch, "FILE_BYTES = 1 << 30", "FILE_BYTES = 10 << 30"),
        "import os; os.truncate(os.open('f', os.O_CREAT | os.O_RDWR), 2 << 30); print('THROUGH')",
    ),
    Switch(
        "libraries before the workspace",
        lambda patch: without(
            patch,
            "sys.path[:] = [place for place in sys.path if place != {site!r}] + [{workspace!r}]",
            "sys.path.insert(0, {workspace!r})",
        ),
        "import colorsys",
        before="open('colorsys.py', 'w').write('print(\"THROUGH\")')",
    ),
    Switch(
        "read-only root",
        lambda patch: with_limits(patch, read_only=False),
        "open('/var/tmp/planted', 'w'); print('THROUGH')",
        ("docker",),
    ),
    Switch(
        "closed devices",
        lambda patch: with_dev(patch),
        "import os\nif not os.statvfs('/dev').f_flag & os.ST_RDONLY: print('THROUGH')",
        ("bubblewrap",),
    ),
)  # fmt: skip


def with_dev(patch: Patch) -> None:
    """Leave /dev writable."""
    namespaces = bubblewrap.BubblewrapLaunch._namespaces

    def looser(launch: bubblewrap.BubblewrapLaunch, *more: str) -> list[str]:
        words = namespaces(launch, *more)
        place = words.index("--remount-ro")
        return words[:place] + words[place + 2 :]

    patch.setattr(bubblewrap.BubblewrapLaunch, "_namespaces", looser)


CASES = [(switch, launcher) for switch in SWITCHES for launcher in switch.launchers]


@pytest.mark.parametrize(("switch", "launcher"), CASES, ids=lambda v: getattr(v, "name", v))
async def test_a_protection_that_is_switched_off_lets_its_attack_through(
    switch: Switch, launcher: Launcher, monkeypatch: Patch
) -> None:
    assert not await _tried(switch, launcher)
    switch.off(monkeypatch)
    assert await _tried(switch, launcher)


def through(output: str) -> bool:
    """The word was printed; a traceback only quotes it."""
    return any(line.strip("x") == "THROUGH" for line in output.splitlines())


async def _tried(switch: Switch, launcher: Launcher) -> bool:
    async with Sandbox.open(settings(launcher)) as box:
        if switch.before:
            await python(box, switch.before)
        return through((await python(box, switch.code)).output)


@pytest.mark.parametrize("launcher", LAUNCHERS)
async def test_without_a_network_namespace_a_listener_of_this_machine_is_reached(
    launcher: Launcher, monkeypatch: Patch
) -> None:
    host = "172.17.0.1" if launcher == "docker" else "127.0.0.1"
    with socket.create_server(("0.0.0.0", 0)) as listener:
        listener.settimeout(0.3)
        port = listener.getsockname()[1]
        attack = f"import socket; socket.create_connection(({host!r}, {port}), 2)"
        async with Sandbox.open(settings(launcher)) as box:
            await python(box, attack)
        with pytest.raises(TimeoutError):
            listener.accept()
        with_limits(monkeypatch, network_mode="bridge")
        without_option(monkeypatch, "--unshare-net")
        async with Sandbox.open(settings(launcher)) as box:
            assert not box.protections["no_network"]
            await python(box, attack)
        listener.accept()[0].close()


async def test_in_another_containers_process_namespace_its_processes_are_seen(
    monkeypatch: Patch,
) -> None:
    look = """
import glob
seen = [open(place, errors="replace").read() for place in glob.glob("/proc/[0-9]*/cmdline")]
if any("4321" in words and "glob" not in words for words in seen): print("THROUGH")
"""
    other = f"quaestor-test-{os.getpid()}"
    command = ["docker", "run", "-d", "--rm", "--network=none", f"--name={other}", IMAGE]
    subprocess.run([*command, "sleep", "4321"], check=True, capture_output=True)
    try:
        async with Sandbox.open(settings("docker")) as box:
            assert not through((await python(box, look)).output)
        with_limits(monkeypatch, pid_mode=f"container:{other}")
        async with Sandbox.open(settings("docker")) as box:
            assert through((await python(box, look)).output)
    finally:
        subprocess.run(["docker", "rm", "-f", other], check=True, capture_output=True)


async def test_without_no_new_privileges_a_set_uid_program_runs_as_root(
    monkeypatch: Patch,
) -> None:
    become = """
import subprocess, time
child = subprocess.Popen(["su"], stdin=subprocess.PIPE, stdout=-3, stderr=-3)
time.sleep(1)
(line,) = [l for l in open(f"/proc/{child.pid}/status") if l.startswith("Uid:")]
if "0" in line.split()[1:]: print("THROUGH")
"""
    async with Sandbox.open(settings("docker")) as box:
        assert not through((await python(box, become)).output)
    with_limits(monkeypatch, security_opt=[])
    # Loading a filter as an ordinary user sets it too.
    without(monkeypatch, "if self.filtered else None", "if False else None")
    async with Sandbox.open(settings("docker")) as box:
        assert through((await python(box, become)).output)


@pytest.mark.parametrize("launcher", LAUNCHERS)
async def test_the_readers_lack_of_sockets_is_what_keeps_it_from_the_way_out(
    launcher: Launcher, monkeypatch: Patch
) -> None:
    attempt = "import socket\ntry: socket.socket(1); print('THROUGH')\nexcept OSError: print('no')"
    async with Sandbox.open(settings(launcher)) as box:
        assert await _read(box, attempt) == "no\n"
    without(monkeypatch, "SOCKET_FAMILIES if sockets else ()", "SOCKET_FAMILIES")
    async with Sandbox.open(settings(launcher)) as box:
        assert await _read(box, attempt) == "THROUGH\n"


async def _read(box: Box, program: str) -> str:
    found: str = (await box.read(program)).output  # type: ignore[attr-defined]  # the launchers' box
    return found


@pytest.mark.parametrize("launcher", LAUNCHERS)
async def test_never_following_links_is_what_keeps_reads_inside(
    launcher: Launcher, monkeypatch: Patch
) -> None:
    without(monkeypatch, "follow_symlinks=False", "follow_symlinks=True")
    without(monkeypatch, "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK", "os.O_RDONLY")
    async with Sandbox.open(settings(launcher)) as box:
        await bash(box, "ln -s /etc/debian_version link")
        assert await box.get("link")


HOG = "x = bytearray(400 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint('THROUGH')"
SHARED_HOG = HOG.replace("x = bytearray(400 << 20)", "import mmap; x = mmap.mmap(-1, 400 << 20)")
FORKS = """
import os, time
made = 0
for _ in range(150):
    try:
        if not os.fork(): time.sleep(20); os._exit(0)
        made += 1
    except OSError: break
print('THROUGH' if made == 150 else made)
"""
TALK = "print('x' * 20000 + 'THROUGH')\nprint('x' * 20000)"
LIMITS: tuple[tuple[str, dict[str, int], str], ...] = (
    ("memory_bytes", {"tight": 100 << 20, "loose": 1000 << 20}, HOG),
    ("pids", {"tight": 40, "loose": 400}, FORKS),
    ("output_bytes", {"tight": 5000, "loose": 50_000}, TALK),
)  # fmt: skip


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize(("name", "sizes", "code"), LIMITS, ids=lambda v: v if v in (
    "memory_bytes", "pids", "output_bytes") else "")  # fmt: skip
async def test_a_limit_that_is_ten_times_looser_lets_its_hog_through(
    launcher: Launcher, name: str, sizes: dict[str, int], code: str
) -> None:
    seen = {}
    for size, value in sizes.items():
        chosen: SandboxSettings = settings(launcher, **{name: value})
        async with Sandbox.open(chosen) as box:
            seen[size] = through((await python(box, code)).output)
    assert seen == {"tight": False, "loose": True}


@pytest.mark.parametrize("launcher", LAUNCHERS)
async def test_a_workspace_that_is_ten_times_larger_holds_what_else_is_refused(
    launcher: Launcher, monkeypatch: Patch
) -> None:
    fill = "head -c 200000000 /dev/zero > big && echo THROUGH"
    seen = []
    for size in (50 << 20, 500 << 20):
        looser = container.TMPFS["/workspace"].replace("size=512m", f"size={size >> 20}m")
        monkeypatch.setitem(container.TMPFS, "/workspace", looser)
        patch_tmpfs(monkeypatch, size)
        async with Sandbox.open(settings(launcher)) as box:
            seen.append("THROUGH" in (await bash(box, fill)).output)
        monkeypatch.undo()
    assert seen == [False, True]


def patch_tmpfs(patch: Patch, size: int) -> None:
    """The same size for bubblewrap's workspace."""
    tmpfs = bubblewrap._tmpfs
    patch.setattr(
        bubblewrap,
        "_tmpfs",
        lambda place, usual, mode: tmpfs(place, size if place == "/workspace" else usual, mode),
    )


async def test_without_control_groups_the_supervisor_watches_and_the_processor_is_free(
    monkeypatch: Patch,
) -> None:
    monkeypatch.setattr(cgroups, "make", lambda **_limits: None)
    async with Sandbox.open(settings("bubblewrap", memory_bytes=300 << 20)) as box:
        missing = {name for name, holds in box.protections.items() if not holds}
        assert missing == {"processor_limited"}
        for code in (HOG, SHARED_HOG):
            assert (await python(box, code)).cause == "out_of_memory"


async def test_without_the_filter_memory_can_be_kept_that_no_process_has_mapped(
    launcher: Launcher, monkeypatch: Patch
) -> None:
    hoard = "import os\ntry: os.memfd_create('x'); print('THROUGH')\nexcept OSError: print('no')"
    async with Sandbox.open(settings(launcher)) as box:
        assert not through((await python(box, hoard)).output)
    without(monkeypatch, "() if hoards else machine.hoards", "()")
    async with Sandbox.open(settings(launcher)) as box:
        assert through((await python(box, hoard)).output)


async def test_what_differs_between_the_launchers_is_printed(
    record_property: Callable[[str, object], None],
) -> None:
    seen: dict[Launcher, dict[str, bool]] = {}
    for launcher in LAUNCHERS:
        async with Sandbox.open(settings(launcher)) as box:
            seen[launcher] = box.protections
            held = ", ".join(sorted(name for name, holds in box.protections.items() if holds))
            record_property(f"{launcher} holds", held)
    docker, bwrap = seen["docker"], seen["bubblewrap"]
    differs = {name for name in docker if docker[name] != bwrap[name]}
    record_property("protections that differ", ", ".join(sorted(differs)) or "none")
    assert docker.keys() == bwrap.keys()
    assert differs == (set() if grouped() else {"processor_limited"})
