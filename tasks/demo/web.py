"""The WebSurfer that the scripted model plays: looks at a page, then does what is nearest.

It knows no address but the one in its instruction and no page but those it is shown.
"""

from __future__ import annotations

import re

from orchestrator.models.llm import Completion, Request
from tasks.demo.reading import (
    Control,
    Record,
    Step,
    column,
    controls,
    plain,
    records,
    steps,
    written,
)
from tasks.demo.speaking import calls, report
from tasks.demo.workers import QUOTED, instruction, part_in

ADDRESS = re.compile(r"https?://[^\s\"',;)]+[^\s\"',;).]")
ROW = re.compile(r"^\s*(?:\[\d+\] )?row:", re.MULTILINE)
SEARCHES = ("searchbox", "textbox")
MAX_STEPS = 30


def web_surfer(request: Request) -> Completion:
    """One step towards the tables that the instruction names, or the report."""
    asked, done = instruction(request), steps(request)
    part, words = part_in(asked), [word.lower() for word in QUOTED.findall(asked)]
    address = ADDRESS.search(asked)
    if address is None:
        return report(request, "failed", "the instruction names no address")
    if not done:
        return calls(request, ("goto", {"url": address[0]}))
    rows = {word: _rows(done, word, part) for word in words}
    lacking = [word for word in words if not rows[word]]
    page = done[-1]
    if lacking and not page.failed and len(done) < MAX_STEPS:
        if page.tool != "read_page" and ROW.search(page.body):
            return calls(request, ("read_page", {}))
        act = _next_act(asked, part, lacking, done)
        if act is not None:
            return calls(request, act)
    return _report(request, part, rows, lacking)


def _next_act(
    asked: str, part: str, lacking: list[str], done: list[Step]
) -> tuple[str, dict[str, object]] | None:
    """Open what is closed, go to the part, search for it, go to what is named like the table,
    and without the search follow any other link."""
    outline = next(step for step in reversed(done) if step.tool != "read_page")
    used = _used(done)
    free = [item for item in controls(outline.body) if (item.role, item.name) not in used]
    links = [item for item in free if item.role == "link" and item.name]
    for item in free:
        if item.role == "button" and any(word in item.name.lower() for word in lacking):
            return "click", {"ref": item.ref}
    for item in links:
        if plain(part) in plain(item.name):
            return "click", {"ref": item.ref}
    searching = "without the search" not in asked
    for item in free:
        if searching and item.role in SEARCHES and not _typed(done):
            return "type", {"ref": item.ref, "text": part, "submit": True}
    named = [item for item in links if any(word in item.name.lower() for word in lacking)]
    for item in [*named, *([] if searching else links)]:
        return "click", {"ref": item.ref}
    return None


def _used(done: list[Step]) -> set[tuple[str, str]]:
    """What was clicked, by role and name: the same link stands on every page."""
    names: dict[int, Control] = {}
    for step in done:
        names.update({item.ref: item for item in controls(step.body)})
    refs = [step.arguments.get("ref") for step in done if step.tool == "click"]
    return {(item.role, item.name) for ref, item in names.items() if ref in refs}


def _typed(done: list[Step]) -> bool:
    return any(step.tool == "type" for step in done)


def _rows(done: list[Step], word: str, part: str) -> list[tuple[Step, Record]]:
    """The rows of the tables with this column, on pages that are not about another part."""
    return [
        (step, row)
        for step in done
        if step.tool == "read_page" and not _about_another(step.body, part)
        for row in records(step.body)
        if column(row, word) is not None
    ]


def _about_another(body: str, part: str) -> bool:
    """Whether the page's title names a number of the same shape, but not this part."""
    shape = re.sub(r"[A-Za-z]", "[A-Za-z]", re.sub(r"\d", r"\\d", re.escape(part)))
    title = next((line for line in body.splitlines() if line.startswith("title: ")), "")
    return bool(re.search(shape, title)) and plain(part) not in plain(title)


def _report(
    request: Request,
    part: str,
    rows: dict[str, list[tuple[Step, Record]]],
    lacking: list[str],
) -> Completion:
    done = steps(request)
    found = [pair for pairs in rows.values() for pair in pairs]
    table = written(list({tuple(row.values()): row for _, row in found}.values()))
    gaps = [
        f'not found: "{word}" for part {part}; the last page said: {_last(done)}'
        for word in lacking
    ]
    text = "\n\n".join([*gaps, *([table] if table else [])])
    evidence = [step.evidence or "" for step, _ in found]
    return report(request, "failed" if lacking else "done", text, evidence)


def _last(done: list[Step]) -> str:
    return " ".join(re.sub(r"\[\d+\] ", "", done[-1].body).split())[:160]
