"""The command `quaestor`: the list of commands, and the one place that exits.

Importing this is quick: whatever is heavy is imported by the command that needs it.
"""

from __future__ import annotations

import copy
import gc
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from orchestrator.errors import QuaestorError
from tasks.cli import (
    batch,
    bench,
    config,
    doctor,
    forensics,
    inbox,
    maintenance,
    models,
    run,
    runs,
)
from tasks.cli.exits import FAILED, INTERRUPTED, TABLE, TERMINATED, USAGE, code_of_error
from tasks.cli.streams import Streams, take_streams

ABOUT = (
    "Hand over an open-ended task, get a grounded answer.\n\n"
    "RUN is the start of a run's id, or `last`. Nothing is lost when a run is stopped: "
    "`quaestor resume RUN` goes on where it was."
)
RARELY = 50_000
"""New objects until the collector looks for garbage; next to nothing of what starting makes is any,
and looking was a fifth of the start."""
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


for family in (run, runs, inbox, batch, bench, forensics, maintenance, doctor, models, config):
    family.add_to(app)


def main() -> NoReturn:
    """Run the command line and exit."""
    signal.signal(signal.SIGTERM, _terminated)
    gc.set_threshold(RARELY)
    sys.exit(run_command(sys.argv[1:]))


def run_command(argv: Sequence[str]) -> int:
    """The exit code of a command line; whatever goes wrong is said on stderr."""
    streams = take_streams()
    try:
        code = _app_for(argv)(
            args=list(argv), prog_name="quaestor", standalone_mode=False, obj=streams
        )
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except SystemExit as left:
        code = left.code
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "quaestor"
        return _refused(streams, argv, error.format_message(), f"{command} --help", USAGE)
    except QuaestorError as error:
        if _is_verbose(argv):
            streams.err.line(traceback.format_exc())
        return _refused(streams, argv, error.message, error.fix, code_of_error(error))
    except Exception as error:  # noqa: BLE001 - the last stop: a bug becomes a report and a code
        return _failed(streams, argv, error)
    code = code if isinstance(code, int) else 0
    if code in (INTERRUPTED, TERMINATED):
        _end_records(streams, argv, "stopped by a signal", None, code)
    return code


def _app_for(argv: Sequence[str]) -> typer.Typer:
    """The command that a line names, by itself: Typer reads the signature of each that it is given,
    and those of all forty were a twelfth of the start. For any other line, all of them."""
    name = argv[0] if argv else ""
    only = copy.copy(app)
    only.registered_commands = [known for known in app.registered_commands if known.name == name]
    only.registered_groups = [known for known in app.registered_groups if known.name == name]
    return only if only.registered_commands or only.registered_groups else app


def _terminated(_number: int, _frame: object) -> None:
    raise SystemExit(TERMINATED)


def _refused(
    streams: Streams, argv: Sequence[str], message: str, fix: str | None, code: int
) -> int:
    streams.error(message, fix)
    _end_records(streams, argv, message, fix, code)
    return code


def _end_records(
    streams: Streams, argv: Sequence[str], message: str, fix: str | None, code: int
) -> None:
    """Whatever happened, `--json` ends with one outcome, unless stdout itself is what failed."""
    if "--json" not in argv or argv[0] not in WITH_RECORDS:
        return
    from tasks.cli.ending import refusal_record

    with suppress(QuaestorError):
        streams.records.end(refusal_record(streams.records.run, message, fix, code))


def _failed(streams: Streams, argv: Sequence[str], error: Exception) -> int:
    """A bug of ours: its traceback goes to a file, whose path is shown."""
    text = "".join(traceback.format_exception(error))
    if _is_verbose(argv):
        streams.err.line(text)
    message = f"Quaestor itself failed: {type(error).__name__}: {error}"
    return _refused(streams, argv, message, f"please report it with {_kept(text)}", FAILED)


def _kept(text: str) -> str:
    """The file that now holds a traceback."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="quaestor-bug-", suffix=".txt", delete=False, encoding="utf-8"
        ) as report:
            report.write(text)
    except OSError:
        return "what the command shows with -v"
    return report.name


def _is_verbose(argv: Sequence[str]) -> bool:
    return "-v" in argv or "--verbose" in argv
