"""Writes the page of a batch: every case with its verdict, filters, and what cases share.

One file. Its one script sorts and filters the rows that are there and is allowed by its hash;
nothing else may run, and nothing may be loaded.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from orchestrator.blobs import storage_refused
from orchestrator.canonical import canonical
from orchestrator.models.llm import Frozen
from tasks.forensics.reporting.escaping import csv_bytes
from tasks.forensics.reporting.overlaps import Overlap
from tasks.forensics.reporting.pages import TEMPLATES, render

SCRIPT = TEMPLATES / "batch.js"
OVERLAPS_SHOWN = 200


class Row(Frozen):
    """A case as the page lists it. `report` is the path of its report, relative to the page;
    `missing` are the tests whose lack leaves its verdict open."""

    case_id: str
    title: str = ""
    subject: str = ""
    state: str
    verdict: str = ""
    mechanisms: tuple[str, ...] = ()
    amount: str = ""
    affected: int = 0
    confidence: str = ""
    verified: int = 0
    made: int = 0
    missing: tuple[str, ...] = ()
    warnings: int = 0
    usd: str = ""
    tokens: int = 0
    minutes: float = 0.0
    review: str = ""
    tags: tuple[str, ...] = ()
    reason: str = ""
    report: str = ""


def batch_files(
    name: str, rows: Sequence[Row], shared: Sequence[Overlap], bound: str = ""
) -> dict[str, bytes]:
    """The page and its tables. `bound` says how good verdicts were measured to be, if they were."""
    script = SCRIPT.read_text(encoding="utf-8")
    shown = {
        "name": name,
        "rows": rows,
        "places": {row.case_id: row.report for row in rows},
        "overlaps": shared[:OVERLAPS_SHOWN],
        "overlaps_in_all": len(shared),
        "verdicts": _choices(row.verdict for row in rows),
        "states": _choices(row.state for row in rows),
        "reviews": _choices(row.review for row in rows),
        "mechanisms": _choices(name for row in rows for name in row.mechanisms),
        "missing": _choices(name for row in rows for name in row.missing),
        "bound": bound,
        "script": script,
        "policy": policy(script),
    }
    return {
        "index.html": render("batch.html.j2", shown).encode("utf-8"),
        "summary.csv": _csv(rows),
        "summary.jsonl": "".join(
            f"{canonical(row.model_dump(mode='json'))}\n" for row in rows
        ).encode("utf-8", "backslashreplace"),
        "overlaps.csv": csv_bytes(
            ("kind", "value", "cases", "roles", "joins", "why_not"),
            (
                (o.kind, o.value, " ".join(o.cases), " ".join(o.roles), o.joins, o.why_not)
                for o in shared
            ),
        ),
    }


def policy(script: str) -> str:
    """What the page may do: its own script, by hash, and styles."""
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        f"base-uri 'none'; form-action 'none'"
    )


def write_files(files: dict[str, bytes], folder: Path) -> None:
    """Write them, each whole or not at all. Raises JournalUnavailable when the disk refuses."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            place = folder / name
            fresh = place.with_name(f".{place.name}.new")
            try:
                fresh.write_bytes(content)
                fresh.replace(place)
            finally:
                fresh.unlink(missing_ok=True)
    except OSError as error:
        raise storage_refused(folder, error) from error


def _choices(values: Iterable[str]) -> list[tuple[str, int]]:
    counted = Counter(value for value in values if value)
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def _csv(rows: Sequence[Row]) -> bytes:
    names = tuple(Row.model_fields)
    return csv_bytes(
        names,
        (
            [" ".join(value) if isinstance(value, tuple) else value for _, value in row]
            for row in rows
        ),
    )
