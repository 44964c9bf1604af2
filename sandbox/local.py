"""Boxes that are plain processes in a temporary folder, for developing without any isolation.

Says so in `protections` and `describe`. Kills only what descends from its own blocks.
"""

from __future__ import annotations

import asyncio
import math
import shutil
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sandbox import payload
from sandbox.base import SandboxSettings
from sandbox.inside.confine import Confinement
from sandbox.process import spawn
from sandbox.wire import Wire


@dataclass(frozen=True, slots=True)
class LocalLaunch:
    """Starts supervisors as children of this process, with its user's rights."""

    settings: SandboxSettings

    @property
    def image(self) -> str:
        return "unsafe-local"

    def describe(self) -> str:
        return "unsafe-local: NO isolation, code runs as you on this machine"

    async def launch(self) -> Wire:
        """A supervisor over a fresh folder, which goes away with it."""
        folder = Path(tempfile.mkdtemp(prefix="quaestor-local-"))
        for name in ("workspace", "scratch", "code"):
            (folder / name).mkdir()
        if self.settings.inputs is not None:
            await asyncio.to_thread(
                shutil.copytree, self.settings.inputs, folder / "workspace/inputs"
            )
        confinement = Confinement(
            workspace=str(folder / "workspace"),
            scratch=str(folder / "scratch"),
            code=str(folder / "code"),
            uid=None,
            alone=False,
            filtered=False,
            threads=math.ceil(self.settings.cpus),
        )

        async def clean() -> None:
            with suppress(OSError):
                await asyncio.to_thread(shutil.rmtree, folder)

        return await spawn(payload.supervisor(confinement, python=sys.executable), clean)
