"""Reads prompts the way the scripted model needs them: tool results, reports, tables, references.

Knows the marks that the project puts around text (evidence ids, fences, report blocks) and what a
table looks like in each source. Knows neither the question nor what to do next.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.models.llm import Request

Record = dict[str, str]
EVIDENCE = re.compile(r"\A\[evidence ([\d.]+)\]")
FENCED = re.compile(r'<untrusted source="[^"]*">\n(.*?)\n?</untrusted>', re.DOTALL)
REPORT = re.compile(
    r'<report assignment="([^"]*)" agent="([^"]*)" status="([^"]*)">\n(.*?)\n</report>', re.DOTALL
)
REPORT_EVIDENCE = re.compile(r"^evidence ([\d.]+): ", re.MULTILINE)
CONTROL = re.compile(
    r'\[(\d+)\] ([a-z][a-z0-9]*(?: input)?)(?: "([^"]*)")?(?=[ {|]|$)', re.MULTILINE
)
CUT = re.compile(r"\n?[^\n]*\n\[cut: \d+ more characters\]\s*\Z")
"""A text that was cut ends in the middle of a line, and half a number is a wrong number."""
AMOUNT = re.compile(r"\d[\d,.]*")
GAP = re.compile(r"\s{2,}")
KEY_COLUMN = "supplier"


@dataclass(frozen=True, slots=True)
class Step:
    """One tool call of a worker and what the tool showed."""

    tool: str
    arguments: dict[str, Any]
    shown: str

    @property
    def failed(self) -> bool:
        return self.shown.startswith("failed: ")

    @property
    def evidence(self) -> str | None:
        """The id under which the full text is stored."""
        found = EVIDENCE.match(self.shown)
        return found[1] if found else None

    @property
    def body(self) -> str:
        """What the page, file or program said, without the marks around it."""
        found = FENCED.search(self.shown)
        return found[1] if found else self.shown


@dataclass(frozen=True, slots=True)
class Told:
    """One report as the lead, or an agent that waited for it, is shown it."""

    assignment: str
    agent: str
    status: str
    text: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Control:
    """Something on a page that can be acted on."""

    ref: int
    role: str
    name: str


def section(text: str, tag: str) -> str:
    """What stands between the tags of this name, "" when they are not there."""
    found = re.search(rf"<{tag}>\n(.*?)\n</{tag}>", text, re.DOTALL)
    return found[1] if found else ""


def prompt_of(request: Request) -> str:
    """The first thing that the model was told: the lead's task, or a worker's brief."""
    return next((m.content for m in request.messages if m.role == "user"), "")


def steps(request: Request) -> list[Step]:
    """The tool calls so far, each with its result. They pair up by order: over an endpoint
    without tools the ids are not the same on both sides."""
    calls = [call for message in request.messages for call in message.tool_calls]
    shown = [message.content for message in request.messages if message.role == "tool"]
    return [
        Step(call.name, _arguments(call.arguments), text)
        for call, text in zip(calls, shown, strict=False)
    ]


def told(texts: Iterable[str]) -> Iterator[Told]:
    """The reports in prompts, oldest first. Text in them is fenced, so that none can be forged."""
    for text in texts:
        for assignment, agent, status, inside in REPORT.findall(text):
            fenced = FENCED.search(inside)
            rest = FENCED.sub("", inside)
            yield Told(
                assignment,
                agent,
                status,
                CUT.sub("", fenced[1]) if fenced else "",
                tuple(REPORT_EVIDENCE.findall(rest)),
            )


def controls(text: str) -> list[Control]:
    """The numbered elements of a page outline, in their order."""
    return [Control(int(ref), role, name) for ref, role, name in CONTROL.findall(text)]


def records(text: str, header: Sequence[str] = ()) -> list[Record]:
    """The rows of every table with a supplier column: column name -> cell.

    A table is lines of cells; any line without cells, or a new line of column names, ends it.
    `header` are the column names of a table that the text goes on with."""
    found: list[Record] = []
    for line in text.splitlines():
        row = cells(line)
        if len(row) < 2:
            header = ()
        elif is_header(row):
            header = row
        elif header and len(row) <= len(header):
            pairs = zip(header, row, strict=False)
            found.append({name: cell for name, cell in pairs if name and not name.isdigit()})
    return found


def is_header(row: Sequence[str]) -> bool:
    """Whether these cells are the column names of a table of suppliers."""
    return KEY_COLUMN in (cell.lower() for cell in row)


def column(row: Record, word: str) -> str | None:
    """The cell under the first column name that holds a word."""
    return next((cell for name, cell in row.items() if word in name.lower()), None)


def cells(line: str) -> list[str]:
    """The cells of a line: between bars, or set apart by wide gaps."""
    line = line.strip()
    if "|" not in line:
        return GAP.split(line) if line else []
    parts = re.split(r"(?<!\\)\|", line.strip("|"))
    return [part.strip().replace("\\|", "|") for part in parts]


def written(rows: Iterable[Record]) -> str:
    """Rows as a table that `records` reads back; rows with other columns begin a new table."""
    lines: list[str] = []
    header: list[str] = []
    for row in rows:
        if list(row) != header:
            header = list(row)
            lines += ["", " | ".join(header)]
        lines.append(quoted(row))
    return "\n".join(lines).strip()


def quoted(row: Record) -> str:
    """A row in the words of its source."""
    return " | ".join(row.values())


def sentences(text: str, word: str) -> list[str]:
    """The lines of a text, outside of tables, that hold a word and an amount."""
    return [
        line.strip()
        for line in text.splitlines()
        if word in line.lower() and AMOUNT.search(line) and len(cells(line)) == 1
    ]


def plain(text: str) -> str:
    """Letters and digits alone: AB-12 and ab 12 are the same."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def same(one: str, other: str) -> bool:
    """Whether two names differ in nothing but their writing."""
    return plain(one) == plain(other)


def _arguments(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
