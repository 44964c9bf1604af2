"""The built wheel in an empty environment, outside the checkout: it runs the demo."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def uv(*arguments: str, cwd: Path = ROOT) -> None:
    program = os.environ.get("UV", "uv")
    done = subprocess.run(
        [program, *arguments], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.soak
def test_the_wheel_runs_the_demo_outside_the_checkout(tmp_path: Path) -> None:
    uv("build", "--wheel", "--quiet", "--out-dir", str(tmp_path / "dist"))
    (wheel,) = (tmp_path / "dist").glob("quaestor-*.whl")
    uv("venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"))
    python = tmp_path / "venv" / "bin" / "python"
    uv("pip", "install", "--quiet", "--python", str(python), str(wheel))
    done = subprocess.run(
        [str(tmp_path / "venv" / "bin" / "quaestor"), "run", "--demo"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "QUAESTOR_HOME": str(tmp_path / "q"),
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Ellis Components is the cheapest approved supplier")
    assert "\x1b" not in done.stdout + done.stderr
