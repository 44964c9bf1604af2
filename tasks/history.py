"""Reads past runs for people: the state of a run and the listing of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator import events as ev
from orchestrator.attempt import is_over
from orchestrator.journal import Journal, Record
from orchestrator.state import State, fold
from tasks.liveness import is_alive


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of `quaestor runs`. `status` is an outcome, `running` or `interrupted`."""

    run: str
    created: str
    status: str
    task: str
    resumable: bool
    ended: ev.RunEnded | None


def state_of(records: Sequence[Record]) -> State:
    """The fold over what is stored, in commit order. Purged records are left out."""
    state = State()
    for record in records:
        if record.body is not None:
            state = fold(state, ev.read_event(record.kind, record.body), record.key)
    return state


def summaries(journal: Journal, limit: int = 50) -> list[Summary]:
    """The newest runs, each with how it stands."""
    newest = journal.newest(limit)
    kinds = ("TaskReceived", "RunStarted", "RunEnded")
    by_run: dict[str, list[Record]] = {}
    for record in journal.read_kinds(kinds, [run for run, _, _ in newest]):
        by_run.setdefault(record.run, []).append(record)
    return [
        _summary(run, created, owner, by_run[run])
        for run, created, owner in newest
        if run in by_run  # a stream without events is a run that was refused before it began
    ]


def _summary(run: str, created: str, owner: str, records: list[Record]) -> Summary:
    purged = bool(records) and records[0].body is None
    ended = None if purged else is_over(records)
    received = next((r.body for r in records if r.kind == "TaskReceived"), None)
    if purged:
        status = "purged"
    elif ended is not None:
        status = ended.outcome.outcome
    else:
        status = "running" if is_alive(owner) else "interrupted"
    task = received["task"] if received else ""
    resumable = not purged and status != "running" and (ended is None or ended.resumable)
    return Summary(run, created, status, task, resumable, ended)
