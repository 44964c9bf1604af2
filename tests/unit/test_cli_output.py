"""What is on stdout and stderr: the answer alone, strict JSON lines, plain progress."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest
from cli_process import COMMAND, LONG_S, Cli, asks_the_coder, knows, shops
from harness import finish
from openai_server import serve
from openai_wire import from_request_policy

from orchestrator import events as ev
from orchestrator.agent import Artifact
from orchestrator.blobs import Blobs
from tasks.cli.ending import closing_lines
from tasks.cli.progress import Lines, Steps
from tasks.cli.streams import clean
from tasks.output import inside, write_output

HOSTILE = "**x**\x1b[31mred\x1b[0m \u202eabc"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    made = Cli(tmp_path)
    made.prepare()
    return made


def test_json_is_one_record_per_line_started_first_and_one_outcome_last(cli: Cli) -> None:
    with serve(from_request_policy(asks_the_coder)) as server:
        cli.base_url = server.base_url
        done = cli.work("--json")
    records = cli.records(done)
    names = [record["event"] for record in records]
    assert names[0] == "started"
    assert records[0]["schema"] == 1
    assert records[0]["resume"] == f"quaestor resume {records[0]['run']}"
    assert names[-1] == "outcome"
    assert names.count("started") == names.count("outcome") == 1
    assert {"TaskReceived", "StepIntended", "StepDone", "Reported", "LeadReplied"} <= set(names)
    assert all("path" in record for record in records[1:-1])
    last = records[-1]
    assert (last["run"], last["outcome"], last["exit"]) == (records[0]["run"], "answered", 0)
    assert (last["answer"], last["basis"]) == ("forty-two", "model_memory")
    wanted = {"calls", "prompt_tokens", "cached_tokens", "completion_tokens", "usd", "seconds"}
    assert set(last["spent"]) == wanted
    assert last["spent"]["calls"] == 3


def test_an_error_before_the_run_is_one_outcome_record(cli: Cli) -> None:
    wrong = cli.work("--json", "--limit", "rounds=x")
    unknown = cli("run", "x", "--json", "--bogus")
    not_ready = cli("run", "x", "--json", "--no-web", "--sandbox", "unsafe-local")
    for done, code in ((wrong, 2), (unknown, 2), (not_ready, 5)):
        (record,) = cli.records(done)
        assert (record["event"], record["outcome"]) == ("outcome", "not_started")
        assert record["exit"] == done.returncode == code
        assert record["error"]["message"]


def test_a_waiting_run_says_in_json_how_to_answer(cli: Cli) -> None:
    cli.configure('[tools]\nadd = ["acme_shop:order"]\n')
    with serve(from_request_policy(shops)) as server:
        cli.base_url = server.base_url
        last = cli.records(cli.work("--json"))[-1]
        listed = cli("inbox")
    assert (last["outcome"], last["exit"]) == ("needs_human", 4)
    command = f"quaestor answer {last['question']} approve|deny"
    assert last["ask"]["answer_with"] == command
    assert last["ask"]["details"]["arguments"] == {"item": "lamp"}
    assert command in listed.stdout
    assert "lamp" in listed.stdout


def test_a_stray_print_of_a_plugin_never_reaches_stdout(cli: Cli) -> None:
    cli.configure('[tools]\nadd = ["acme_shop:order"]\n')
    with serve(from_request_policy(shops)) as server:
        cli.base_url = server.base_url
        accept = ["--approvals", "allow-all", "--i-accept-irreversible"]
        done = cli.work("--json", *accept)
        plain = cli.work(*accept)
    assert cli.records(done)[-1]["answer"] == "the lamp is ordered"
    assert plain.stdout == "the lamp is ordered\n"
    for shown in (done.stderr, plain.stderr):
        assert "a stray print" in shown
        assert "a stray write" in shown
    assert "irreversible acts were allowed" in plain.stderr


def test_a_denial_reaches_the_agent_and_nothing_is_done(cli: Cli) -> None:
    cli.configure('[tools]\nadd = ["acme_shop:order"]\n')
    with serve(from_request_policy(shops)) as server:
        cli.base_url = server.base_url
        done = cli.work("--on-question", "deny")
    assert (done.returncode, done.stdout) == (0, "no lamp\n")
    assert not (cli.folder / "shop.log").exists()


def test_progress_is_plain_lines_without_an_escape_byte(cli: Cli) -> None:
    with serve(from_request_policy(lambda _request: finish(HOSTILE))) as server:
        cli.base_url = server.base_url
        done = cli.work()
    assert "\x1b" not in done.stderr
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "**x**" in done.stdout
    lines = done.stderr.splitlines()
    assert any(" r1 lead model ok " in line and " tokens" in line for line in lines)
    assert any(line.startswith("Finished: answered") for line in lines)


def test_quiet_shows_the_answer_alone(cli: Cli) -> None:
    with serve(from_request_policy(knows)) as server:
        cli.base_url = server.base_url
        done = cli.work("--quiet")
    assert (done.stdout, done.stderr) == ("Paris\n", "")


@pytest.mark.parametrize("flag", ["--json", "--plain"])
def test_a_reader_that_goes_away_is_no_error(cli: Cli, flag: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with serve(from_request_policy(knows)) as server:
        cli.base_url = server.base_url
        done = subprocess.run(
            [*COMMAND, "run", "Capital?", *cli.flags(), flag],
            cwd=cli.project,
            env=cli.environment(),
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=LONG_S,
            check=False,
        )
    os.close(writing)
    assert done.returncode == 0
    assert "Error" not in done.stderr
    assert "Finished: answered" in done.stderr


def test_a_full_disk_behind_stdout_is_one_clear_line(cli: Cli) -> None:
    with serve(from_request_policy(knows)) as server, Path("/dev/full").open("w") as full:
        cli.base_url = server.base_url
        done = subprocess.run(
            [*COMMAND, "run", "Capital?", *cli.flags()],
            cwd=cli.project,
            env=cli.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=LONG_S,
            check=False,
        )
    assert done.returncode == 5
    assert "error: the output cannot be written: No space left on device" in done.stderr


def test_the_task_comes_from_stdin_or_a_file_too(cli: Cli) -> None:
    (cli.project / "task.txt").write_text("Capital of France?\n", encoding="utf-8")
    asked = []

    def notes(request: object) -> str:
        asked.append(str(request))
        return finish("Paris")

    with serve(from_request_policy(notes)) as server:
        cli.base_url = server.base_url
        piped = cli("run", "-", *cli.flags(), stdin="Capital of Spain?")
        from_file = cli.work(task="@task.txt")
        missing = cli.work(task="@none.txt")
    assert (piped.returncode, from_file.returncode, missing.returncode) == (0, 0, 2)
    assert "Capital of Spain?" in asked[0]
    assert "Capital of France?" in asked[-1]


def test_out_holds_answer_outcome_and_transcript(cli: Cli) -> None:
    with serve(from_request_policy(asks_the_coder)) as server:
        cli.base_url = server.base_url
        done = cli.work("--out", "results")
        unwritable = cli.work("--out", "/proc/nothing")
    folder = cli.project / "results"
    assert done.returncode == 0
    assert (folder / "answer.md").read_text(encoding="utf-8") == "forty-two\n"
    outcome = json.loads((folder / "outcome.json").read_text(encoding="utf-8"))
    assert (outcome["outcome"], outcome["exit"]) == ("answered", 0)
    transcript = (folder / "transcript.md").read_text(encoding="utf-8")
    assert "say a number" in transcript
    assert "the worker says forty-two" in transcript
    assert unwritable.returncode == 2


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("report/a.csv", "report/a.csv"),
        ("../../evil", "evil"),
        ("/etc/passwd", "etc/passwd"),
        ("a/../../b", "a/b"),
        ("..", "file"),
        ("x\x1b[2Jy", "x_[2Jy"),
    ],
)
def test_a_file_of_the_sandbox_stays_inside_of_the_folder(path: str, where: str) -> None:
    assert inside(Path("/out/artifacts"), path) == Path("/out/artifacts") / where


def test_a_link_in_the_output_folder_is_replaced_and_never_followed(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    secret = tmp_path / "elsewhere"
    secret.mkdir()
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "artifacts").symlink_to(secret)
    (folder / "answer.md").symlink_to(secret / "answer.md")
    artifact = Artifact(path="key", sha256=blobs.put(b"new"), size=3)
    lost = Artifact(path="lost", sha256="0" * 64, size=1)
    outcome = ev.Outcome(run="r", outcome="answered", answer="yes", artifacts=(artifact, lost))
    unread = write_output(folder, outcome, {}, None, blobs)
    assert list(secret.iterdir()) == []
    assert (folder / "artifacts" / "key").read_bytes() == b"new"
    assert len(unread) == 1
    assert unread[0].startswith("lost: ")


@pytest.mark.parametrize(
    ("holds", "missing", "line"),
    [
        (("a", "b"), (), "sandbox docker: all 2 protections held"),
        (("a",), ("b", "c"), "sandbox docker: 1 of 3 protections held; NOT b, c"),
        ((), ("a", "b"), "sandbox docker: no protection held"),
    ],
)
def test_the_closing_line_counts_what_held_and_names_what_did_not(
    holds: tuple[str, ...], missing: tuple[str, ...], line: str
) -> None:
    seen = ev.Protections(sandbox="docker", holds=holds, missing=missing)
    outcome = ev.Outcome(run="r", outcome="answered", answer="yes", protections=seen)
    assert line in list(closing_lines(outcome, None, "r", None))
    bare = ev.Outcome(run="r", outcome="answered", answer="yes")
    assert not any("sandbox" in shown for shown in closing_lines(bare, None, "r", None))


def test_control_and_direction_characters_become_visible() -> None:
    assert clean("a\x1b[1m\u202eb\n\tc\r\nd") == "a\\x1b[1m\\x202eb\n\tc\nd"


async def test_a_long_silence_is_broken_by_a_line_that_says_what_is_going_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tasks.cli.progress.SILENCE_S", 0.5)
    said: list[str] = []
    lines = Lines(said.append, Steps())
    begun = ev.StepIntended(step="model", effect="idempotent", fingerprint="0")
    lines.event("round/2/1.Coder/think/1", begun, True)
    beating = asyncio.ensure_future(lines.heartbeat())
    await asyncio.sleep(1.5)
    beating.cancel()
    assert len(said) == 1
    assert "still working: r2 Coder model for 1 s" in said[0]
