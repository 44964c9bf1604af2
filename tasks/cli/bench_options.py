"""The options of benchmark commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Suite = Annotated[
    str,
    typer.Argument(
        metavar="SUITE",
        help="A JSON lines file of your own, or KIND:PATH with KIND gaia, assistantbench, "
        "humaneval, simpleqa or webarena.",
    ),
]
Results = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="The start of a benchmark run's id, or last; or a folder with manifest.json and "
        "units.jsonl, or a report.json.",
    ),
]
BenchRun = Annotated[
    str, typer.Argument(metavar="RUN", help="The start of a benchmark run's id, or last.")
]
Split = Annotated[
    str, typer.Option("--split", metavar="NAME", help="validation (default) or test.")
]
Level = Annotated[list[str] | None, typer.Option("--level", metavar="N", help="Only this level.")]
Only = Annotated[list[str] | None, typer.Option("--only", metavar="ID", help="Only this case.")]
Sample = Annotated[
    int | None,
    typer.Option("--sample", metavar="N", min=1, help="So many cases, chosen by a fixed seed."),
]
Repeat = Annotated[
    int | None,
    typer.Option("--repeat", metavar="R", min=1, help="How often each case is run."),
]
Grader = Annotated[
    str | None,
    typer.Option("--grader", metavar="NAME", help="The model that judges, for rules with one."),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Many units through DuckDuckGo's page, which refuses robots."),
]
OpenAnswers = Annotated[
    bool,
    typer.Option(
        "--open-answers", help="Let units open the places where benchmarks stand in the open."
    ),
]
MaxDrop = Annotated[
    float, typer.Option("--max-drop", metavar="SHARE", help="What may be lost, such as 0.02.")
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Where the files go, if elsewhere.")
]
