"""What `quaestor forensics hold`, `release` and `purge` do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from orchestrator.errors import UsageError
from orchestrator.journal import Journal
from tasks.batch.store import Store
from tasks.cli.exits import ANSWERED
from tasks.cli.forensics_reviewing import Place
from tasks.cli.given import Where
from tasks.cli.opening import load_settings, user_name
from tasks.cli.streams import Streams, clean
from tasks.forensics.carrying import alone
from tasks.forensics.erasing import hold, purge, release
from tasks.forensics.folder import Folder
from tasks.forensics.manifest import DEVICES

OUTSIDE = (
    "note: bundles and shared copies that were handed out, backups, the manifest, and the files "
    "that the evidence was copied from are not erased"
)


@dataclass(frozen=True, slots=True)
class OneCase:
    """A case of a batch, and the journal that it was worked on with."""

    place: Place
    case_id: str
    where: Where

    def folder(self) -> Folder:
        """Its folder; the case need not be in the manifest any more. Raises UsageError."""
        if "/" in self.case_id or self.case_id.startswith(".") or DEVICES.fullmatch(self.case_id):
            raise UsageError(f"{self.case_id!r} is no case's id")
        return Folder(self.place.results() / "cases" / self.case_id)

    @contextmanager
    def journal(self) -> Iterator[tuple[Journal, Store]]:
        """The journal of the settings in force, and the rows of batches beside it."""
        settings = load_settings([], self.where).settings
        journal = Journal.open(settings.home, url=settings.journal_url)
        store = Store.open(settings.home, settings.journal_url)
        try:
            yield journal, store
        finally:
            store.close()
            journal.close()


def hold_case(one: OneCase, why: str, by: str | None, streams: Streams) -> int:
    """Keep a case from being erased. Raises UsageError."""
    if not why.strip():
        raise UsageError("a hold needs a reason", fix='--why "..."')
    with one.journal() as (journal, _):
        made = hold(one.folder(), journal, why=why.strip(), by=by or user_name())
    one.place.write_page()
    streams.out.line(clean(f"{one.case_id}: held by {made.by}: {made.why}"))
    return ANSWERED


def release_case(one: OneCase, by: str | None, streams: Streams) -> int:
    """Let go of a case. Raises UsageError."""
    with one.journal() as (journal, _):
        release(one.folder(), journal, by=by or user_name())
    one.place.write_page()
    streams.out.line(f"{one.case_id}: released")
    return ANSWERED


def purge_case(one: OneCase, by: str | None, streams: Streams) -> int:
    """Erase a case. Raises UsageError."""
    folder = one.folder()
    with alone(one.place.results()), one.journal() as (journal, store):
        done = purge(folder, journal, store, by=by or user_name())
        one.place.write_page()
    stone = done.tombstone
    streams.out.line(
        f"{one.case_id}: erased; the hashes of {len(stone.exhibits)} exhibits and "
        f"{len(stone.files)} files are in {folder.path / 'tombstone.json'}"
    )
    if done.later:
        streams.err.line("the stored bytes follow once no run is being worked on: quaestor gc")
    streams.err.line(OUTSIDE)
    return ANSWERED
