"""The workers that the scripted model plays: FileSurfer and Coder (`web.py` plays the WebSurfer).

Each turn is decided from the prompt alone: the instruction, the brief, and what the tools showed.
Words in quotation marks in an instruction are what to look for: a column name or a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.agent import Json, ReportStatus
from orchestrator.models.llm import Completion, Request
from tasks.demo.figures import Figures, gather
from tasks.demo.reading import (
    Record,
    Step,
    cells,
    column,
    is_header,
    prompt_of,
    records,
    same,
    section,
    sentences,
    steps,
    told,
    written,
)
from tasks.demo.speaking import calls, report

PART = re.compile(r"\bpart ([A-Z0-9][\w-]*\d\w*)")
UNITS = re.compile(r"\b(\d[\d,]*) units\b")
QUOTED = re.compile(r'"([^"]+)"')
OUTLINE = re.compile(r"^(\d+)\. .+ \(\d+ characters\)", re.MULTILINE)
PAGE = re.compile(r"\[page (\d+) of (\d+) of ")
PAGE_NOTE = re.compile(r"\n\[page \d+ of \d+ of [^\n]*\]\s*\Z")
MISREAD = re.compile(r"InvalidOperation|ConversionSyntax")
MAX_READS = 30


def instruction(request: Request) -> str:
    """What a worker is asked to do."""
    return section(prompt_of(request), "instruction")


def part_in(text: str) -> str:
    """The part number that a text names, or ""."""
    found = PART.search(text)
    return found[1] if found else ""


def file_surfer(request: Request) -> Completion:
    """Open the files that are named, or that hold the words; read them whole; report the rows."""
    asked, done = instruction(request), steps(request)
    listed = section(prompt_of(request), "attachments").splitlines()
    paths = [path for line in listed if (path := line.rpartition(" (")[0]) in asked]
    if not paths:
        searched = [step for step in done if step.tool == "grep"]
        if not searched:
            return calls(request, ("grep", {"pattern": _pattern(asked)}))
        paths = [path for line in listed if (path := line.rpartition(" (")[0]) in searched[0].body]
    opened = {step.arguments.get("path"): step for step in done if step.tool == "open"}
    closed = [path for path in paths if path not in opened]
    if closed:
        return calls(request, *(("open", {"path": path}) for path in closed))
    unread = _unread(opened, done)
    if unread and len(done) < MAX_READS:
        return calls(request, *(("read", arguments) for arguments in unread))
    return _report_rows(request, asked, done)


def coder(request: Request) -> Completion:
    """Write a program over the figures, mend it once if it could not read a number, report."""
    brief, asked, done = prompt_of(request), instruction(request), steps(request)
    figures = gather([*(item.text for item in told([brief])), asked], part_in(asked))
    if figures.missing:
        return report(request, "failed", "cannot compute: missing " + "; ".join(figures.missing))
    if not done:
        return _run(request, figures, asked, tolerant=False)
    last = done[-1]
    if "cheapest:" in last.body:
        return report(request, "done", last.body, [last.evidence or ""])
    if len(done) == 1 and MISREAD.search(last.body):
        return _run(request, figures, asked, tolerant=True)
    ending = last.body.splitlines()[-1] if last.body else "no output"
    return report(request, "failed", f"the program did not work: {ending}")


def _run(request: Request, figures: Figures, asked: str, *, tolerant: bool) -> Completion:
    units = UNITS.search(asked)
    if units is None:
        return report(request, "failed", "the instruction does not say how many units")
    code = figures.program(units[1], tolerant=tolerant)
    return calls(request, ("run", {"code": code, "language": "python"}))


def _pattern(asked: str) -> str:
    """A search that finds a part however it is written, or else the words asked for."""
    part = part_in(asked)
    if part:
        return r"\W?".join(re.findall(r"[A-Za-z]+|\d+", part))
    return "|".join(re.escape(word) for word in QUOTED.findall(asked))


def _unread(opened: dict[Json, Step], done: list[Step]) -> list[dict[str, Json]]:
    """The parts, and the further pages of parts, that were not read yet."""
    wanted: list[dict[str, Json]] = []
    for path, step in opened.items():
        wanted += [{"path": path, "part": number} for number in OUTLINE.findall(step.body)]
    read = [step.arguments for step in done if step.tool == "read"]
    for step in done:
        page = PAGE.search(step.body) if step.tool == "read" else None
        if page is not None and page[1] != page[2]:
            wanted.append({**step.arguments, "page": int(page[1]) + 1})
    return [arguments for arguments in wanted if arguments not in read]


def _report_rows(request: Request, asked: str, done: list[Step]) -> Completion:
    part, words = part_in(asked), [word.lower() for word in QUOTED.findall(asked)]
    read = [step for step in done if step.tool == "read" and not step.failed]
    rows: list[Record] = []
    lines: list[str] = []
    missing, evidence = [], []
    for word in words:
        fitting = [pair for pair in _rows(read) if _fits(pair[1], word, part)]
        said = [(step, line) for step in read for line in sentences(step.body, word)]
        rows += [row for _, row in fitting if row not in rows]
        lines += [line for _, line in said if line not in lines]
        evidence += [step.evidence or "" for step, _ in (*fitting, *said)]
        if not fitting and not said:
            missing.append(word)
    failures = [step.shown for step in done if step.failed]
    gaps = [f'not found: "{word}"' + (f" of part {part}" if part else "") for word in missing]
    table = [written(rows)] if rows else []
    text = "\n\n".join([*gaps, *failures, *table, *lines])
    status: ReportStatus = "failed" if missing or not words else "done"
    return report(request, status, text or "nothing was asked for in quotation marks", evidence)


def _rows(read: list[Step]) -> Iterator[tuple[Step, Record]]:
    """The table rows of what was read. A table goes on over the pages and parts of a file, which
    name its columns only once."""
    header: dict[Json, list[str]] = {}
    for step in sorted(read, key=_place):
        path = step.arguments.get("path")
        body = PAGE_NOTE.sub("", step.body)
        for row in records(body, header.get(path, ())):
            yield step, row
        named = [names for line in body.splitlines() if is_header(names := cells(line))]
        if named:
            header[path] = named[-1]


def _place(step: Step) -> tuple[str, int, int]:
    arguments = step.arguments
    return str(arguments["path"]), int(arguments["part"]), int(arguments.get("page", 1))


def _fits(row: Record, word: str, part: str) -> bool:
    numbered = column(row, "part")
    return column(row, word) is not None and (numbered is None or same(numbered, part))
