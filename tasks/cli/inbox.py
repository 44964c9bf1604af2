"""`tell`, `inbox`, `answer`, `cancel`, `pause`: what a person says to a run from elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from tasks.cli import options as opt
from tasks.cli.command import command, streams_of
from tasks.cli.completion import complete_question
from tasks.cli.given import Show


def add_to(app: typer.Typer) -> None:
    """Add this family's commands."""
    command(app, "tell")(tell)
    command(app, "inbox")(inbox)
    command(app, "answer")(answer)
    command(app, "pause")(pause)
    command(app, "cancel")(cancel)


def tell(
    context: typer.Context,
    run: opt.Run,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What the lead should know.")],
    by: opt.By = None,
    home: opt.Home = None,
) -> int:
    """Leave a note for the lead; it is read when the next round begins."""
    from tasks.cli.messages import leave_note

    return leave_note(run, text, by, home, streams_of(context))


def inbox(context: typer.Context, json: opt.Json = False, home: opt.Home = None) -> int:
    """List the questions that wait for a person, each with the command that answers it."""
    from tasks.cli.messages import list_questions

    return list_questions(home, streams_of(context), as_json=json)


def answer(
    context: typer.Context,
    question: Annotated[
        str,
        typer.Argument(
            metavar="QUESTION",
            help="Its id, as `inbox` shows it.",
            autocompletion=complete_question,
        ),
    ],
    words: Annotated[
        list[str], typer.Argument(metavar="approve|deny [REASON]|TEXT", help="The answer.")
    ],
    by: opt.By = None,
    no_resume: Annotated[
        bool, typer.Option("--no-resume", help="Only leave the answer; do not go on.")
    ] = False,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    plain: opt.Plain = False,
    home: opt.Home = None,
    verbose: opt.Verbose = False,
) -> int:
    """Answer a question, then go on with its run if no live process does."""
    from tasks.cli.messages import Reply, answer_question

    show = Show(json, quiet, plain, verbose)
    reply = Reply(question, " ".join(words), by, goes_on=not no_resume)
    return answer_question(reply, home, streams_of(context), show)


def pause(context: typer.Context, run: opt.Run, by: opt.By = None, home: opt.Home = None) -> int:
    """Hold a live run before its next step; `quaestor resume RUN` lets it go on."""
    from tasks.cli.messages import leave_request

    return leave_request(run, "pause", by, home, streams_of(context))


def cancel(context: typer.Context, run: opt.Run, by: opt.By = None, home: opt.Home = None) -> int:
    """End a live run for good; it cannot be resumed afterwards."""
    from tasks.cli.messages import leave_request

    return leave_request(run, "cancel", by, home, streams_of(context))
