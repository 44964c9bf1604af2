"""How a command is made: what it prints by accident goes to stderr, what it returns is the code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand

from tasks.cli.streams import Streams

F = TypeVar("F", bound=Callable[..., int])


class Command(TyperCommand):
    """A command whose stray prints never reach the answer's stream."""

    def invoke(self, ctx: Any) -> Any:
        with redirect_stdout(sys.stderr):
            return super().invoke(ctx)


def command(app: typer.Typer, name: str) -> Callable[[F], F]:
    """Add a function as a command; what it returns is the exit code."""
    return app.command(name, cls=Command)


def group(app: typer.Typer, name: str, about: str, *functions: Callable[..., int]) -> None:
    """Add functions as the commands of a group, each under its own name."""
    family = typer.Typer(help=about, rich_markup_mode=None)
    for function in functions:
        command(family, function.__name__)(function)
    app.add_typer(family, name=name)


def streams_of(context: typer.Context) -> Streams:
    """The streams that `main` has opened."""
    streams = context.obj
    if not isinstance(streams, Streams):
        raise TypeError("the command line was not started by main")
    return streams
