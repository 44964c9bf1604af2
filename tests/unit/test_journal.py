"""The journal: what is acknowledged stays, what was altered is named, one owner at a time."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sql
from harness import Bench, assign, finish, last_user

from orchestrator.errors import (
    Divergence,
    Fenced,
    JournalDamaged,
    JournalUnavailable,
    UsageError,
)
from orchestrator.journal import Journal, run_digest
from orchestrator.journal_schema import connect
from orchestrator.journal_writer import Draft
from orchestrator.models.llm import Request


def note(number: int, text: str = "x") -> Draft:
    return Draft(f"key/{number}", "Recorded", 1, {"schema_name": "t", "body": text})


async def filled(journal: Journal, count: int = 5) -> str:
    run = journal.create()
    epoch = journal.claim(run, "a:1")
    for number in range(count):
        await journal.append(run, epoch, note(number))
    return run


def tampered(bench: Bench, statement: str) -> None:
    engine = connect(bench.home, bench.url)
    with engine.begin() as database:
        database.execute(sql.text(statement))
    engine.dispose()


async def test_records_come_back_in_commit_order_with_a_chain_that_verifies(bench: Bench) -> None:
    run = await filled(bench.journal)
    records = bench.journal.verify(run)
    assert [record.seq for record in records] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE events SET body = replace(body, 'x', 'y') WHERE seq = 3", "record 3 .* altered"),
        ("UPDATE events SET time = '2020' WHERE seq = 2", "record 2 .* altered"),
        ("UPDATE events SET key = 'key/9' WHERE seq = 4", "record 4 .* altered"),
        ("DELETE FROM events WHERE seq = 2", "record 2 .* missing"),
        ("DELETE FROM events WHERE seq = 5", "shortened: 4 records are there, 5"),
        ("UPDATE events SET body = substr(body, 1, 8) WHERE seq = 3", "record 3 .* torn"),
    ],
)
async def test_an_altered_torn_or_shortened_journal_is_named(
    bench: Bench, statement: str, said: str
) -> None:
    run = await filled(bench.journal)
    tampered(bench, statement)
    with pytest.raises(JournalDamaged, match=said):
        bench.journal.verify(run)


async def test_a_run_that_is_being_written_verifies_at_every_moment(bench: Bench) -> None:
    run = await filled(bench.journal)
    reader = Journal.open(bench.home, url=bench.url)
    epoch = bench.journal.claim(run, "a:2")

    async def write() -> None:
        for number in range(5, 200):
            await bench.journal.append(run, epoch, note(number))

    writing = asyncio.create_task(write())
    seen = [len(reader.verify(run))]
    while not writing.done():
        seen.append(len(await asyncio.to_thread(reader.verify, run)))
    await writing
    seen.append(len(reader.verify(run)))
    reader.close()
    assert (seen[0], seen[-1]) == (5, 200)
    assert seen == sorted(seen)


async def test_a_torn_database_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "journal.db").write_bytes(b"this is no database" * 300)
    with pytest.raises(JournalDamaged, match="torn"):
        Journal.open(tmp_path / "home")


async def test_a_newer_schema_is_refused_with_what_to_do(bench: Bench) -> None:
    tampered(bench, "UPDATE schema_version SET version = 99")
    with pytest.raises(JournalUnavailable, match="newer Quaestor") as caught:
        Journal.open(bench.home, url=bench.url)
    assert "upgrade" in str(caught.value.fix)


async def test_the_older_owner_stops_at_its_next_write(bench: Bench) -> None:
    journal = bench.journal
    run = journal.create()
    old, new = journal.claim(run, "a:1"), journal.claim(run, "b:2")
    await journal.append(run, new, note(1))
    with pytest.raises(Fenced, match="taken over"):
        await journal.append(run, old, note(2))
    assert len(journal.verify(run)) == 1


async def test_a_fenced_run_fails_alone_in_a_group_commit(bench: Bench) -> None:
    journal = bench.journal
    fenced, healthy = journal.create(), journal.create()
    old = journal.claim(fenced, "a:1")
    journal.claim(fenced, "b:2")
    epoch = journal.claim(healthy, "a:1")
    results = await asyncio.gather(
        *(journal.append(healthy, epoch, note(n)) for n in range(20)),
        journal.append(fenced, old, note(1)),
        *(journal.append(healthy, epoch, note(n)) for n in range(20, 40)),
        return_exceptions=True,
    )
    assert [type(r).__name__ for r in results].count("Fenced") == 1
    assert len(journal.verify(healthy)) == 40


async def test_a_key_is_written_once(bench: Bench) -> None:
    run = bench.journal.create()
    epoch = bench.journal.claim(run, "a:1")
    await bench.journal.append(run, epoch, note(1))
    with pytest.raises(Divergence, match="recorded already"):
        await bench.journal.append(run, epoch, note(1, "other"))
    assert len(bench.journal.verify(run)) == 1


async def test_an_event_that_is_there_already_fails_alone_in_a_group_commit(bench: Bench) -> None:
    run, other = bench.journal.create(), bench.journal.create()
    epoch, its_epoch = bench.journal.claim(run, "a:1"), bench.journal.claim(other, "a:1")
    await bench.journal.append(run, epoch, note(2))
    drafts = [(run, epoch, n) for n in range(4)] + [(other, its_epoch, n) for n in range(4)]
    writes = [bench.journal.append(who, number, note(n)) for who, number, n in drafts]
    ended = await asyncio.gather(*writes, return_exceptions=True)
    failed = [drafts[n] for n, end in enumerate(ended) if isinstance(end, Divergence)]
    assert failed == [(run, epoch, 2)]
    assert [r.key for r in bench.journal.verify(run)] == ["key/2", "key/0", "key/1", "key/3"]
    assert len(bench.journal.verify(other)) == 4


async def test_a_full_database_loses_nothing_that_was_acknowledged(bench: Bench) -> None:
    run = await filled(bench.journal)
    epoch = bench.journal.claim(run, "a:1")

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 40")

    sql.event.listen(bench.journal._engine, "checkout", limit)
    acknowledged = 5

    async def fill() -> None:
        nonlocal acknowledged
        for number in range(100, 200):
            await bench.journal.append(run, epoch, note(number, "y" * 5000))
            acknowledged += 1

    with pytest.raises(JournalUnavailable, match="full"):
        await fill()
    sql.event.remove(bench.journal._engine, "checkout", limit)
    again = Journal.open(bench.home, url=bench.url)
    assert len(again.verify(run)) == acknowledged
    again.close()


async def test_a_purged_run_still_verifies_and_holds_no_content(bench: Bench) -> None:
    run = await filled(bench.journal)
    bench.journal.erase(run)
    assert [record.body for record in bench.journal.verify(run)] == [None] * 5


async def test_a_held_run_is_not_erased_until_every_hold_is_released(bench: Bench) -> None:
    run, other = await filled(bench.journal), await filled(bench.journal)
    bench.journal.hold(run, "a court asked", "Ada")
    bench.journal.hold(run, "an audit", "Bo")
    assert {name: hold.why for name, hold in bench.journal.held().items()} == {run: "an audit"}
    with pytest.raises(UsageError, match=r"held by Ada .*a court asked"):
        bench.journal.erase(run)
    bench.journal.erase(other)
    assert all(record.body for record in bench.journal.verify(run))
    assert bench.journal.release(run, "Ada") == 2
    assert bench.journal.release(run, "Ada") == 0
    bench.journal.erase(run)


async def test_a_journal_of_the_first_schema_is_brought_up_to_holds(bench: Bench) -> None:
    run = await filled(bench.journal)
    tampered(bench, "DROP TABLE holds")
    tampered(bench, "UPDATE schema_version SET version = 1")
    again = Journal.open(bench.home, url=bench.url)
    again.hold(run, "why", "Ada")
    assert list(again.held()) == [run]
    again.close()


async def test_the_digest_ignores_order_and_notices_content() -> None:
    entries = [("b", "K", {"x": 1}), ("a", "K", {"x": 2})]
    assert run_digest(entries) == run_digest(reversed(entries))
    assert run_digest(entries) != run_digest([("b", "K", {"x": 1}), ("a", "K", {"x": 3})])


WRITER = """
import asyncio, sys
from pathlib import Path
from orchestrator.journal import Journal
from orchestrator.journal_writer import Draft
async def main():
    journal = Journal.open(Path(sys.argv[1]), url=sys.argv[2] or None)
    run = journal.create()
    epoch = journal.claim(run, "p:1")
    for n in range(60):
        await journal.append(run, epoch, Draft(f"k/{n}", "Recorded", 1, {"n": n}))
    print(run)
    journal.close()
