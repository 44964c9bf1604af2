"""The versions of a case's report and its review on disk.

The review is only ever appended to; a version that was set aside is read-only. An approved report
is found out when it is not what was approved.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from orchestrator.errors import JournalDamaged, UsageError
from tasks.forensics.reporting.content import CaseReport
from tasks.forensics.reviewing import (
    Act,
    Change,
    Record,
    Review,
    difference,
    next_record,
    read_records,
    report_sha256,
    review_of,
    written,
)

REVIEW = "review.jsonl"
VERSIONS = "versions"
KEPT = (
    "report.json",
    "report.md",
    "report.html",
    "findings.csv",
    "claims.csv",
    "affected_records.csv",
    "timeline.csv",
    "journal.jsonl",
)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Versions:
    """A case's folder as its reviewers see it."""

    folder: Path
    now: Callable[[], str] = _now

    def report(self, version: int | None = None) -> CaseReport:
        """The newest report, or an older version. Raises UsageError."""
        folder = self.folder if version is None else self.folder / VERSIONS / str(version)
        try:
            return CaseReport.model_validate_json((folder / "report.json").read_bytes())
        except (OSError, ValidationError) as error:
            said = str(error).splitlines()[0]
            raise UsageError(f"{folder} holds no report that can be read: {said}") from error

    def records(self) -> tuple[Record, ...]:
        """The chain of the review."""
        place = self.folder / REVIEW
        return read_records(place.read_bytes()) if place.exists() else ()

    def review(self) -> Review:
        """Where the review stands. Raises JournalDamaged."""
        return review_of(self.records())

    def act(self, act: Act) -> Review:
        """Do something in the review of the newest report. Raises UsageError when it may not be
        done, JournalDamaged when the chain is broken."""
        place = self.folder / REVIEW
        with place.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            records = read_records(file.read())
            record = next_record(records, act, self.report(), self.now())
            file.write(written([record]))
            file.flush()
            os.fsync(file.fileno())
        return review_of([*records, record])

    def renew(self, by: str) -> Review:
        """Begin the review of a report that is new: version 1, or the next one. What was reviewed
        before has been set aside by then. The same report again begins nothing."""
        review = self.review()
        try:
            return self.act(Act(verb="renew", by=by))
        except UsageError:
            return review

    def set_aside(self) -> int:
        """Keep the newest report as a version of its own before a run makes another one; its
        number. Nothing of the review is touched. 0 when there is no report yet."""
        if not (self.folder / "report.json").exists():
            return 0
        number = max(1, self.review().version)
        target = self.folder / VERSIONS / str(number)
        if target.exists():
            return number
        target.mkdir(parents=True)
        for name in KEPT:
            if (self.folder / name).exists():
                (target / name).write_bytes((self.folder / name).read_bytes())
                (target / name).chmod(0o444)
        return number

    def changes(self) -> tuple[Change, ...]:
        """What the newest report says otherwise than the version before it."""
        before = self.review().version - 1
        if before < 1:
            return ()
        return difference(self.report(before), self.report())

    def problems(self) -> tuple[str, ...]:
        """What is wrong: a broken chain, or a report that is not the one that was reviewed."""
        if not (self.folder / REVIEW).exists():
            return ()
        try:
            records = self.records()
            review_of(records)
        except JournalDamaged as error:
            return (error.message,)
        return tuple(_unlike(self, records))


def _unlike(versions: Versions, records: tuple[Record, ...]) -> list[str]:
    """Versions whose report is not the one that its records name."""
    named = {record.version: record.report_sha256 for record in records}
    newest = max(named, default=0)
    found = []
    for version, digest in sorted(named.items()):
        try:
            report = versions.report(None if version == newest else version)
        except UsageError as error:
            found.append(f"version {version} of the report: {error.message}")
            continue
        if report_sha256(report) != digest:
            found.append(f"version {version} of the report is not the one that was reviewed")
    return found
