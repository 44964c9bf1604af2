"""Says in words what a case holds: for a model that examines it, and for people.

Everything shown comes from evidence, so it is escaped; nothing here is read as an order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from orchestrator.errors import ToolFailed
from tasks.forensics.custody import shown
from tasks.forensics.intake import Column, Examined, Intake, Table
from tasks.forensics.looking import hosts_text
from tasks.forensics.manifest import Case
from tasks.forensics.playbook import Playbook

CELL = 160
MAX_LINKS = 60
MAX_EMPTY = 20
"""So many empty files are listed by name; more would push what matters out of the prompt."""
MAX_COLUMNS = 40
MAX_NAMED = 10


def exhibits_text(intake: Intake) -> str:
    """Exhibits, tables, links, the subject's places, warnings."""
    return "\n".join(_exhibit_lines(intake))


def _exhibit_lines(intake: Intake) -> Iterator[str]:
    empty = [exhibit.id for exhibit in intake.exhibits if exhibit.kind == "empty"]
    counted = empty if len(empty) > MAX_EMPTY else []
    for exhibit in intake.exhibits:
        if not counted or exhibit.kind != "empty":
            yield from _lines_of(exhibit)
    if counted:
        yield f"{len(counted)} exhibits are empty, from {counted[0]} to {counted[-1]}"
    for link in intake.links[:MAX_LINKS]:
        one, other = (f"{t}.{c}" for t, c in zip(link.tables, link.columns, strict=True))
        yield (
            f"link {one} = {other}: {link.shared} shared values, "
            f"of {link.from_distinct} and {link.to_distinct}"
        )
    for place in intake.subject:
        yield f"subject in {place.table}.{place.column}: {place.rows} rows"
    for named in intake.named:
        first = ", ".join(map(str, named.lines[:MAX_NAMED]))
        document = intake.exhibit_of(named.table)
        if document is not None:
            yield f"subject named in {document.id}: {named.count} lines ({first})"
    for text in intake.warnings()[:60]:
        yield f"note: {text}"


def _lines_of(exhibit: Examined) -> Iterator[str]:
    complete = "complete" if exhibit.whole else "NOT COMPLETE"
    yield f"{exhibit.id} {exhibit.path}: {exhibit.kind}, {exhibit.size} bytes, {complete}"
    for table in exhibit.tables:
        if exhibit.is_document:
            yield f"  {table.name} ({table.rows} lines of text): grep and lines read it"
            continue
        columns = "; ".join(_brief(table, column) for column in table.columns[:MAX_COLUMNS])
        yield f"  {table.name} ({table.rows} rows): {columns}"


def _brief(table: Table, column: Column) -> str:
    name = column.name
    said = f"{name} [{column.looks}, {column.distinct} distinct, {column.missing} missing"
    if column.looks == "category" and column.top:
        said += ": " + ", ".join(shown(str(value))[:24] for value, _ in column.top)
    if column.utc:
        zone = (column.clock.zone or "zone unknown") if column.clock else ""
        said += f", UTC in {column.utc}, {zone}"
    return f"{said}]"


def profile_text(intake: Intake, name: str) -> str:
    """Every column of one table. Raises ToolFailed for one that is not there."""
    table = next((table for _, table in intake.tables() if table.name == name), None)
    if table is None:
        there = ", ".join(table.name for _, table in intake.tables())
        raise ToolFailed(f"there is no table {name!r}; there is: {there}")
    return "\n".join([f"{name}: {table.rows} rows", *map(_column, table.columns)])


def _column(column: Column) -> str:
    parts = [
        f"{column.name} {column.type}: looks like {column.looks}; {column.distinct} distinct, "
        f"{column.missing} missing; from {_cell(column.min)} to {_cell(column.max)}"
    ]
    if column.top:
        top = ", ".join(f"{_cell(value)} x{count}" for value, count in column.top)
        parts.append(f"most frequent: {top}")
    if column.clock is not None:
        zone = column.clock.zone or "zone unknown"
        parts.append(
            f"{column.clock.form}, {zone} ({column.clock.found}); {column.first} to {column.last}; "
            f"UTC in {column.utc}; {column.undated} rows without a time"
        )
    return "; ".join(parts)


def rows_text(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A result as lines."""
    lines = [" | ".join(map(shown, columns)), *(" | ".join(map(_cell, row)) for row in rows)]
    return "\n".join(lines) + f"\n[{len(rows)} rows]"


def lines_text(lines: Sequence[Sequence[Any]]) -> str:
    """Lines with their numbers; those of a document with their place: `12 (page 3): ...`."""
    return "\n".join(
        f"{number}{''.join(f' ({where})' for where in place)}: {text}"
        for number, *place, text in lines
    )


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    text = shown(str(value))
    return text if len(text) <= CELL else f"{text[:CELL]}..."


def task_text(case: Case, intake: Intake, playbook: Playbook, hashes: dict[str, str]) -> str:
    """What the lead is given: the question, what there is, and how a case is worked on."""
    period = f"{case.period[0].isoformat()} to {case.period[1].isoformat()}" if case.period else ""
    parts = [
        f"Case {case.case_id}: {case.title}",
        f"Question: {case.question}",
        f"Subject: {case.subject or 'not named'}. Period: {period or 'not named'}.",
        *(f"Hypothesis H{n}: {text}" for n, text in enumerate(case.hypotheses, start=1)),
        *(f"Hint for {name}: {text}" for name, text in case.schema_hints.items()),
        "",
        "How a case is worked on: first the Examiner looks at exhibits, fills the roles, runs the "
        "tests, and makes claims; after that the Skeptic looks at the claims with fresh eyes; last "
        "the Writer puts the verified claims into a summary. The verdict is computed by code from "
        "verified claims; do not write one. Finish with one sentence that names how many claims "
        "there are, as the Writer reports it.",
        *filter(None, [hosts_text(case)]),
        "",
        "Tests of the playbook (the columns that they need are roles):",
        *_tests(playbook),
        "",
        "Exhibits:",
        exhibits_text(intake),
        "",
        *(f"{name} sha256 {value}" for name, value in sorted(hashes.items())),
    ]
    return "\n".join(parts)


def _tests(playbook: Playbook) -> Iterator[str]:
    for name, (part, test) in playbook.tests().items():
        yield f"- {name} ({part}): {test.asks} Needs {', '.join(test.roles)}."
    for relation, roles in playbook.roles.items():
        named = ", ".join(f"{name} ({looks})" for name, looks in roles.items() if name != "about")
        yield f"- role {relation} ({roles.get('about', '')}): {named}"
