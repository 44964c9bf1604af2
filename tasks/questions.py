"""The questions that wait for a person, over all runs. Reads the journal only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator import events as ev
from orchestrator.agent import Question
from orchestrator.attempt import is_over
from orchestrator.errors import UsageError
from orchestrator.journal import InboxRow, Journal, Record
from tasks.liveness import is_alive

NEWEST_RUNS = 500


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A question that was asked and not answered within its run. `posted` is an answer that
    the run has not read yet."""

    id: str
    run: str
    task: str
    asked: str
    asked_by: str
    question: Question
    posted: InboxRow | None
    is_live: bool


def open_questions(journal: Journal) -> list[OpenQuestion]:
    """The open questions of runs that can still use an answer, the oldest first."""
    newest = journal.newest(NEWEST_RUNS)
    kinds = ("TaskReceived", "RunStarted", "RunEnded", "QuestionAsked", "QuestionAnswered")
    by_run: dict[str, list[Record]] = {}
    for record in journal.read_kinds(kinds, [run for run, _, _ in newest]):
        by_run.setdefault(record.run, []).append(record)
    found: list[OpenQuestion] = []
    for run, _, owner in newest:
        found += _of_run(journal, run, owner, by_run.get(run, []))
    return sorted(found, key=lambda item: item.asked)


def find_question(journal: Journal, question_id: str) -> OpenQuestion:
    """The question with this id. Raises UsageError when nobody asked it, or it is settled."""
    for item in open_questions(journal):
        if item.id == question_id:
            if item.posted is not None:
                raise already(question_id, item.posted)
            return item
    settled = _settled(journal, question_id)
    if settled is not None:
        raise UsageError(
            f"{question_id} was answered already: {settled.answer.status} by "
            f"{settled.answer.by or 'nobody'}"
        )
    raise UsageError(f"there is no open question {question_id}", fix="quaestor inbox")


def posted_answer(rows: Iterable[InboxRow], question_id: str) -> InboxRow | None:
    """The first answer that was left for a question; later ones do not count."""
    for row in rows:
        if row.kind == "answer" and row.body["question"] == question_id:
            return row
    return None


def already(question_id: str, row: InboxRow) -> UsageError:
    """The refusal of a second answer."""
    status = row.body["answer"]["status"]
    return UsageError(f"{question_id} was answered already: {status} by {row.by} at {row.time}")


def _of_run(
    journal: Journal, run: str, owner: str, records: Sequence[Record]
) -> list[OpenQuestion]:
    bodies = [(record.kind, record.body, record.time) for record in records if record.body]
    answered = {body["id"] for kind, body, _ in bodies if kind == "QuestionAnswered"}
    asked = [
        item for item in bodies if item[0] == "QuestionAsked" and item[1]["id"] not in answered
    ]
    ended = is_over(list(records)) if asked else None
    if not asked or (ended is not None and not ended.resumable):
        return []
    task = next((body["task"] for kind, body, _ in bodies if kind == "TaskReceived"), "")
    rows = journal.messages(run)
    return [
        OpenQuestion(
            id=body["id"],
            run=run,
            task=task,
            asked=time,
            asked_by=body["asked_by"],
            question=Question.model_validate(body["question"]),
            posted=posted_answer(rows, body["id"]),
            is_live=ended is None and is_alive(owner),
        )
        for _, body, time in asked
    ]


def _settled(journal: Journal, question_id: str) -> ev.QuestionAnswered | None:
    runs = [run for run, _, _ in journal.newest(NEWEST_RUNS)]
    for record in journal.read_kinds(("QuestionAnswered",), runs):
        if record.body and record.body["id"] == question_id:
            return ev.QuestionAnswered.model_validate(record.body)
    return None
