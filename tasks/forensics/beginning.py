"""Writes a manifest from a folder: each sub-folder becomes a case, to be completed by a person."""

from __future__ import annotations

import json
import re
from pathlib import Path

from orchestrator.errors import UsageError
from tasks.forensics.manifest import Case

MANIFEST, SCHEMA = "batch.jsonl", "batch.schema.json"
RESULTS = "results"
QUESTION = "What does the evidence show about ...? If nothing, say so and explain what looked odd."


def begin(folder: Path, question: str | None) -> tuple[Path, int]:
    """The new manifest and how many cases are in it. Raises UsageError."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    target = folder / MANIFEST
    if target.exists():
        raise UsageError(f"{target} is already there", fix="edit it, or remove it first")
    inner = sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.is_symlink() and entry.name != RESULTS
    )
    if not inner:
        raise UsageError(
            f"{folder} has no folder in it", fix="put the files of each case into a folder there"
        )
    lines = [_line(name, question or QUESTION) for name in _without_hidden(inner)]
    target.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (folder / SCHEMA).write_text(schema_text(), encoding="utf-8")
    return target, len(lines)


def schema_text() -> str:
    """The JSON Schema of a case, as a file."""
    return json.dumps(Case.model_json_schema(), indent=2, sort_keys=True) + "\n"


def _without_hidden(names: list[str]) -> list[str]:
    return [name for name in names if not name.startswith(".")]


def _line(name: str, question: str) -> str:
    case_id = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:64] or "case"
    case = {"case_id": case_id, "title": name[:200], "question": question, "evidence": name}
    return json.dumps(case, ensure_ascii=False)
