"""Python environments for the products that a benchmark measures beside Quaestor.

Each lives in the user's cache folder under a hash of its requirements, is made once and is shared
by every benchmark that asks for the same. Nothing of them is a dependency of ours.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_path

PLAYWRIGHT = f"playwright=={version('playwright')}"  # the one whose Chromium is on this machine
AUTOGEN = (
    "autogen-agentchat==0.7.5",
    "autogen-ext[docker,magentic-one,openai]==0.7.5",
    PLAYWRIGHT,
)
AGENT_FRAMEWORK = (
    "agent-framework-core==1.23.0",
    "agent-framework-openai==1.17.0",
    "agent-framework-orchestrations==1.4.0",
    PLAYWRIGHT,
)


def peer_environment(name: str, requirements: Sequence[str]) -> Path:
    """The Python of an environment that holds the requirements; made when it is not there.

    Prints what it does, since an installation takes minutes. Raises CalledProcessError with the
    installer's output when a requirement cannot be had.
    """
    wanted = "\n".join([sys.version.split()[0], *sorted(requirements)])
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:12]
    folder = user_cache_path("quaestor") / "peers" / f"{name}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    python, ready = folder / "bin" / "python", folder / "requirements.txt"
    with _locked(folder.with_suffix(".lock")):
        if not ready.exists():
            print(f"making the environment of {name}: {', '.join(requirements)}", flush=True)
            _install(folder, python, requirements)
            ready.write_text(wanted, encoding="utf-8")
            print(f"made {folder}", flush=True)
    return python


def _install(folder: Path, python: Path, requirements: Sequence[str]) -> None:
    uv = os.environ.get("UV") or "uv"
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    subprocess.run([uv, "pip", "install", "--python", python, *requirements], check=True)


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Wait for other processes that make the same environment."""
    with place.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
