"""The command `quaestor`: the list of commands, and the one place that exits.

Importing this is quick: whatever is heavy is imported by the command that needs it.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from orchestrator.errors import QuaestorError
from tasks.cli import config, doctor, inbox, maintenance, run, runs
from tasks.cli.exits import FAILED, INTERRUPTED, TABLE, USAGE, code_of_error
from tasks.cli.streams import Streams, take_streams

ABOUT = (
    "Hand over an open-ended task, get a grounded answer.\n\n"
    "RUN is the start of a run's id, or `last`. Nothing is lost when a run is stopped: "
    "`quaestor resume RUN` goes on where it was."
)
WITH_RECORDS = {"run", "resume", "answer"}

app = typer.Typer(
    name="quaestor",
    help=ABOUT,
    epilog=TABLE,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
)


@app.callback(invoke_without_command=True)
def _quaestor(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        from importlib import metadata

        typer.echo(f"quaestor {metadata.version('quaestor')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(USAGE)


for family in (run, runs, inbox, maintenance, doctor, config):
    family.add_to(app)


def main() -> NoReturn:
    """Run the command line and exit."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(argv: Sequence[str]) -> int:
    """The exit code of a command line; whatever goes wrong is said on stderr."""
    streams = take_streams()
    try:
        code = app(args=list(argv), prog_name="quaestor", standalone_mode=False, obj=streams)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "quaestor"
        return _refused(streams, argv, error.format_message(), f"{command} --help", USAGE)
    except QuaestorError as error:
        if "-v" in argv or "--verbose" in argv:
            streams.err.line(traceback.format_exc())
        return _refused(streams, argv, error.message, error.fix, code_of_error(error))
    except Exception as error:
        logging.getLogger(__name__).debug("a bug", exc_info=True)
        return _failed(streams, argv, error)
    return code if isinstance(code, int) else 0


def _refused(
    streams: Streams, argv: Sequence[str], message: str, fix: str | None, code: int
) -> int:
    try:
        streams.error(message, fix)
        if "--json" in argv and argv[0] in WITH_RECORDS:
            from tasks.cli.ending import refusal_record

            streams.records.end(refusal_record(streams.records.run, message, fix, code))
    except QuaestorError:
        return code  # the stream itself is what failed, and that is what was to be said
    return code


def _failed(streams: Streams, argv: Sequence[str], error: Exception) -> int:
    """A bug of ours: its traceback goes to a file, whose path is shown."""
    text = "".join(traceback.format_exception(error))
    with tempfile.NamedTemporaryFile(
        "w", prefix="quaestor-bug-", suffix=".txt", delete=False, encoding="utf-8"
    ) as report:
        report.write(text)
    if "-v" in argv or "--verbose" in argv:
        streams.err.line(text)
    message = f"Quaestor itself failed: {type(error).__name__}: {error}"
    return _refused(streams, argv, message, f"please report it with {report.name}", FAILED)
