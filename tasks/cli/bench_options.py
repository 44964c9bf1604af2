"""The options of benchmark commands, and how those about a system become settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tasks.cli import options as opt

if TYPE_CHECKING:
    from tasks.config_file import Given

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
Models = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME", help="The model; several are compared."),
]
Repeat = Annotated[
    int | None,
    typer.Option("--repeat", metavar="R", min=1, help="How often each case is run."),
]
Parallel = Annotated[
    int | None, typer.Option("--parallel", metavar="N", min=1, help="How many run at a time.")
]
Engine = Annotated[str, typer.Option("--engine", metavar="E", help="local (default) or ray.")]
BatchLimit = Annotated[
    list[str] | None,
    typer.Option(
        "--batch-limit",
        metavar="L",
        help="Of the run as a whole: usd=20,time=8h,calls=...: what is not started by then is "
        "missing.",
    ),
]
Wall = Annotated[
    str, typer.Option("--wall", metavar="TIME", help="A unit's process is killed after this.")
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
OnQuestion = Annotated[
    str | None,
    typer.Option(
        "--on-question",
        metavar="RULE",
        help="deny (default), or stop: the unit is parked until it is answered.",
    ),
]
MaxDrop = Annotated[
    float, typer.Option("--max-drop", metavar="SHARE", help="What may be lost, such as 0.02.")
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Where the files go, if elsewhere.")
]


def system_flags(values: dict[str, Any], limits: list[str] | None) -> list[Given]:
    """The flags about the system under test, by the names that commands have them under; those
    that a command does not have were not given."""
    keys = {
        "lead_model": "models.lead",
        "base_url": "models.base_url",
        "allow_host": "web.allow_hosts",
        "only_host": "web.only_hosts",
        "code_host": "sandbox.code_hosts",
        "sandbox": "sandbox.launcher",
        "approvals": "approvals",
        "on_question": "on_question",
        "prompts": "prompts",
    }
    named = {key: values.get(name) for name, key in keys.items()}
    without = [*(values.get("without") or []), *(["verify"] if values.get("no_verify") else [])]
    switched = {
        "web.enabled": False if values.get("no_web") else None,
        "require_evidence": True if values.get("require_evidence") else None,
        "strategy": "classic" if values.get("classic") else None,
        "without": without,
    }
    return opt.flags_given({**named, **switched}, limits)
