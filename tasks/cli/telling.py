"""Tells an outcome: the answer on stdout or the last record, the closing lines, the folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator import events as ev
from orchestrator.agent import Question
from orchestrator.errors import JournalUnavailable
from orchestrator.limits import Limits
from orchestrator.settings import Settings
from orchestrator.state import State
from tasks.cli.ending import closing_lines, code_of, outcome_record
from tasks.cli.exits import ANSWERED, NOT_READY
from tasks.cli.streams import Streams, clean, one_line
from tasks.configuration import shown_limits
from tasks.endpoints import shown_chain
from tasks.output import write_output
from tasks.transcript import ledger_text

if TYPE_CHECKING:
    from tasks.cli.live import Live


def tell(live: Live, outcome: ev.Outcome, name: str, bugs: Path) -> int:
    """Tell an outcome everywhere; the exit code."""
    streams, show = live.streams, live.show
    state = live.orchestrator.state if live.orchestrator else None
    question = state.questions.get(outcome.question) if state and outcome.question else None
    code = code_of(outcome, live.interrupts.code)
    if live.attempt.only_plan and state is not None and outcome.outcome == "cancelled":
        return _tell_plan(streams, state, name, live.interrupts.code)
    unwritten = _write_folder(live, outcome, state, question, code)
    if unwritten is not None and code == ANSWERED:
        code = NOT_READY
    if show.json:
        if streams.records.run is None and outcome.run:
            streams.records.start(outcome.run)
        streams.records.end(outcome_record(outcome, code, question))
    elif outcome.answer:
        _write_answer(streams, outcome.answer, plain=show.plain)
    if not show.quiet or code != ANSWERED:
        for line in closing_lines(outcome, state, name, question):
            streams.err.line(line)
    if outcome.outcome == "failed" and bugs.exists():
        streams.err.line(f"  fix: please report it with {bugs}; then quaestor resume {name}")
    if unwritten is not None:
        streams.error(unwritten.message, unwritten.fix)
    return code


def _tell_plan(streams: Streams, state: State, name: str, stopped_by: int | None) -> int:
    """The first ledger and what would be done first; nothing was done yet."""
    if stopped_by is not None:
        streams.err.line(f"Stopped. Nothing is lost: quaestor resume {name}")
        return stopped_by
    streams.out.line(clean(ledger_text(state)))
    reply = state.turn.reply if state.turn else None
    for work in reply.assignments if reply else ():
        streams.out.line(f"first: {work.agent}: {one_line(work.instruction, 400)}")
    streams.err.line(f"Nothing was done yet. Act on it: quaestor resume {name}")
    return ANSWERED


def first_line(name: str, settings: Settings, limits: Limits) -> str:
    """What the run is, and what binds it."""
    shown = shown_limits(limits.model_dump(mode="json")).items()
    bounds = ", ".join(f"{key}={value}" for key, value in shown if value is not None)
    web = "" if settings.web.enabled else "; web off"
    return clean(
        f"run {name}: {_model(settings)}; sandbox {settings.sandbox.launcher}{web}; limits {bounds}"
    )


def _model(settings: Settings) -> str:
    if settings.demo:
        return "scripted model (no language model)"
    models = settings.models
    shown = f"model {shown_chain(settings, models.name or '', os.environ)}"
    if models.lead and models.lead != models.name:
        shown += f"; lead {shown_chain(settings, models.lead, os.environ)}"
    if models.audio:
        shown += f"; recordings go to {shown_chain(settings, models.audio, os.environ)}"
    return shown


def _write_answer(streams: Streams, answer: str, *, plain: bool) -> None:
    """Markdown as it is; rendered where a person looks at it."""
    if plain or not streams.out.is_terminal:
        streams.out.line(clean(answer))
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(file=streams.out.file)
    console.print(Markdown(clean(answer), hyperlinks=False))


def _write_folder(
    live: Live, outcome: ev.Outcome, state: State | None, question: Question | None, code: int
) -> JournalUnavailable | None:
    """Write the output folder, if one is wanted; what went wrong comes back."""
    folder = live.attempt.settings.out
    if folder is None or live.orchestrator is None:
        return None
    record = outcome_record(outcome, code, question)
    try:
        lost = write_output(folder, outcome, record, state, live.orchestrator.recorder.blobs)
    except JournalUnavailable as error:
        return error
    for line in lost:
        live.streams.err.line(f"warning: not written: {clean(line)}")
    return None
