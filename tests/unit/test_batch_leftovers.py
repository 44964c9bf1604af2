"""What a guard that was killed itself leaves is ended at the next start, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sandbox import owner
from tasks.batch import leftovers


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def marked(folder: Path, process: str) -> Path:
    (folder / leftovers.MARK).write_text(f"{owner.place()}\n{process}", encoding="utf-8")
    return folder


def test_folders_and_processes_of_dead_guards_go_and_those_of_living_ones_stay(temp: Path) -> None:
    living = leftovers.make_folder()
    dead = marked(leftovers.make_folder(), "4194304@1")
    (dead / "work").mkdir()
    (dead / "work").chmod(0o000)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(1000)"],
            env={**os.environ, leftovers.VARIABLE: str(folder)},
            start_new_session=True,
        )
        for folder in (dead, living)
    ]
    try:
        while any(  # until each is the program that it was started as
            leftovers.VARIABLE.encode() not in Path(f"/proc/{one.pid}/environ").read_bytes()
            for one in processes
        ):
            pass
        assert leftovers.sweep() == [dead]
        assert processes[0].wait(30) == -9
        assert processes[1].poll() is None
        assert [living.exists(), dead.exists()] == [True, False]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_folder_of_another_machine_or_namespace_is_left_alone(temp: Path) -> None:
    folder = leftovers.make_folder()
    (folder / leftovers.MARK).write_text("elsewhere\n4194304@1", encoding="utf-8")
    assert leftovers.sweep() == []
    assert folder.exists()
