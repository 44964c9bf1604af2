"""Makes a root tree on the host's disk: a Debian base, wheels, our mount points, little else.

Wheels are installed from the host's side: the base never needs a network of its own, and inside an
image build the host's certificates and package index settings would be missing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from orchestrator.errors import NotReady, SandboxFailed
from sandbox.engine import Engine
from sandbox.image.recipe import (
    BASE_IMAGE,
    FOLDERS,
    PLATFORM,
    PYTHON,
    SUITE,
    TRIMMED,
    WHEELS,
    Recipe,
)

Progress = Callable[[str], None]
TAIL_LINES = 8
ACCOUNT = "sandbox:x:10001:10001::/workspace:/bin/bash\n"


async def make(
    tree: Path, recipe: Recipe, engine: Engine | None, air_gapped: bool | None, progress: Progress
) -> None:
    """Fill an empty folder; raises NotReady or SandboxFailed."""
    if not await _from_registry(tree, recipe, engine, air_gapped, progress):
        await _bootstrap(tree, recipe, progress)
    progress("Installing Python packages")
    await _install_wheels(tree, recipe)
    progress("Cleaning up and compiling")
    await asyncio.to_thread(_finish, tree)
    await _compile(tree, progress)


async def _from_registry(
    tree: Path, recipe: Recipe, engine: Engine | None, air_gapped: bool | None, progress: Progress
) -> bool:
    """Take the base from a registry; False when it has to be bootstrapped."""
    if air_gapped or (engine is None and air_gapped is None):
        return False
    progress(f"Fetching {BASE_IMAGE}")
    if engine is None or not await asyncio.to_thread(engine.pull, BASE_IMAGE):
        if air_gapped is False:
            raise NotReady(
                f"The image {BASE_IMAGE} could not be fetched.",
                fix="Check the engine and the network, or build with `--air-gapped`.",
            )
        progress("No registry answers; building from Debian packages instead")
        return False
    progress("Installing Debian packages")
    script = (
        "export DEBIAN_FRONTEND=noninteractive; apt-get -q update && "
        f"apt-get -qy install --no-install-recommends {' '.join(recipe.debian)}"
    )
    await asyncio.to_thread(_export, engine, script, tree)
    return True


def _export(engine: Engine, script: str, tree: Path) -> None:
    unpack = ["tar", "-C", str(tree), "-x", "--exclude=dev/*", "--exclude=proc/*"]
    with (
        engine.exported(BASE_IMAGE, script) as stream,
        subprocess.Popen(unpack, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as tar,
    ):
        if tar.stdin is None or tar.stderr is None:
            raise SandboxFailed("tar has no pipes")
        for piece in stream:
            tar.stdin.write(piece)
        tar.stdin.close()
        complaint = tar.stderr.read().decode("utf-8", errors="replace")
    if tar.returncode:
        raise SandboxFailed(f"the base could not be unpacked: {complaint[-500:]}")


async def _bootstrap(tree: Path, recipe: Recipe, progress: Progress) -> None:
    if os.geteuid() != 0:
        raise NotReady(
            "Building without a registry makes device files and owners, which needs root.",
            fix="Run `sudo quaestor sandbox build`.",
        )
    program = shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise NotReady(
            "debootstrap was not found.", fix="Install it: `sudo apt-get install debootstrap`."
        )
    progress("Installing Debian packages")
    packages = f"--include={','.join(recipe.debian)}"
    mirror = await _mirror()
    await _run([program, "--variant=minbase", packages, SUITE, str(tree), *mirror])


async def _mirror() -> list[str]:
    """The mirror that this machine's own apt uses for the suite; else debootstrap's default."""
    if shutil.which("apt-get") is None:
        return []
    wanted = "$(CODENAME) $(LABEL) $(COMPONENT) $(SITE)"
    listed = await _run(["apt-get", "indextargets", "--format", wanted], must=False)
    for line in listed.splitlines():
        if line.startswith(f"{SUITE} Debian main "):
            return [line.rpartition(" ")[2]]
    return []


async def _install_wheels(tree: Path, recipe: Recipe) -> None:
    target = tree / WHEELS
    target.mkdir(parents=True, exist_ok=True)
    uv = shutil.which("uv") or os.environ.get("UV")  # `uv run` names itself there
    if uv is not None:
        command = [uv, "pip", "install", "--quiet", "--target", str(target)]
        command += ["--python-version", PYTHON, "--python-platform", PLATFORM]
    else:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target)]
        command += ["--implementation", "cp", "--python-version", PYTHON, *_pip_platforms()]
    await _run([*command, "--only-binary", ":all:", *recipe.python])


def _pip_platforms() -> list[str]:
    machine = PLATFORM.partition("-")[0]
    names = ("manylinux2014", *(f"manylinux_2_{minor}" for minor in range(17, 37)))
    return [part for name in names for part in ("--platform", f"{name}_{machine}")]


def _finish(tree: Path) -> None:
    for pattern in TRIMMED:
        for place in tree.glob(pattern):
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink()
    for folder in FOLDERS:
        (tree / folder).mkdir(parents=True, exist_ok=True)
    (tree / "tmp").chmod(0o1777)
    for name, line in (("etc/passwd", ACCOUNT), ("etc/group", "sandbox:x:10001:\n")):
        with (tree / name).open("a", encoding="utf-8") as file:
            file.write(line)
    for name in ("etc/resolv.conf", "etc/hostname"):
        with suppress(FileNotFoundError):
            (tree / name).unlink()  # may be a link to the host's
        (tree / name).touch()
    # Like any root, whatever the umask of who builds: the box's user has to come in.
    tree.chmod(0o755)


async def _compile(tree: Path, progress: Progress) -> None:
    """Compile once: the tree is read-only later, so each import would compile again."""
    options = ["--invalidation-mode", "unchecked-hash", f"/{WHEELS}"]
    compiling = ["python3", "-m", "compileall", "-q", *options]
    if shutil.which("bwrap"):
        inside = ["bwrap", "--bind", str(tree), "/", "--dev", "/dev", "--proc", "/proc"]
        await _run([*inside, *compiling, "-j", "0"], must=False)
    elif os.geteuid() == 0:
        # Without shared memory under /dev it cannot work in parallel.
        await _run(["chroot", str(tree), *compiling], must=False)
    # Some packages ship files that never compile, so the exit code says nothing.
    if next((tree / WHEELS).glob("*/__pycache__"), None) is None:
        progress("Nothing could be compiled; imports in the box will be slow")


async def _run(command: Sequence[str], *, must: bool = True) -> str:
    """Run to its end; what it wrote. Raises SandboxFailed when it `must` work and does not."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        written, _ = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.kill()
        raise
    text = written.decode("utf-8", errors="replace")
    if process.returncode and must:
        tail = "\n".join(text.strip().splitlines()[-TAIL_LINES:])
        raise SandboxFailed(f"{Path(command[0]).name} ended with {process.returncode}:\n{tail}")
    return text
