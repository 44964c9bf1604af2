"""Holds cases, and erases them: what is left is a tombstone with hashes.

Erasing has an order in which every step may be the last one before a crash: the case is first
marked, then its tombstone is written while its hashes can still be made, then content goes.
Repeating it goes on where it ended. What was handed out (bundles, shared copies) is out of reach.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from orchestrator.errors import UsageError
from orchestrator.journal import Journal
from orchestrator.models.llm import Frozen
from tasks.batch.store import Store
from tasks.forensics.folder import Folder, State
from tasks.storage import collect, live_runs

TOMBSTONE, HELD = "tombstone.json", "hold.json"
KEPT = frozenset({TOMBSTONE, "state.json"})
UNDER_WAY = "its content is being erased; purge it again if that was broken off"


class Erased(Frozen):
    """An exhibit that was in custody. Its name is content, and is not kept."""

    id: str
    sha256: str
    size: int


class Tombstone(Frozen):
    """What is left of a case: who erased it and when, its runs, the newest with the head of its
    chain, and what every file hashed to. Content is none of it."""

    schema_name: str = "quaestor.forensics.tombstone/1"
    case_id: str
    by: str
    at: str
    runs: tuple[str, ...]
    head: str
    exhibits: tuple[Erased, ...] = ()
    files: dict[str, str]
    blobs: int = 0
    is_finished: bool = False


class CaseHold(Frozen):
    """Why a case is kept; what the database knows, where people look."""

    why: str
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Purged:
    """What was erased. `later` is whether stored bytes could not be removed yet, as a run is being
    worked on; nothing names them any more."""

    tombstone: Tombstone
    later: bool


def hold(folder: Folder, journal: Journal, *, why: str, by: str) -> CaseHold:
    """Keep a case from being erased, by whatever command. Raises UsageError."""
    state = _state(folder)
    refuse_erased(folder)
    runs = _runs_of(folder, state, journal)
    if not runs:
        raise UsageError(
            f"case {state.case_id} has no run yet, and only copies of its evidence are there",
            fix="hold it once it was worked on; keep the evidence itself where it came from",
        )
    made = CaseHold(why=why, by=by, at=_now())
    for run in runs:
        journal.hold(run, why, by)
    folder.write(HELD, made)
    return made


def hold_also(folder: Folder, journal: Journal, run: str) -> None:
    """A new run of a case that is held is held as well."""
    held = hold_of(folder)
    if held is not None and run not in journal.held():
        journal.hold(run, held.why, held.by)


def release(folder: Folder, journal: Journal, *, by: str) -> None:
    """Let go of a case. Raises UsageError when nobody holds it."""
    runs = _runs_of(folder, _state(folder), journal)
    count = sum(journal.release(run, by) for run in runs)
    place = folder.path / HELD
    if not count and not place.exists():
        raise UsageError(f"nobody holds case {folder.path.name}")
    place.unlink(missing_ok=True)


def hold_of(folder: Folder) -> CaseHold | None:
    """Who holds a case, as its folder says."""
    try:
        return CaseHold.model_validate_json((folder.path / HELD).read_bytes())
    except (OSError, ValidationError):
        return None


def purge(folder: Folder, journal: Journal, store: Store, *, by: str) -> Purged:
    """Erase the content of a case for good, also one whose erasure was broken off. Nobody may work
    in its results folder meanwhile. Raises UsageError when somebody holds it or works on it."""
    state = _state(folder)
    stone = tombstone_of(folder)
    runs = stone.runs if stone is not None else _runs_of(folder, state, journal)
    _refuse_held(folder, journal, runs)
    live = set(runs) & set(live_runs(journal))
    if live:
        raise UsageError(f"case {state.case_id} is being worked on", fix="wait until it ended")
    if stone is None:
        newest = runs[-1] if runs else ""
        marked = State(
            case_id=state.case_id, state="purged", run=newest, head=state.head, reason=UNDER_WAY
        )
        folder.write("state.json", marked)
        stone = _tombstone(folder, marked, runs, by)
        folder.write(TOMBSTONE, stone)
    store.forget(runs)
    for run in runs:
        journal.erase(run)
    _remove_content(folder)
    later = not _collected(journal)
    done = stone.model_copy(update={"is_finished": True})
    folder.write(TOMBSTONE, done)
    reason = f"its content was erased on {stone.at} by {stone.by}; hashes are kept"
    folder.write("state.json", _state(folder).model_copy(update={"reason": reason}))
    return Purged(done, later)


def tombstone_of(folder: Folder) -> Tombstone | None:
    """The tombstone of a case, if it has one. Raises UsageError when it cannot be read."""
    place = folder.path / TOMBSTONE
    if not place.exists():
        return None
    try:
        return Tombstone.model_validate_json(place.read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(f"{place} cannot be read: {str(error).splitlines()[0]}") from error


def refuse_erased(folder: Folder) -> None:
    """Raises UsageError that says so when a case's content was erased."""
    stone = tombstone_of(folder)
    if stone is not None:
        raise UsageError(
            f"the content of case {stone.case_id} was erased on {stone.at} by {stone.by}; "
            f"{TOMBSTONE} keeps hashes only",
            fix=f"to examine the evidence anew, remove {folder.path} and run the batch",
        )


