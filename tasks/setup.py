"""Installs and starts what `doctor` found missing, where that is wanted.

Changes the machine only as root in a container, a virtual machine or CI, or with
QUAESTOR_SETUP=1; elsewhere it says which commands would do it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from orchestrator.errors import NotReady, SandboxFailed

Progress = Callable[[str], None]
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "chromium": ("chromium", "libatomic1", "bubblewrap"),
    "browser box": ("bubblewrap",),
    "docker": ("docker.io", "debootstrap"),
    "bubblewrap": ("bubblewrap", "debootstrap"),
}
PROGRAMS: Mapping[str, str] = {
    "chromium": "chromium",
    "docker.io": "dockerd",
    "bubblewrap": "bwrap",
    "debootstrap": "debootstrap",
}
LIBRARIES: Mapping[str, str] = {"libatomic1": "libatomic.so.1"}
"""Playwright's driver is a node that needs it; a minimal Debian has none."""
ENGINE_S = 40.0
MODEST = ("--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs")
"""What an engine needs no rights for. Boxes have no network, so they do not miss a bridge."""


def may_change(environ: Mapping[str, str]) -> bool:
    """Whether this machine is ours to change: root, and a machine that is made to be thrown away
    or a person who said so."""
    if os.geteuid() != 0:
        return False
    if environ.get("QUAESTOR_SETUP") == "1" or environ.get("CI"):
        return True
    return (
        any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv")) or _is_virtual()
    )


def commands(needs: Iterable[str]) -> list[str]:
    """What a person would type to repair this."""
    needs = list(dict.fromkeys(needs))
    wanted = missing_packages(needs)
    lines = (
        [f"sudo apt-get install -y --no-install-recommends {' '.join(wanted)}"] if wanted else []
    )
    if "docker" in needs:
        lines.append("sudo systemctl start docker")
    if {"docker", "bubblewrap"} & set(needs):
        lines.append("sudo quaestor sandbox build")
    return lines


def missing_packages(needs: Iterable[str]) -> list[str]:
    """The system packages whose program is not here."""
    names = [package for need in needs for package in PACKAGES.get(need, ())]
    return [name for name in dict.fromkeys(names) if not _is_here(name)]


def _is_here(package: str) -> bool:
    if package in LIBRARIES:
        name = LIBRARIES[package]
        return any(
            found for root in ("/lib", "/usr/lib") for found in Path(root).glob(f"*/{name}")
        ) or any(Path(root, name).exists() for root in ("/lib", "/usr/lib", "/usr/lib64"))
    return shutil.which(PROGRAMS[package]) is not None


async def set_up(needs: Iterable[str], home: Path, progress: Progress) -> None:
    """Install, start and build. An engine that does not start is told and gone without.
    Raises NotReady or SandboxFailed with what did not work."""
    needs = list(dict.fromkeys(needs))
    packages = missing_packages(needs)
    if packages:
        await asyncio.to_thread(_install, packages, progress)
    if "docker" in needs:
        try:
            await asyncio.to_thread(_start_engine, home, progress)
        except (NotReady, SandboxFailed) as error:
            progress(f"{error.message}; the sandbox is built for bubblewrap alone")
    if {"docker", "bubblewrap"} & set(needs):
        from sandbox.image.build import build

        await build(progress=progress)


def _install(packages: Sequence[str], progress: Progress) -> None:
    apt = shutil.which("apt-get")
    if apt is None:
        raise NotReady(
            f"{', '.join(packages)} are missing, and there is no apt-get",
            fix="install them with this system's package manager",
        )
    progress(f"installing {', '.join(packages)}")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(
            [apt, "-q", *arguments],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            tail = " ".join(done.stdout.split())[-300:]
            raise NotReady(
                f"apt-get {arguments[0]} ended with {done.returncode}: {tail}",
                fix=f"run it by hand: apt-get install {' '.join(packages)}",
            )


def _start_engine(home: Path, progress: Progress) -> None:
    """Start an engine unless one answers; a modest one where a full one cannot work."""
    if _answers():
        return
    program = shutil.which("dockerd")
    if program is None:
        raise NotReady("dockerd is not installed", fix="apt-get install docker.io")
    log = home / "dockerd.log"
    for flags in ((), MODEST):
        progress(f"starting {' '.join([program, *flags])}, log in {log}")
        with log.open("ab") as file:
            engine = subprocess.Popen(
                [program, *flags],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        if _comes_up(engine):
            return
        engine.terminate()
        engine.wait(timeout=30)
    raise SandboxFailed(f"dockerd does not start, see {log}", fix="use --sandbox bubblewrap")


def _comes_up(engine: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + ENGINE_S
    while time.monotonic() < deadline and engine.poll() is None:
        if _answers():
            return True
        time.sleep(0.5)
    return False


def _answers() -> bool:
    from sandbox.engine import Engine

    try:
        Engine.find()
    except NotReady:
        return False
    return True


def _is_virtual() -> bool:
    detect = shutil.which("systemd-detect-virt")
    if detect is None:
        return False
    return subprocess.run([detect, "-q"], check=False).returncode == 0
