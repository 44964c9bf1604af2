"""The tests of the journal, on a real Postgres, and what only a server can do to it."""

from __future__ import annotations

import asyncio
import subprocess

import pytest
import sqlalchemy as sql
from harness import Bench
from postgres_server import Postgres
from unit.test_journal import (  # noqa: F401 - the same tests, with this suite's `bench`
    filled,
    note,
    test_a_changed_prompt_is_the_first_divergence_of_a_replay,
    test_a_fenced_run_fails_alone_in_a_group_commit,
    test_a_key_is_written_once,
    test_a_newer_schema_is_refused_with_what_to_do,
    test_a_purged_run_still_verifies_and_holds_no_content,
    test_a_run_that_is_being_written_verifies_at_every_moment,
    test_an_altered_torn_or_shortened_journal_is_named,
    test_an_event_that_is_there_already_fails_alone_in_a_group_commit,
    test_records_come_back_in_commit_order_with_a_chain_that_verifies,
    test_several_processes_write_one_database,
    test_the_older_owner_stops_at_its_next_write,
)

from orchestrator.errors import JournalUnavailable
from orchestrator.journal import Journal
from orchestrator.journal_writer import Draft

AWKWARD = "nul \x00, quote ', back\\slash, \u2028, \U0001f980"


async def test_text_that_a_server_does_not_take_comes_back_as_it_was(bench: Bench) -> None:
    run = bench.journal.create()
    epoch = bench.journal.claim(run, "a:1")
    await bench.journal.append(run, epoch, Draft("k", "Recorded", 1, {"text": AWKWARD}))
    assert bench.journal.verify(run)[0].body == {"text": AWKWARD}


async def test_connections_that_were_cut_are_made_again_and_nothing_is_lost(
    bench: Bench, url: str, postgres: Postgres
) -> None:
    run = await filled(bench.journal)
    epoch = bench.journal.claim(run, "a:1")
    cut = sql.create_engine(postgres.url("postgres"))
    with cut.begin() as connection:
        name = url.rpartition("/")[2]
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        connection.execute(sql.text(kill), {"name": name})
    cut.dispose()
    for number in range(10, 13):
        await bench.journal.append(run, epoch, note(number))
    assert len(bench.journal.verify(run)) == 8


async def test_two_owners_on_two_connections_never_both_write(bench: Bench, url: str) -> None:
    other = Journal.open(bench.home, url=url)
    run = bench.journal.create()
    old = bench.journal.claim(run, "a:1")

    async def write(journal: Journal, epoch: int, first: int) -> int:
        done = 0
        for number in range(first, first + 50):
            try:
                await journal.append(run, epoch, note(number))
            except Exception:  # noqa: BLE001 - fenced, which is the point
                return done
            done += 1
        return done

    older = asyncio.ensure_future(write(bench.journal, old, 0))
    await asyncio.sleep(0.05)
    new = other.claim(run, "b:2")
    written = await write(other, new, 100)
    kept = await older
    records = other.verify(run)
    other.close()
    assert written == 50
    assert len(records) == kept + 50
    epochs = [record.epoch for record in records]
    assert epochs == sorted(epochs)


def test_a_server_that_is_not_there_is_a_clear_error(bench: Bench) -> None:
    nobody = "postgresql+psycopg://nobody@127.0.0.1:9/none"
    with pytest.raises(JournalUnavailable, match="refused") as caught:
        Journal.open(bench.home, url=nobody)
    assert "database server answers" in str(caught.value.fix)


def test_a_password_in_the_url_is_never_shown(bench: Bench) -> None:
    secret = "postgresql+psycopg://nobody:hunter2@127.0.0.1:9/none"
    with pytest.raises(JournalUnavailable) as caught:
        Journal.open(bench.home, url=secret)
    assert "hunter2" not in f"{caught.value.message} {caught.value.fix}"


def test_the_server_belongs_to_an_ordinary_user(postgres: Postgres) -> None:
    listed = subprocess.run(
        ["ps", "-o", "user=", "-C", "postgres"], capture_output=True, text=True, check=True
    )
    assert "root" not in listed.stdout.split()