def left_behind(folder: Folder) -> tuple[str, ...]:
    """Content that is there although the case has a tombstone."""
    return tuple(sorted(path.name for path in folder.path.iterdir() if path.name not in KEPT))


def _state(folder: Folder) -> State:
    state = folder.state() if folder.path.is_dir() else None
    if state is None:
        raise UsageError(f"case {folder.path.name} was not begun: {folder.path} holds no state")
    return state


def _runs_of(folder: Folder, state: State, journal: Journal) -> tuple[str, ...]:
    """The runs of a case, of earlier versions first. Raises UsageError when the newest is not in
    this journal."""
    earlier = [_run_in(place) for place in sorted(folder.path.glob("versions/*/journal.jsonl"))]
    known = [run for run in dict.fromkeys(earlier) if run and _is_in(journal, run)]
    if state.run and not _is_in(journal, state.run):
        raise UsageError(
            f"the run {state.run} of case {state.case_id} is in another journal",
            fix="name the home folder that it was worked on with: --home DIR",
        )
    return tuple(dict.fromkeys([*known, *filter(None, [state.run])]))


def _run_in(exported: Path) -> str:
    """The run that a file of events is of, or "" when that cannot be read."""
    with suppress(OSError, ValueError, KeyError, TypeError), exported.open("rb") as file:
        return str(json.loads(file.readline())["run"])
    return ""


def _is_in(journal: Journal, run: str) -> bool:
    try:
        return journal.find(run) == run
    except UsageError:
        return False


def _refuse_held(folder: Folder, journal: Journal, runs: Sequence[str]) -> None:
    known = journal.held()
    named = [(known[run].by, known[run].why) for run in runs if run in known]
    held = hold_of(folder)
    named += [(held.by, held.why)] if held is not None else []
    if named or (folder.path / HELD).exists():
        who = f" by {named[0][0]}: {named[0][1]}" if named else ""
        raise UsageError(
            f"case {folder.path.name} is held{who}",
            fix="quaestor forensics release BATCH CASE --by NAME",
        )


def _tombstone(folder: Folder, state: State, runs: tuple[str, ...], by: str) -> Tombstone:
    exhibits: tuple[Erased, ...] = ()
    with suppress(UsageError):  # a case that failed early has none
        exhibits = tuple(
            Erased(id=item.id, sha256=item.sha256, size=item.size)
            for item in folder.custody().exhibits
        )
    inner = [path for path in folder.path.rglob("*") if path.is_file() and not path.is_symlink()]
    names = {path.relative_to(folder.path).as_posix(): path for path in inner}
    return Tombstone(
        case_id=state.case_id,
        by=by,
        at=_now(),
        runs=runs,
        head=state.head,
        exhibits=exhibits,
        files={
            name: _hash(path)
            for name, path in sorted(names.items())
            if name not in KEPT and not name.startswith(("blobs/", "evidence/"))
        },
        blobs=sum(name.startswith("blobs/") for name in names),
    )


def _remove_content(folder: Folder) -> None:
    for path in sorted(folder.path.iterdir()):
        if path.name in KEPT:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _collected(journal: Journal) -> bool:
    """Remove stored bytes that nothing names any more; not while any run is being worked on."""
    try:
        collect(journal)
    except UsageError:
        return False
    return True


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
