"""Writes what a run made into a folder: answer, outcome, files, transcript.

Names of files come from untrusted code, so each is brought inside the folder, and a link that
lies in the way is replaced, never followed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from orchestrator import events as ev
from orchestrator.blobs import Blobs
from orchestrator.errors import JournalDamaged, JournalUnavailable, UsageError
from orchestrator.state import State
from tasks.transcript import sources, transcript

MAX_NAME = 200


def make_folder(folder: Path | None) -> None:
    """Make the output folder before anything is spent. Raises UsageError."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".quaestor-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(
            f"the output folder {folder} cannot be written: {error.strerror}",
            fix="name another one with --out",
        ) from error


def write_output(
    folder: Path,
    outcome: ev.Outcome,
    record: Mapping[str, object],
    state: State | None,
    blobs: Blobs,
) -> list[str]:
    """Write everything; returns what could not be read back. Raises JournalUnavailable."""
    lost = []
    try:
        make_folder(folder)
        _write(folder, folder / "answer.md", _answer(outcome).encode("utf-8", "replace"))
        text = json.dumps(record, indent=2) + "\n"
        _write(folder, folder / "outcome.json", text.encode("utf-8"))
        if state is not None:
            _write(
                folder,
                folder / "transcript.md",
                transcript(state, outcome).encode("utf-8", "replace"),
            )
        for artifact in outcome.artifacts:
            target = inside(folder / "artifacts", artifact.path)
            try:
                _write(folder, target, blobs.get(artifact.sha256))
            except JournalDamaged as error:
                lost.append(f"{artifact.path}: {error.message}")
    except OSError as error:
        raise JournalUnavailable(
            f"the output in {folder} cannot be written: {error.strerror}",
            fix=f"nothing is lost: quaestor show {outcome.run}",
        ) from error
    return lost


def inside(folder: Path, path: str) -> Path:
    """Where a workspace path goes below a folder, whatever it tries."""
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", ".", "..")]
    names = ["".join(char if char.isprintable() else "_" for char in part) for part in parts]
    return folder.joinpath(*(name[:MAX_NAME] for name in names or ["file"]))


def _write(root: Path, path: Path, content: bytes) -> None:
    """Write a file below a root; links on the way are taken out, since they may lead away."""
    step = root
    for name in path.relative_to(root).parts:
        step = step / name
        if step.is_symlink():
            step.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _answer(outcome: ev.Outcome) -> str:
    lines = [outcome.answer or f"There is no answer: {outcome.reason or outcome.outcome}."]
    if outcome.outcome != "answered":
        reason = f": {outcome.reason}" if outcome.reason else ""
        lines = [f"> {outcome.outcome}{reason}", "", *lines]
    if outcome.missing:
        lines += ["", "## Missing", "", *(f"- {item}" for item in outcome.missing)]
    if outcome.evidence:
        lines += ["", "## Sources", "", *sources(outcome.evidence)]
    return "\n".join(lines) + "\n"
