"""How each product is started on a scene, and the policy that plays its model."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import play_magentic
import play_quaestor
from listening import Visit, listening
from measuring import Policy
from openai_wire import from_request_policy
from peers import AGENT_FRAMEWORK, AUTOGEN, peer_environment
from scenes import SITE, Scene

from tasks.demo.policy import role_of

ROOT = Path(__file__).parents[2]
DRIVERS = Path(__file__).parent / "drivers"


@dataclass(frozen=True, slots=True)
class Stage:
    """A scene with its material in a folder and its pages served."""

    scene: Scene
    folder: Path
    site: str

    @property
    def files(self) -> list[Path]:
        return [self.folder / name for name in self.scene.files]


@contextmanager
def staged(scene: Scene, folder: Path) -> Iterator[Stage]:
    """Write the files, serve the pages on loopback, and put the address into the task."""
    folder.mkdir(parents=True)
    for name, text in scene.files.items():
        (folder / name).write_text(text, encoding="utf-8")

    class Pages(Visit):
        def do_GET(self) -> None:
            page = scene.pages.get(self.path)
            self.send(page or "no such page", status=200 if page else 404)

    with listening(Pages) as port:
        site = f"http://127.0.0.1:{port}"
        yield Stage(replace(scene, task=scene.task.replace(SITE, site)), folder, site)


class Quaestor:
    """The real command, with programs as plain processes: what AutoGen's local executor does."""

    name = "Quaestor"
    policy: Policy = staticmethod(from_request_policy(play_quaestor.play, role_of))

    def command(self, stage: Stage, *options: str) -> list[str]:
        """`quaestor run` on the stage's task."""
        attached = [word for file in stage.files for word in ("--attach", str(file))]
        web = ["--allow-host", stage.site.removeprefix("http://")] if stage.scene.pages else []
        start = [sys.executable, "-m", "tasks.cli", "run", stage.scene.task, "--json"]
        model = ["--model", "scripted", "--base-url", "{base_url}", "--sandbox", "unsafe-local"]
        return [*start, *model, *attached, *(web or ["--no-web"]), *options]

    def many(self, stage: Stage, count: int) -> list[str]:
        """So many of the stage's tasks through the Python API, programs inside of the process."""
        config = {
            "base_url": "{base_url}",
            "tasks": [stage.scene.task] * count,
            "home": str(stage.folder / "home"),
            "terminal": "inside",
        }
        return [sys.executable, str(DRIVERS / "quaestor_many.py"), json.dumps(config)]

    def environ(self, stage: Stage) -> dict[str, str]:
        """A home of its own, and nothing of the developer's settings."""
        home = stage.folder / "home"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(stage.folder),
            "QUAESTOR_HOME": str(home),
            "QUAESTOR_API_KEY": "scripted",
            "PYTHONPATH": str(ROOT),
        }


@dataclass(frozen=True, slots=True)
class Peer:
    """Another product in its own environment, driven by a script of ours."""

    name: str
    driver: str
    requirements: Sequence[str]
    policy: Policy = play_magentic.play

    def command(self, stage: Stage, **changes: object) -> list[str]:
        """Its driver on the stage's task."""
        config = {
            "base_url": "{base_url}",
            "tasks": [stage.scene.task],
            "start_page": stage.site + "/",
            "turns": stage.scene.delegations + 3,
            "chromium": shutil.which("chromium") or "",
            **changes,
        }
        short = self.name.lower().replace(" ", "-")
        python = peer_environment(short, self.requirements)
        words = json.dumps(config)
        return [str(python), "-W", "ignore", str(DRIVERS / self.driver), words]

    def many(self, stage: Stage, count: int) -> list[str]:
        """So many of the stage's tasks in one process, programs inside of it."""
        return self.command(stage, tasks=[stage.scene.task] * count, terminal="inside")

    def environ(self, stage: Stage) -> dict[str, str]:
        """The same small environment."""
        return {"PATH": os.environ["PATH"], "HOME": str(stage.folder), "NO_PROXY": "127.0.0.1"}


AUTOGEN_PEER = Peer("AutoGen", "autogen_magentic.py", AUTOGEN)
AGENT_FRAMEWORK_PEER = Peer("Agent Framework", "agent_framework_magentic.py", AGENT_FRAMEWORK)
