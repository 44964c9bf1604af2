"""The options that several commands share, and how they become settings.

An option that was not given is None or empty, so that the environment and the files decide.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tasks.cli.completion import complete_run

if TYPE_CHECKING:
    from tasks.config_file import Given

Attach = Annotated[
    list[Path] | None, typer.Option("--attach", metavar="FILE", help="A file for the task.")
]
After = Annotated[
    str | None,
    typer.Option(
        "--after",
        metavar="RUN",
        help="Start from the facts, evidence and files of that run.",
        autocompletion=complete_run,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Write answer, outcome, files and transcript there."),
]
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="The model.")]
LeadModel = Annotated[
    str | None, typer.Option("--lead-model", metavar="NAME", help="The lead's model, if another.")
]
AudioModel = Annotated[
    str | None,
    typer.Option("--audio-model", metavar="NAME", help="Turns recordings into text; uploads them."),
]
BaseUrl = Annotated[
    str | None,
    typer.Option("--base-url", metavar="URL", help="The OpenAI-compatible endpoint, up to /v1."),
]
Limit = Annotated[
    list[str] | None,
    typer.Option(
        "--limit", metavar="L", help="rounds=30,calls=120,tokens=2M,usd=1.50,time=20m: any of them."
    ),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option("--allow-host", metavar="H:P", help="A private address the browser may reach."),
]
OnlyHost = Annotated[
    list[str] | None,
    typer.Option("--only-host", metavar="H", help="The browser reaches these hosts only."),
]
TellHost = Annotated[
    list[str] | None,
    typer.Option("--tell-host", metavar="H", help="It may be told what was read in files."),
]
NoWeb = Annotated[bool, typer.Option("--no-web", help="No browser at all.")]
CodeHost = Annotated[
    list[str] | None, typer.Option("--code-host", metavar="H", help="A host that code may reach.")
]
Approvals = Annotated[
    str | None,
    typer.Option(
        "--approvals",
        metavar="RULE",
        help="ask-all, ask-risky (default), deny-risky or allow-all.",
    ),
]
Accept = Annotated[
    bool,
    typer.Option("--i-accept-irreversible", help="Needed with --approvals allow-all."),
]
OnQuestion = Annotated[
    str | None,
    typer.Option(
        "--on-question",
        metavar="RULE",
        help="Without a terminal: stop (default; exit 4) or deny.",
    ),
]
RequireEvidence = Annotated[
    bool,
    typer.Option("--require-evidence", help="An answer without evidence is partial (exit 3)."),
]
Classic = Annotated[
    bool,
    typer.Option("--classic", help="The published Magentic-One cadence of calls, to compare."),
]
Prompts = Annotated[
    Path | None,
    typer.Option("--prompts", metavar="DIR", help="Prompt files in place of shipped ones."),
]
NoVerify = Annotated[
    bool, typer.Option("--no-verify", help="No fresh look at the evidence before an answer.")
]
Without = Annotated[
    list[str] | None,
    typer.Option(
        "--without",
        metavar="PART",
        help="Leave out, to compare: ledger, parallel, verify, compaction, filesurfer, "
        "websurfer or coder.",
    ),
]
Sandbox = Annotated[
    str | None,
    typer.Option(
        "--sandbox", metavar="S", help="docker (default), bubblewrap or unsafe-local (none)."
    ),
]
Demo = Annotated[bool, typer.Option("--demo", help="Use the shipped scripted model: no key.")]
DemoMaterial = Annotated[
    Path | None,
    typer.Option("--demo-material", metavar="DIR", help="Your own material for the demo task."),
]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Plain = Annotated[bool, typer.Option("--plain", help="Plain lines, no footer.")]
TrustProject = Annotated[
    bool,
    typer.Option("--trust-project", help="Trust this project's quaestor.toml, as it is now."),
]
Home = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="Where journal and files live (QUAESTOR_HOME)."),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="This file instead of the project's."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more; show tracebacks.")]
Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="The start of its id, or last.", autocompletion=complete_run
    ),
]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who says so.")]

FLAGS = {
    "models.name": "--model",
    "models.lead": "--lead-model",
    "models.audio": "--audio-model",
    "models.base_url": "--base-url",
    "web.allow_hosts": "--allow-host",
    "web.only_hosts": "--only-host",
    "web.tell_hosts": "--tell-host",
    "sandbox.code_hosts": "--code-host",
    "sandbox.launcher": "--sandbox",
    "approvals": "--approvals",
    "on_question": "--on-question",
    "without": "--without",
    "prompts": "--prompts",
    "out": "--out",
}
Models = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME", help="The model; several are compared."),
]
Parallel = Annotated[
    int | None, typer.Option("--parallel", metavar="N", min=1, help="How many run at a time.")
]
Engine = Annotated[str, typer.Option("--engine", metavar="E", help="local (default) or ray.")]
Wall = Annotated[
    str, typer.Option("--wall", metavar="TIME", help="A unit's process is killed after this.")
]
BatchLimit = Annotated[
    list[str] | None,
    typer.Option(
        "--batch-limit",
        metavar="L",
        help="Of the batch as a whole: usd=20,time=8h,calls=...: what runs is finished, nothing "
        "more is started.",
    ),
]
ParkOnQuestion = Annotated[
    str | None,
    typer.Option(
        "--on-question",
        metavar="RULE",
        help="deny (default), or stop: the unit is parked until it is answered.",
    ),
]


def flags_given(values: dict[str, Any], limits: list[str] | None) -> list[Given]:
    """The flags that were given, as values with their origin."""
    from tasks.config_file import Given
    from tasks.configuration import limits_given

    given = [
        Given(key, value, FLAGS.get(key, "the command line"))
        for key, value in values.items()
        if value is not None and value != []
    ]
    for text in limits or []:
        given += limits_given(text, "--limit")
    return given


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
    return flags_given({**named, **switched}, limits)
