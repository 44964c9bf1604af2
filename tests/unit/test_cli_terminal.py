"""The command on a real pseudo terminal: footer, pause, notes, questions."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_process import Cli, Terminal, asks_the_coder, on_terminal, shops, told
from harness import assign, finish
from openai_server import Server, serve
from openai_wire import from_request_policy

from orchestrator.models.llm import Completion, Request

MENU = r"Enter go on .* t tell the lead .* s stop .* Ctrl-C stop now"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    made = Cli(tmp_path)
    made.prepare()
    return made


@pytest.fixture
def slow(cli: Cli) -> Iterator[Server]:
    with serve(from_request_policy(asks_the_coder), delay_s=1.5) as server:
        cli.base_url = server.base_url
        yield server


def run(cli: Cli, *more: str) -> list[str]:
    return ["run", "Number?", *cli.flags(), *more]


def test_a_small_footer_shows_where_it_is_and_steps_scroll_away(cli: Cli, slow: Server) -> None:
    with on_terminal(cli, *run(cli)) as terminal:
        code = terminal.finish()
    assert code == 0
    assert "round 1 of at most 30" in terminal.seen
    assert "Ctrl-C pauses" in terminal.seen
    assert "r1 Coder model ok" in terminal.seen
    assert "\x1b[?1049h" not in terminal.seen  # no alternate screen
    assert len(terminal.seen) < 2_000 * 8  # 2 kB/s over the 6 s that it takes, and start-up
    assert slow.served


def test_plain_on_a_terminal_moves_no_cursor(cli: Cli, slow: Server) -> None:
    with on_terminal(cli, *run(cli, "--plain")) as terminal:
        code = terminal.finish()
    assert code == 0
    assert "\x1b" not in terminal.seen
    assert "Finished: answered" in terminal.seen
    assert slow.served


def test_ctrl_c_pauses_and_enter_goes_on(cli: Cli, slow: Server) -> None:
    with on_terminal(cli, *run(cli)) as terminal:
        paused(terminal)
        terminal.wait_for(rf"Paused before r1/\S+\.\s+{MENU}")
        before = len(slow.log)
        time.sleep(2)
        assert len(slow.log) == before
        terminal.type("\n")
        terminal.wait_for("Going on")
        assert terminal.finish() == 0
    assert "forty-two" in terminal.seen


def test_a_second_ctrl_c_stops_and_nothing_is_lost(cli: Cli, slow: Server) -> None:
    with on_terminal(cli, *run(cli)) as terminal:
        paused(terminal)
        terminal.interrupt()
        began = time.monotonic()
        code = terminal.finish()
    assert code == 130
    assert time.monotonic() - began < 10
    name = re.search(r"Stopped\. Nothing is lost: quaestor resume (\w+)", terminal.seen)
    assert name
    assert cli("resume", name[1]).stdout == "forty-two\n"


def test_s_stops_too(cli: Cli, slow: Server) -> None:
    with on_terminal(cli, *run(cli)) as terminal:
        paused(terminal)
        terminal.type("s\n")
        assert terminal.finish() == 130
    assert "Nothing is lost" in terminal.seen
    assert slow.log


def test_t_tells_the_lead_who_reads_it_in_the_next_round(cli: Cli) -> None:
    def heeds(request: Request) -> Completion | str:
        if request.tools:
            return "the worker says forty-two"
        if "answer in Latin" in told(request):
            return finish("quadraginta duo")
        return assign(("Coder", "say a number"))

    with (
        serve(from_request_policy(heeds), delay_s=1.5) as server,
    ):
        cli.base_url = server.base_url
        with on_terminal(cli, *run(cli)) as terminal:
            paused(terminal)
            terminal.type("t answer in Latin\n")
            terminal.wait_for("The lead reads it in its next round")
            terminal.type("\n")
            assert terminal.finish() == 0
    assert "lead reads the note of" in terminal.seen
    assert "quadraginta duo" in terminal.seen


@pytest.mark.parametrize(
    ("typed", "answer"), [("perhaps\napprove\n", "the lamp is ordered"), ("no\n", "no lamp")]
)
def test_a_question_is_asked_at_the_terminal_with_what_would_be_done(
    cli: Cli, typed: str, answer: str
) -> None:
    cli.configure('[tools]\nadd = ["acme_shop:order"]\n')
    with serve(from_request_policy(shops)) as server:
        cli.base_url = server.base_url
        with on_terminal(cli, *run(cli)) as terminal:
            terminal.wait_for(r"type: approve, or deny")
            assert '"item": "lamp"' in terminal.seen
            terminal.type(typed)
            assert terminal.finish() == 0
    assert answer in terminal.seen


def test_a_run_begun_at_a_terminal_goes_on_elsewhere_and_waits_for_its_person(cli: Cli) -> None:
    def asks_a_person(request: Request) -> Completion | str:
        if "teal" in told(request):
            return finish("teal")
        return assign(("Human", "Which colour?"))

    with serve(from_request_policy(asks_a_person)) as server:
        cli.base_url = server.base_url
        with on_terminal(cli, *run(cli)) as terminal:
            terminal.wait_for("type your answer")
            terminal.interrupt()
            terminal.wait_for(MENU)
            terminal.interrupt()
            assert terminal.finish() == 130
        waiting = cli("resume", "last")
        assert waiting.returncode == 4
        question = re.search(r"quaestor answer (\w+)", waiting.stderr)
        assert question
        done = cli("answer", question[1], "teal")
    assert (done.returncode, done.stdout) == (0, "teal\n")


def paused(terminal: Terminal) -> None:
    """Press Ctrl-C while the first call is going on."""
    terminal.wait_for("r1 lead model")
    terminal.interrupt()
    terminal.wait_for(MENU)
