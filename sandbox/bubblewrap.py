"""Boxes without an engine: the same supervisor in fresh namespaces over the same root tree.

An ordinary user gets a user namespace with one mapped user; root gets none, but a real change of
user, to an id of the box's own because process limits count per user. Where this process may make
control groups they limit memory, processes and processor; elsewhere the supervisor itself watches
memory and processes, and nothing limits the processor.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math
import os
import secrets
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import NotReady
from sandbox import cgroups, payload, tree
from sandbox.base import SandboxSettings
from sandbox.inside.confine import Confinement
from sandbox.process import finished, spawn
from sandbox.wire import Wire

USER = 10001
OUTLET = "/run/sbx/outlet.sock"
FIRST_UID, UIDS = 1_000_000, 1_000_000_000
LEAST_ADDRESS_SPACE = 4 << 30
TRIAL_S = 20.0


@dataclass(frozen=True, slots=True)
class BubblewrapLaunch:
    """Starts boxes over a root tree; the program and the tree were seen to work."""

    settings: SandboxSettings
    root: Path

    @classmethod
    async def prepare(cls, settings: SandboxSettings) -> BubblewrapLaunch:
        """Look for bwrap, the tree and the right to make namespaces; raises NotReady."""
        if shutil.which("bwrap") is None:
            raise NotReady(
                "The program bwrap was not found.",
                fix="Install it (`sudo apt-get install bubblewrap`), or use `--sandbox docker`.",
            )
        built = tree.find(settings.root_tree)
        if built is None:
            raise NotReady(
                "There is no root tree for bubblewrap.", fix="Run `sudo quaestor sandbox build`."
            )
        launch = cls(settings, built)
        await finished(launch._try(), _nothing_of)
        await asyncio.to_thread(cgroups.sweep)
        return launch

    @property
    def image(self) -> str:
        return f"tree:{tree.recipe_of(self.root)}"

    def describe(self) -> str:
        return f"bubblewrap over {self.root}, {self.settings.memory_bytes >> 20} MiB"

    async def launch(self) -> Wire:
        """Start bwrap with the supervisor as PID 1 of its own process namespace."""
        box = self.settings
        group = await asyncio.to_thread(
            cgroups.make, memory=box.memory_bytes, pids=box.pids, cpus=box.cpus
        )
        uid = FIRST_UID + secrets.randbelow(UIDS) if os.geteuid() == 0 else None
        confinement = Confinement(
            workspace="/workspace",
            scratch="/tmp",  # noqa: S108 - a file system of the box
            code="/run/sbx",
            uid=uid,
            alone=True,
            threads=math.ceil(self.settings.cpus),
            processes=None if group else box.pids,
            memory=None if group else box.memory_bytes,
            address_space=None if group else max(LEAST_ADDRESS_SPACE, 4 * box.memory_bytes),
            relay=OUTLET if box.proxy_socket else None,
            login=box.proxy_login,
        )

        async def clean() -> None:
            if group is not None:
                await asyncio.to_thread(group.remove)

        told, telling = os.pipe()
        with os.fdopen(told, "rb") as pipe:
            try:
                shown = _shown(group) if group else ()
                command = [*self._namespaces(*shown, "--info-fd", str(telling))]
                command += payload.supervisor(confinement)
                wire = await spawn(command, clean, pass_fds=(telling,))
            finally:
                os.close(telling)
            born = await asyncio.to_thread(pipe.read)
        if group is not None:
            # Before its first block: what that starts is born under the limits.
            _put_under(group, wire, born)
        return _killable(wire, born)

    async def _try(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._namespaces(),
            "true",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, complaint = await asyncio.wait_for(process.communicate(), TRIAL_S)
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            text = complaint.decode("utf-8", errors="replace").strip()
            raise NotReady(
                f"bwrap cannot make a box here: {text}",
                fix="Allow user namespaces (`sudo sysctl kernel.apparmor_restrict_unprivileged_"
                "userns=0` on Ubuntu), rebuild with `sudo quaestor sandbox build`, or use "
                "`--sandbox docker`.",
            )

    def _namespaces(self, *options: str) -> list[str]:
        root = os.geteuid() == 0
        command = [
            *("bwrap", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
            *("--unshare-cgroup-try", "--hostname", "sandbox", "--die-with-parent"),
            *("--new-session", "--as-pid-1", "--clearenv", "--cap-drop", "ALL"),
            *(_ROOT if root else _ORDINARY),
            *("--ro-bind", str(self.root), "/", "--proc", "/proc", "--dev", "/dev"),
            *_tmpfs("/dev/shm", 64 << 20, "1777"),  # noqa: S108 - a file system of the box
            *("--remount-ro", "/dev"),
            *_tmpfs("/tmp", 128 << 20, "1777"),  # noqa: S108
            *_tmpfs("/workspace", 512 << 20, "0777" if root else "0700"),
            *_tmpfs("/run/sbx", 16 << 20, "0755"),
        ]
        if self.settings.inputs is not None:
            command += ["--ro-bind", str(self.settings.inputs.resolve()), "/workspace/inputs"]
        if self.settings.proxy_socket is not None:
            command += ["--ro-bind", str(self.settings.proxy_socket.resolve()), OUTLET]
        command += options
        return [*command, "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin", "--chdir", "/", "--"]


_ROOT = ("--cap-add", "CAP_KILL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
_ORDINARY = ("--unshare-user", "--uid", str(USER), "--gid", str(USER))


def _tmpfs(place: str, size: int, mode: str) -> tuple[str, ...]:
    return ("--size", str(size), "--perms", mode, "--tmpfs", place)


def _shown(group: cgroups.Group) -> tuple[str, ...]:
    """Options that show the supervisor its own limits and counters, read-only."""
    options = ["--tmpfs", "/sys"]
    for folder, place in group.folders.items():
        options += ["--ro-bind", str(folder), place]
    return (*options, "--remount-ro", "/sys")


def _put_under(group: cgroups.Group, wire: Wire, born: bytes) -> None:
    with suppress(ValueError, KeyError):  # bwrap has failed already; its complaint says why
        group.add(int(wire.name))
        group.add(json.loads(born)["child-pid"])


def _killable(wire: Wire, told: bytes) -> Wire:
    """Let `kill` end the box's PID 1, and so all of it: killing bwrap itself would not.

    PID 1 forgets that it is to die with its parent when it changes its user.
    """
    try:
        box = os.pidfd_open(json.loads(told)["child-pid"])
    except (ValueError, KeyError, OSError):
        return wire  # bwrap has failed already; its complaint says why

    async def kill() -> None:
        nonlocal box
        if box >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(box, signal.SIGKILL)
            os.close(box)
            box = -1
        await wire.kill()

    return dataclasses.replace(wire, kill=kill)


async def _nothing_of(_tried: None) -> None:
    """Nothing to undo: the trial has ended."""
