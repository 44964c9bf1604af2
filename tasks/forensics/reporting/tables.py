"""The tables that go with a report: findings, claims, affected records, a timeline.

A row without a time is never given one: it is left out of the timeline, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from orchestrator.models.llm import Frozen
from tasks.forensics.claims import Affected
from tasks.forensics.reporting.content import CaseReport, Cited
from tasks.forensics.reporting.escaping import csv_bytes

TIMESKETCH = ("message", "datetime", "timestamp_desc", "case", "claim", "exhibits")


class Event(Frozen):
    """A row of the timeline; `moment` is RFC 3339 in UTC, `meaning` what the time says."""

    moment: str
    message: str
    meaning: str
    claim: str = ""
    exhibits: str = ""


def findings_csv(report: CaseReport) -> bytes:
    """One mechanism a row."""
    head = ("mechanism", "title", "standing", "for", "against", "exhibits", "missing")
    return csv_bytes(
        head,
        (
            (
                finding.mechanism,
                finding.title,
                finding.standing,
                " ".join(finding.inculpatory),
                " ".join(finding.exculpatory),
                " ".join(finding.exhibits),
                "; ".join(f"{gap.test}: {gap.why}" for gap in finding.missing),
            )
            for finding in report.verdict.findings
        ),
    )


def claims_csv(report: CaseReport) -> bytes:
    """One claim a row, those that do not hold below, without their words."""
    head = ("id", "state", "side", "mechanism", "test", "text", "why", "cites", "reviewed")
    return csv_bytes(
        head,
        (
            (
                item.id,
                item.state,
                item.side,
                item.mechanism,
                item.test,
                item.text,
                item.why,
                " ".join(cited.place for cited in item.citations),
                item.is_reviewed,
            )
            for item in (*report.claims, *report.annex)
        ),
    )


def affected_csv(report: CaseReport) -> bytes:
    """One affected record a row; the columns of all mechanisms side by side."""
    names = list(dict.fromkeys(name for item in report.affected for name in item.columns))
    rows = (
        [item.mechanism, *(_value(item, row, name) for name in names)]
        for item in report.affected
        for row in item.rows
    )
    return csv_bytes(("mechanism", *names), rows)


def _value(item: Affected, row: tuple[Any, ...], name: str) -> Any:
    return row[item.columns.index(name)] if name in item.columns else None


def timeline_csv(report: CaseReport) -> bytes:
    """Dated rows that claims cite and records that are affected, as Timesketch imports them."""
    events, _ = timeline(report)
    rows = ((e.message, e.moment, e.meaning, report.case_id, e.claim, e.exhibits) for e in events)
    return csv_bytes(TIMESKETCH, rows)


def timeline(report: CaseReport) -> tuple[tuple[Event, ...], int]:
    """The events in order, and how many rows were left out since they have no time."""
    found: list[Event] = []
    undated = 0
    for claim in report.claims:
        for cited in claim.citations:
            for event in _events(cited, claim.id, claim.text):
                found.append(event) if event else None
                undated += event is None
    for item in report.affected:
        clocks = _clocks(item.columns, item.rows)
        for row in item.rows:
            moments = [
                (name, moment) for name, at in clocks if (moment := as_moment(name, row[at]))
            ]
            undated += not moments
            found += [
                Event(
                    moment=moment,
                    message=f"affected record {row[0]} ({item.mechanism})",
                    meaning=f"{name} of an affected record",
                )
                for name, moment in moments
            ]
    return tuple(sorted(set(found), key=lambda event: (event.moment, event.message))), undated


def _events(cited: Cited, claim: str, text: str) -> Iterator[Event | None]:
    """An event for each dated row; None for one without a time where others have one."""
    clocks = _clocks(cited.columns, cited.rows)
    if not clocks:
        return
    for row in cited.rows:
        moments = [(name, moment) for name, at in clocks if (moment := as_moment(name, row[at]))]
        if not moments:
            yield None
        for name, moment in moments:
            yield Event(
                moment=moment,
                message=f"{claim}: {text}",
                meaning=name,
                claim=claim,
                exhibits=" ".join(cited.exhibits),
            )


def _clocks(columns: tuple[str, ...], rows: tuple[tuple[Any, ...], ...]) -> list[tuple[str, int]]:
    """Columns that hold moments in any row."""
    return [
        (name, at)
        for at, name in enumerate(columns)
        if any(at < len(row) and as_moment(name, row[at]) for row in rows)
    ]


def as_moment(column: str, value: Any) -> str:
    """A value as RFC 3339 in UTC, or "" when it is no moment. Bare days are none, and so are times
    without a zone unless their column is one of those that are in UTC."""
    if not isinstance(value, str) or len(value) < 16 or not value[:4].isdigit():
        return ""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return ""
    if moment.tzinfo is None:
        if not (column.endswith("_utc") or column == "time"):
            return ""
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat()
