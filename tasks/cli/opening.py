"""Opens what a command needs: the settings, or the journal alone."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.journal import Journal
from tasks.cli.given import Where
from tasks.config_file import Given
from tasks.configuration import Place, Resolved, journal_url, resolve


def home_of(home: Path | None, environ: Mapping[str, str]) -> Path:
    """--home, else QUAESTOR_HOME, else the user's data folder."""
    if home is not None:
        return home.expanduser().absolute()
    from tasks.team import default_home

    return default_home(environ)


def load_settings(flags: Sequence[Given], where: Where) -> Resolved:
    """The settings in force here."""
    try:
        folder = Path.cwd()
    except FileNotFoundError as error:
        raise UsageError("the current folder does not exist any more", fix="cd") from error
    place = Place(
        environ=os.environ,
        folder=folder,
        home=home_of(where.home, os.environ),
        home_origin=_home_origin(where.home, os.environ),
        config=where.config,
        trust_project=where.trust_project,
    )
    return resolve(flags, place)


def _home_origin(home: Path | None, environ: Mapping[str, str]) -> str:
    if home is not None:
        return "--home"
    return "env QUAESTOR_HOME" if environ.get("QUAESTOR_HOME") else "default"


@contextmanager
def open_journal(home: Path | None, environ: Mapping[str, str]) -> Iterator[Journal]:
    """The journal, for commands that only read it or leave messages."""
    journal = Journal.open(home_of(home, environ), url=journal_url(environ))
    try:
        yield journal
    finally:
        journal.close()


def short_id(journal: Journal, run: str) -> str:
    """The shortest start of an id that fits this run alone, of at least four characters."""
    for length in range(4, len(run)):
        try:
            if journal.find(run[:length]) == run:
                return run[:length]
        except UsageError:
            continue
    return run


def user_name() -> str:
    """Who is typing."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "person"
