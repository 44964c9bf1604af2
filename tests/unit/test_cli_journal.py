"""Looking at runs, following, exporting, erasing, and what a damaged journal says."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_process import Cli, asks_the_coder, knows, shops
from harness import finish
from openai_server import Server, serve
from openai_wire import from_request_policy
from test_cli_exit_codes import wait_until

from orchestrator.canonical import sha256_bytes


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    made = Cli(tmp_path)
    made.prepare()
    return made


@pytest.fixture
def server(cli: Cli) -> Iterator[Server]:
    with serve(from_request_policy(asks_the_coder)) as running:
        cli.base_url = running.base_url
        yield running


def test_runs_are_listed_newest_first_and_filtered(cli: Cli, server: Server) -> None:
    cli.work(task="the first task")
    cli.work("--limit", "rounds=1", task="the second task")
    lines = cli("runs").stdout.splitlines()
    assert [("second" in line, "first" in line) for line in lines] == [(True, False), (False, True)]
    assert "partial *" in lines[0]
    assert "answered" in lines[1]
    problems = cli("runs", "--problems").stdout
    assert "second" in problems
    assert "first" not in problems
    assert cli("runs", "--outcome", "gave_up").stdout == ""
    assert len(cli("runs", "--since", "2h").stdout.splitlines()) == 2
    assert cli("runs", "--since", "soon").returncode == 2
    assert cli("runs", "--outcome", "great").returncode == 2
    listed = [json.loads(line) for line in cli("runs", "--json").stdout.splitlines()]
    assert [item["status"] for item in listed] == ["partial", "answered"]
    assert server.served


def test_show_tells_a_run_from_task_to_outcome(cli: Cli, server: Server) -> None:
    cli.work(task="which number?")
    shown = cli("show", "last").stdout
    for part in ("the chain is intact", "which number?", "say a number", "Outcome: answered"):
        assert part in shown
    first = cli("show", "last", "--round", "1").stdout
    assert "say a number" in first
    assert "Outcome" not in first
    assert cli("show", "last", "--round", "9").returncode == 2
    raw = [json.loads(line) for line in cli("show", "last", "--raw").stdout.splitlines()]
    assert [record["seq"] for record in raw] == list(range(1, len(raw) + 1))
    assert server.served


def test_a_json_line_carries_the_number_that_its_event_has_in_the_journal(
    cli: Cli, server: Server
) -> None:
    told = [json.loads(line) for line in cli.work("--json").stdout.splitlines()]
    stored = [json.loads(line) for line in cli("show", "last", "--raw").stdout.splitlines()]
    assert [(e["seq"], e["event"], e["path"]) for e in told if "path" in e] == [
        (record["seq"], record["event"], record["path"]) for record in stored
    ]
    assert server.served


def test_replay_is_0_when_it_comes_out_the_same(cli: Cli, server: Server) -> None:
    cli.work()
    calls = len(server.log)
    done = cli("replay", "last")
    assert done.returncode == 0
    assert "replays to the same digest" in done.stdout
    assert len(server.log) == calls


def test_a_damaged_journal_is_named_and_refused(cli: Cli, server: Server) -> None:
    cli.work()
    journal = sqlite3.connect(cli.home / "journal.db")
    change = "UPDATE events SET body = replace(body, 'forty', 'fifty') WHERE kind = 'Reported'"
    assert journal.execute(change).rowcount == 1
    journal.commit()
    journal.close()
    for command in ("show", "resume", "replay", "export", "why"):
        done = cli(command, "last")
        assert done.returncode == 2
        assert "(round/1/1.Coder Reported)" in done.stderr
        assert "was altered" in done.stderr
    assert server.served


def test_an_export_holds_every_event_and_a_bundle_every_byte(cli: Cli, server: Server) -> None:
    cli.work()
    lines = cli("export", "last", "--jsonl").stdout.splitlines()
    cli("export", "last", "events.jsonl")
    assert (cli.project / "events.jsonl").read_text(encoding="utf-8").splitlines() == lines
    assert cli("export", "last", "--bundle", "run.zip").returncode == 0
    with zipfile.ZipFile(cli.project / "run.zip") as bundle:
        names = bundle.namelist()
        assert bundle.read("events.jsonl").decode().splitlines() == lines
        head = json.loads(bundle.read("verify.json"))["head"]
        blobs = [name for name in names if name.startswith("blobs/")]
        assert blobs
        for name in blobs:
            assert sha256_bytes(bundle.read(name)) == name.removeprefix("blobs/")
    assert head["hash"] == json.loads(lines[-1])["hash"]
    assert cli("export", "last", "/no/such/folder/file").returncode == 5
    assert server.served


def test_gc_keeps_what_is_named_and_purge_erases_for_good(cli: Cli, server: Server) -> None:
    cli.work(task="a very secret task")
    stray = cli.home / "blobs" / "aa" / ("aa" + "0" * 62)
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"1234567")
    assert "removed 1 blobs, 7 bytes" in cli("gc").stdout
    assert cli("replay", "last").returncode == 0
    assert cli("purge").returncode == 2
    assert "erased 0 runs" in cli("purge", "--older-than", "1d").stdout
    assert "erased 1 run" in cli("purge", "last").stdout
    assert not list((cli.home / "blobs").glob("??/*"))
    assert "purged" in cli("runs").stdout
    assert "hashes are intact" in cli("show", "last").stdout
    assert cli("resume", "last").returncode == 2
    left = b"".join(file.read_bytes() for file in cli.home.glob("journal.db*"))
    assert b"a very secret task" not in left
    assert server.served


def test_why_leads_from_the_answer_to_the_stored_bytes(cli: Cli) -> None:
    cli.configure('[tools]\nadd = [{use = "acme_shop:order", class = "write"}]\n')
    with serve(from_request_policy(shops)) as server:
        cli.base_url = server.base_url
        cli.work()
    why = cli("why", "last", "4711").stdout
    assert "answer: the lamp is ordered" in why
    assert "tool acme_shop:order" in why
    assert "ordered lamp as number 4711" in why
    sha256 = sha256_bytes(b"ordered lamp as number 4711")
    assert sha256 in why
    assert cli("why", "last", "nonsense").returncode == 2


def test_a_follow_up_starts_from_an_earlier_run(cli: Cli) -> None:
    seen: list[str] = []

    def notes(request: object) -> str:
        seen.append(str(request))
        return finish("Paris")

    with serve(from_request_policy(notes)) as server:
        cli.base_url = server.base_url
        cli.work(task="Capital of France?")
        done = cli.work("--after", "last", task="And its river?")
    assert done.returncode == 0
    assert "Capital of France?" in seen[-1]


def test_watch_follows_a_run_of_another_process_to_its_end(cli: Cli) -> None:
    with serve(from_request_policy(asks_the_coder), delay_s=1.0) as server:
        cli.base_url = server.base_url
        running = cli.start("run", "Number?", *cli.flags())
        wait_until(lambda: len(server.log) >= 1)
        watched = cli("watch", "last")
        running.communicate()
    assert (watched.returncode, watched.stdout) == (0, "forty-two\n")
    assert "r1 Coder done: the worker says forty-two" in watched.stderr
    again = cli("watch", "last", "--json")
    names = [record["event"] for record in cli.records(again)]
    assert (names[0], names[-1]) == ("started", "outcome")


def test_a_note_for_a_run_that_is_over_is_refused(cli: Cli) -> None:
    with serve(from_request_policy(knows)) as server:
        cli.base_url = server.base_url
        cli.work()
    told = cli("tell", "last", "hello")
    assert told.returncode == 2
    assert "--after" in told.stderr
    assert cli("cancel", "last").returncode == 2
    assert cli("pause", "last").returncode == 2
    assert cli("answer", "q12345678", "yes").returncode == 2
    assert cli("inbox").stderr == "no question is open\n"


def test_completion_offers_runs_and_answers_without_a_journal(cli: Cli, server: Server) -> None:
    assert completed(cli) == ["last"]
    cli.work()
    assert completed(cli) == ["last", cli.newest()]
    assert server.served


def completed(cli: Cli) -> list[str]:
    """What bash is offered after `quaestor show `."""
    cli.environ = {
        "_QUAESTOR_COMPLETE": "complete_bash",
        "COMP_WORDS": "quaestor show ",
        "COMP_CWORD": "2",
    }
    try:
        done: subprocess.CompletedProcess[str] = cli()
    finally:
        cli.environ = {}
    return done.stdout.split()
