"""WebArena's tasks whose verdict is the answer's text or the page's address.

Tasks that are judged by the content of pages need the site after the run, and are left out by
name. Placeholders of sites must have been filled, as WebArena's own script does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, Field

from orchestrator.prompt_files import render
from tasks.benchmark.cases import Case, LeftOut
from tasks.benchmark.suites.prompts import FOLDER
from tasks.benchmark.suites.reading import Faults, Row, parse

SCORERS = {("string_match",): "webarena/string", ("url_match",): "webarena/url"}
_PLACEHOLDER = re.compile(r"__[A-Z_]+__")


class Check(BaseModel):
    """How a task is judged."""

    model_config = {"extra": "allow"}

    eval_types: tuple[str, ...] = Field(min_length=1)


class WebArenaRow(BaseModel):
    """A task's configuration."""

    task_id: int | str
    intent: str = Field(min_length=1)
    start_url: str = ""
    sites: tuple[str, ...] = ()
    check: Check = Field(alias="eval")


def webarena_cases(
    rows: Iterable[Row], faults: Faults, left_out: list[LeftOut]
) -> Iterator[tuple[Row, Case]]:
    """The cases that can be judged; the others go to `left_out`."""
    for row, item in parse(rows, WebArenaRow, faults):
        name, kinds = str(item.task_id), item.check.eval_types
        if kinds not in SCORERS:
            left_out.append(LeftOut(id=name, why=f"judged by {' and '.join(kinds)}"))
            continue
        unfilled = _PLACEHOLDER.search(item.start_url)
        if unfilled:
            faults.add(row.file, row.line, "start_url", f"{unfilled[0]} is not filled in")
        gold: dict[str, Any] = item.check.model_dump(mode="json")
        start = item.start_url.replace(" |AND| ", " and ")
        yield (
            row,
            Case(
                id=name,
                task=render("webarena", folder=FOLDER, question=item.intent.strip(), start=start),
                gold=gold,
                scorer=SCORERS[kinds],
                tags=item.sites,
            ),
        )
