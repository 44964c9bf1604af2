"""Each outcome has its exit code, seen as a shell sees it."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_process import Cli, asks_the_coder, knows, shops
from harness import assign
from openai_faults import Fault
from openai_server import Server, serve
from openai_wire import from_request_policy

from orchestrator.models.llm import Completion, Request


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    made = Cli(tmp_path)
    made.prepare()
    return made


@pytest.fixture
def slow(cli: Cli) -> Iterator[Server]:
    """A model that takes its time, so that a signal finds the run at work."""
    with serve(from_request_policy(asks_the_coder), delay_s=1.5) as server:
        cli.base_url = server.base_url
        yield server


def test_answered_is_0_and_stdout_holds_the_answer_alone(cli: Cli) -> None:
    with serve(from_request_policy(knows)) as server:
        cli.base_url = server.base_url
        done = cli.work()
    assert (done.returncode, done.stdout) == (0, "Paris\n")
    first = done.stderr.splitlines()[0]
    assert "model scripted at 127.0.0.1" in first
    assert "sandbox unsafe-local" in first
    assert "rounds=30" in first


def test_gave_up_is_1_and_says_why(cli: Cli) -> None:
    def stalls(request: Request) -> Completion | str:
        if request.tools:
            return "nothing found"
        work = ("Coder", f"try {len(request.messages)}")
        return assign(work, making_progress=False, reason="nothing new")

    with serve(from_request_policy(stalls)) as server:
        cli.base_url = server.base_url
        done = cli.work("--limit", "stalls=1,replans=0")
    assert done.returncode == 1
    assert "gave up: no progress" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "x", "--bogus"], "No such option: --bogus"),
        (["run"], "there is no task"),
        (["run", "x", "--attach", "/not/there"], "/not/there is not a file"),
        (["run", "x", "--limit", "rounds=many"], "rounds=many"),
        (["run", "x", "--base-url", "ftp://host"], "no http(s) address"),
        (["run", "x", "--approvals", "allow-all"], "--i-accept-irreversible"),
        (["run", "x", "--limit", "usd=1"], "the price of scripted"),
        (["run", "x", "--allow-host", "a b"], "malformed"),
        (["show", "nothing"], "there is no run that starts with 'nothing'"),
        (["frobnicate"], "No such command 'frobnicate'"),
    ],
)
def test_usage_is_2_in_one_clear_line_and_nothing_is_started(
    cli: Cli, arguments: list[str], said: str
) -> None:
    flags = cli.flags() if arguments[0] == "run" else []
    done = cli(*arguments[:2], *flags, *arguments[2:])
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not [*(cli.home / "blobs").rglob("*")]


def test_a_limit_is_3_and_names_the_command_that_goes_on(cli: Cli) -> None:
    with serve(from_request_policy(asks_the_coder)) as server:
        cli.base_url = server.base_url
        done = cli.work("--limit", "rounds=1")
        assert done.returncode == 3
        assert "partial: stopped at the round limit (1 of 1) in round 1" in done.stderr
        command = re.search(r"go on: quaestor (resume \w+ --limit rounds=2)", done.stderr)
        assert command
        again = cli(*command[1].split())
        served = len(server.served)
    assert (again.returncode, again.stdout) == (0, "forty-two\n")
    assert served == 3


def test_a_question_is_4_without_a_terminal_and_answering_it_goes_on(cli: Cli) -> None:
    cli.configure('[tools]\nadd = ["acme_shop:order"]\n')
    with serve(from_request_policy(shops)) as server:
        cli.base_url = server.base_url
        done = cli.work()
        assert done.returncode == 4
        assert done.stdout == ""
        question = re.search(r"answer: quaestor answer (\w+) approve\|deny", done.stderr)
        assert question
        assert not (cli.folder / "shop.log").exists()
        again = cli("answer", question[1], "approve")
        second = cli("answer", question[1], "deny")
    assert (again.returncode, again.stdout) == (0, "the lamp is ordered\n")
    assert (cli.folder / "shop.log").read_text(encoding="utf-8") == "lamp\n"
    assert second.returncode == 2
    assert "was answered already: approved by" in second.stderr


@pytest.mark.parametrize("fault", ["bad-key", "unknown-model"])
def test_an_endpoint_that_refuses_the_first_call_is_5_and_nothing_is_spent(
    cli: Cli, fault: str
) -> None:
    faults = [Fault(1, fault, times=9)]  # type: ignore[arg-type]
    with serve(from_request_policy(knows), faults=faults) as server:
        cli.base_url = server.base_url
        done = cli.work()
    assert done.returncode == 5
    assert "Nothing was spent." in done.stderr
    assert "  fix: " in done.stderr


def test_an_endpoint_that_refuses_later_is_4_and_the_run_goes_on_once_it_is_well(
    cli: Cli,
) -> None:
    with serve(from_request_policy(asks_the_coder), faults=[Fault(2, "bad-key")]) as server:
        cli.base_url = server.base_url
        done = cli.work()
        again = cli("resume", "last")
        served = len(server.served)
    assert done.returncode == 4
    assert "waiting: provider: " in done.stderr
    assert (again.returncode, again.stdout) == (0, "forty-two\n")
    assert served == 3


def test_what_is_missing_is_5_before_any_call(cli: Cli) -> None:
    unreachable = cli.work()
    cli.environ = {"DOCKER_HOST": "unix:///not/there.sock"}
    no_engine = cli("run", "x", "--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--no-web")
    cli.environ = {"QUAESTOR_CHROMIUM": "/not/there"}
    flags = ["--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--sandbox", "unsafe-local"]
    no_browser = cli("run", "Read http://example.test/", *flags)
    no_model = cli("run", "x", "--no-web", "--sandbox", "unsafe-local")
    no_key = cli("run", "x", "--model", "m", "--no-web", "--sandbox", "unsafe-local")
    codes = [done.returncode for done in (unreachable, no_engine, no_browser, no_model, no_key)]
    assert codes == [5, 5, 5, 5, 5]
    assert "the sandbox is not ready" in no_engine.stderr
    assert "/not/there is not a browser" in no_browser.stderr
    assert "no model is named" in no_model.stderr
    assert "set QUAESTOR_API_KEY or OPENAI_API_KEY" in no_key.stderr


def test_a_bug_is_70_and_the_traceback_is_in_the_file_that_is_named(cli: Cli) -> None:
    cli.configure('[agents.Broken]\nuse = "acme_shop:Broken"\n')
    done = cli.work()
    assert done.returncode == 70
    assert "Traceback" not in done.stderr
    report = re.search(r"report it with (\S+)", done.stderr)
    assert report
    written = Path(report[1])
    assert "a bug in a constructor" in written.read_text(encoding="utf-8")
    written.unlink()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_a_signal_stops_cleanly_and_the_run_goes_on_without_paying_again(
    cli: Cli, slow: Server, number: signal.Signals, code: int
) -> None:
    running = cli.start("run", "Number?", *cli.flags(), "--json")
    wait_until(lambda: len(slow.log) >= 2)
    running.send_signal(number)
    out, err = running.communicate(timeout=30)
    assert running.returncode == code
    assert "Stopped. Nothing is lost: quaestor resume" in err
    assert out.count('"event":"outcome"') == 1
    assert f'"exit":{code}' in out.splitlines()[-1]
    again = cli("resume", "last")
    assert (again.returncode, again.stdout) == (0, "forty-two\n")
    prompts = [str(entry.body["messages"]) for entry in slow.served]
    assert len(slow.log) == 4  # the one that was in flight when the signal came is asked again
    assert len(set(prompts)) == 3


def test_a_signal_before_the_run_begins_is_a_clean_stop_too(cli: Cli, slow: Server) -> None:
    running = cli.start("run", "Number?", *cli.flags(), "--json")
    time.sleep(0.15)
    running.send_signal(signal.SIGTERM)
    out, _err = running.communicate(timeout=30)
    assert running.returncode in (143, -signal.SIGTERM)
    assert out == "" or out.splitlines()[-1].count('"exit":143') == 1


def test_a_killed_run_goes_on_where_it_was(cli: Cli, slow: Server) -> None:
    running = cli.start("run", "Number?", *cli.flags())
    wait_until(lambda: len(slow.log) >= 2)
    running.kill()
    running.communicate()
    listed = cli("runs")
    assert "interrupted *" in listed.stdout
    again = cli("resume", "last")
    assert (again.returncode, again.stdout) == (0, "forty-two\n")
    assert len(slow.log) == 4


def test_a_live_run_is_not_taken_over_but_paused_continued_and_cancelled_from_elsewhere(
    cli: Cli,
) -> None:
    def never_ends(request: Request) -> Completion | str:
        return "found more" if request.tools else assign(("Coder", f"{len(request.messages)}"))

    with serve(from_request_policy(never_ends), delay_s=1.5) as server:
        cli.base_url = server.base_url
        running = cli.start("run", "Number?", *cli.flags())
        wait_until(lambda: len(server.log) >= 1)
        refused = cli("resume", "last")
        assert refused.returncode == 2
        assert "is being worked on by" in refused.stderr
        assert cli("tell", "last", "hurry").returncode == 0
        assert cli("pause", "last").returncode == 0
        time.sleep(4)
        before = len(server.log)
        time.sleep(2)
        assert len(server.log) == before
        assert cli("resume", "last").returncode == 0
        wait_until(lambda: len(server.log) > before)
        assert cli("cancel", "last").returncode == 0
        _out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "was ended by `quaestor cancel`" in err
    gone = cli("resume", "last")
    assert gone.returncode == 2
    assert "cancelled for good" in gone.stderr


def wait_until(claim: object, seconds: float = 60.0) -> None:
    """Wait for something that another process does."""
    assert callable(claim)
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