asyncio.run(main())
"""


async def test_several_processes_write_one_database(bench: Bench) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(bench.home), bench.url or ""],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    runs = [writer.communicate(timeout=60)[0].strip() for writer in writers]
    assert [len(bench.journal.verify(run)) for run in runs] == [60] * 4


async def test_a_changed_prompt_is_the_first_divergence_of_a_replay(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from harness import team

    from orchestrator import prompt_files

    def lead(request: Request) -> str:
        return finish("ok") if "seen for" in last_user(request) else assign(("Echo", "look"))

    await bench.run(lead)
    original = (prompt_files.LEAD_PROMPTS / "round.md").read_text()
    prompt_files._template.cache_clear()
    for path in prompt_files.LEAD_PROMPTS.glob("*.md"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "round.md").write_text(original.replace("Judge", "Weigh"))
    real = prompt_files._template
    monkeypatch.setattr(prompt_files, "_template", lambda folder, name: real(tmp_path, name))
    with pytest.raises(Divergence, match="round/2/lead/1") as caught:
        await bench.replay(team())
    assert "Weigh" in str(caught.value)


async def test_home_is_private(bench: Bench) -> None:
    assert (bench.home.stat().st_mode & 0o777) == 0o700
    assert (bench.home / "journal.db").stat().st_mode & 0o777 == 0o600
    name = bench.journal.blobs.put(b"secret")
    path = next(bench.home.glob(f"blobs/*/{name}"))
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"altered")
    with pytest.raises(JournalDamaged, match="altered"):
        bench.journal.blobs.get(name)
