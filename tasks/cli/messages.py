"""What the inbox commands do: rows that the owner of a run turns into events."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator.agent import Question
from orchestrator.attempt import is_over
from orchestrator.errors import UsageError
from orchestrator.journal import Journal
from tasks.cli.again import Again, go_on
from tasks.cli.desk import NO, YES
from tasks.cli.ending import answer_command
from tasks.cli.exits import ANSWERED
from tasks.cli.given import Show
from tasks.cli.opening import open_journal, short_id, user_name
from tasks.cli.progress import place
from tasks.cli.streams import Streams, clean, one_line
from tasks.liveness import is_alive
from tasks.questions import OpenQuestion, already, find_question, open_questions, posted_answer


@dataclass(frozen=True, slots=True)
class Reply:
    """What `quaestor answer` was given."""

    question: str
    text: str
    by: str | None
    goes_on: bool


def leave_note(prefix: str, text: str, by: str | None, home: Path | None, streams: Streams) -> int:
    """Post a note; says when it will be read."""
    if not text.strip():
        raise UsageError("the note is empty", fix='quaestor tell RUN "..."')
    with open_journal(home, os.environ) as journal:
        run = journal.find(prefix)
        name = short_id(journal, run)
        ended = is_over(journal.read_kinds(("RunStarted", "RunEnded"), [run]))
        if ended is not None and not ended.resumable:
            raise UsageError(
                f"run {name} is over ({ended.outcome.outcome}), so nobody would read the note",
                fix=f'quaestor run --after {name} "{one_line(text, 60)}"',
            )
        journal.post(run, "note", {"text": text}, by or user_name())
        live = ended is None and is_alive(journal.owner(run))
    when = "when its next round begins" if live else f"after: quaestor resume {name}"
    streams.out.line(f"noted for run {name}; not yet read: the lead reads it {when}")
    return ANSWERED


def leave_request(
    prefix: str,
    request: Literal["pause", "cancel"],
    by: str | None,
    home: Path | None,
    streams: Streams,
) -> int:
    """Post a pause or a cancel to a live run. Raises UsageError when it is not running."""
    with open_journal(home, os.environ) as journal:
        run = journal.find(prefix)
        name = short_id(journal, run)
        ended = is_over(journal.read_kinds(("RunStarted", "RunEnded"), [run]))
        if ended is not None or not is_alive(journal.owner(run)):
            how = ended.outcome.outcome if ended else "interrupted"
            raise UsageError(f"run {name} is not running ({how})", fix=f"quaestor show {name}")
        journal.post(run, request, {}, by or user_name())
    if request == "pause":
        streams.out.line(f"run {name} pauses before its next step; quaestor resume {name} goes on")
    else:
        streams.out.line(f"run {name} is being cancelled")
    return ANSWERED


def list_questions(home: Path | None, streams: Streams, *, as_json: bool) -> int:
    """Write every open question with the command that answers it."""
    with open_journal(home, os.environ) as journal:
        found = open_questions(journal)
        names = {item.run: short_id(journal, item.run) for item in found}
    for item in found:
        if as_json:
            streams.records.write(_record(item))
            continue
        for line in _lines(item, names[item.run]):
            streams.out.line(line)
    if not found and not as_json:
        streams.err.line("no question is open")
    return ANSWERED


def answer_question(reply: Reply, home: Path | None, streams: Streams, show: Show) -> int:
    """Post an answer and, if nobody is at work on the run, go on with it right here."""
    with open_journal(home, os.environ) as journal:
        item = find_question(journal, reply.question)
        name = short_id(journal, item.run)
        _post(journal, item, reply)
    streams.err.line(f"{item.id} is answered")
    if item.is_live:
        streams.err.line(f"run {name} goes on by itself: quaestor watch {name}")
        return ANSWERED
    if not reply.goes_on:
        streams.err.line(f"  go on: quaestor resume {name}")
        return ANSWERED
    return go_on(Again(item.run), home, streams, show)


def _post(journal: Journal, item: OpenQuestion, reply: Reply) -> None:
    """The first answer in the journal counts; whoever comes second is told so."""
    body = {"question": item.id, "answer": answer_body(item.question, reply.text)}
    mine = journal.post(item.run, "answer", body, reply.by or user_name())
    first = posted_answer(journal.messages(item.run), item.id)
    if first is not None and first.id != mine:
        raise already(item.id, first)


def answer_body(question: Question, text: str) -> dict[str, str]:
    """What the words mean. Raises UsageError for an approval that is neither yes nor no."""
    typed = text.strip()
    if question.kind == "approve":
        word, _, reason = typed.partition(" ")
        if word.lower() in YES and not reason:
            return {"status": "approved", "text": ""}
        if word.lower() in NO:
            return {"status": "denied", "text": reason.strip()}
        raise UsageError(
            f"{one_line(typed, 60)!r} neither approves nor denies",
            fix="answer with approve, or deny and a reason if you like",
        )
    if not typed:
        raise UsageError("the answer is empty")
    if typed.isdigit() and 1 <= int(typed) <= len(question.options):
        typed = question.options[int(typed) - 1]
    return {"status": "answered", "text": typed}


def _lines(item: OpenQuestion, name: str) -> Iterator[str]:
    yield f"{item.id}  run {name}, {place(item.asked_by)}, asked {item.asked}"
    yield f"  task: {one_line(item.task)}"
    yield f"  {one_line(item.question.text, 1000)}"
    for key, value in item.question.details.items():
        yield f"    {key}: {one_line(str(value), 1000)}"
    for number, option in enumerate(item.question.options, start=1):
        yield f"    {number}. {clean(option)}"
    if item.posted is not None:
        yield f"  answered by {item.posted.by}; go on: quaestor resume {name}"
    else:
        yield f"  answer: {answer_command(item.id, item.question)}"


def _record(item: OpenQuestion) -> dict[str, object]:
    return {
        "question": item.id,
        "run": item.run,
        "asked": item.asked,
        "asked_by": item.asked_by,
        "answered": item.posted is not None,
        "answer_with": answer_command(item.id, item.question),
        **item.question.model_dump(mode="json"),
    }
