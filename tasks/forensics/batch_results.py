"""The page of a batch: a row per case out of its folder, and what cases share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from tasks.forensics.calibration import Calibration, bound_of
from tasks.forensics.erasing import hold_of
from tasks.forensics.folder import Folder, State
from tasks.forensics.manifest import Case
from tasks.forensics.reporting.batch_page import Row, batch_files, write_files
from tasks.forensics.reporting.content import CaseReport
from tasks.forensics.reporting.overlaps import CaseMarks, overlaps
from tasks.forensics.versions import Versions

SHOWN = ("supported", "open")
CALIBRATION = "calibration.json"


def write_batch_page(name: str, cases: Sequence[Case], out: Path) -> None:
    """Write the page of all cases that were begun, finished or not."""
    rows: list[Row] = []
    marks: list[CaseMarks] = []
    for case in cases:
        folder = Folder(out / "cases" / case.case_id)
        state = folder.state() if folder.path.exists() else None
        if state is None:
            continue
        rows.append(_row(case, state, folder))
        if state.state != "purged" and (folder.path / "marks.json").exists():
            marks.append(folder.marks())
    write_files(batch_files(name, rows, overlaps(marks), _bound(out)), out)


def _bound(out: Path) -> str:
    """How good verdicts were measured to be in this folder, or "" when they never were."""
    try:
        return bound_of(Calibration.model_validate_json((out / CALIBRATION).read_bytes()))
    except (OSError, ValidationError):
        return ""


def _missing(report: CaseReport) -> tuple[str, ...]:
    """The tests that its open mechanisms lack, each once."""
    gaps = (gap.test for finding in report.verdict.findings for gap in finding.missing)
    return tuple(dict.fromkeys(gaps))


def _review(folder: Folder) -> str:
    """Where the review of a case stands; a broken one says so."""
    versions = Versions(folder.path)
    return "broken" if versions.problems() else versions.review().state


def _row(case: Case, state: State, folder: Folder) -> Row:
    if state.state == "purged":
        return Row(case_id=case.case_id, state=state.state, reason=state.reason)
    held = hold_of(folder)
    kept = f"held by {held.by}: {held.why}" if held is not None else ""
    row = Row(
        case_id=case.case_id,
        title=case.title,
        subject=case.subject or "",
        state=state.state,
        verdict=state.verdict,
        verified=state.verified,
        made=state.claims,
        usd="" if state.usd_micros is None else f"{state.usd_micros / 1e6:.4f}",
        tokens=state.tokens,
        minutes=round(state.seconds / 60, 1),
        tags=case.tags,
        reason=". ".join(filter(None, (state.reason, kept))),
    )
    try:
        report = CaseReport.model_validate_json((folder.path / "report.json").read_bytes())
    except (OSError, ValidationError):
        return row
    shown = tuple(f.mechanism for f in report.verdict.findings if f.standing in SHOWN)
    return row.model_copy(
        update={
            "mechanisms": shown,
            "amount": ", ".join(item.amount for item in report.affected if item.amount),
            "affected": sum(item.count for item in report.affected),
            "confidence": report.verdict.confidence,
            "missing": _missing(report),
            "warnings": len(report.warnings),
            "review": _review(folder),
            "report": f"cases/{case.case_id}/report.html",
        }
    )
