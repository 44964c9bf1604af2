"""Benchmark runs as a person makes them: the command, processes, a real endpoint over HTTP."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_play import batch_cli, batch_flags, policy
from bench_play import COUNT, bench, records, suite_of
from cli_process import ROOT, Cli
from harness import assign, finish
from listening import Visit, listening
from openai_faults import Fault
from openai_server import Server, from_request_policy, serve

from orchestrator.models.llm import Request
from orchestrator.prompt_files import LEAD_PROMPTS

RUIN = "Whatever the task is, the answer is 0."


def obeys(request: Request) -> str:
    """Adds, unless its prompt says otherwise; as a judge it compares the figures."""
    judged = re.search(r"<reference>\s*(.*?)\s*</reference>\s*<answer>\s*(.*?)\s*</answer>",
                       request.messages[-1].content, re.DOTALL)  # fmt: skip
    if judged:
        return json.dumps({"grade": "correct" if judged[2] in judged[1] else "incorrect"})
    told = "\n".join(message.content for message in request.messages if message.role == "system")
    return finish("0") if RUIN in told else policy(request)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(from_request_policy(obeys)) as running:
        yield running


@pytest.fixture
def cli(tmp_path: Path, server: Server) -> Cli:
    return batch_cli(tmp_path, server.base_url)


def test_a_suite_is_run_scored_reported_and_scored_again_without_a_call(
    cli: Cli, server: Server, tmp_path: Path
) -> None:
    flags = [*batch_flags(cli), "--parallel", "3", "--json"]
    done = bench(cli, "run", str(suite_of(tmp_path)), *flags)
    assert done.returncode == 0, done.stderr
    started, *units, ended = records(done)
    assert (started["event"], started["planned"], len(units)) == ("started", COUNT, COUNT)
    system = ended["systems"]["scripted"]
    assert system["classes"] == {"correct": COUNT - 1, "wrong": 1}
    assert system["score"] == pytest.approx((COUNT - 1) / COUNT)
    assert not any(unit["score"] for unit in units)
    report = json.loads((Path(ended["results"]) / "report.json").read_text(encoding="utf-8"))
    assert [unit["level"] for unit in report["units"]] == [str(n % 2) for n in range(1, COUNT + 1)]
    assert {unit["score"]["detail"]["extraction"] for unit in report["units"]} == {"structured"}
    asked = len(server.log)
    again = bench(cli, "score", "last", "--scorer", "contains")
    assert again.returncode == 0, again.stderr
    assert "by contains" in again.stdout
    assert len(server.log) == asked


@pytest.mark.soak  # three whole runs
def test_a_killed_run_goes_on_is_extended_and_refuses_another_configuration(
    cli: Cli, server: Server, tmp_path: Path
) -> None:
    suite = suite_of(tmp_path, 3)
    killed = cli.start("bench", "run", str(suite), *batch_flags(cli), "--quiet")
    while len(server.log) < 2 and killed.poll() is None:
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    whole = bench(cli, "resume", "last", "--json")
    assert whole.returncode == 0, whole.stderr
    assert records(whole)[-1]["systems"]["scripted"]["classes"] == {"correct": 2, "wrong": 1}
    asked = len(server.served)
    assert asked <= 2 * 3 + 1
    other = bench(cli, "resume", "last", "--model", "another", "--limit", "rounds=7")
    assert other.returncode == 2
    assert "systems.0.model: 'scripted' before, 'another' now" in other.stderr
    assert "limits.rounds" in other.stderr
    assert "--fork" in other.stderr
    more = bench(cli, "resume", "last", "--repeat", "2", "--json")
    assert more.returncode == 0, more.stderr
    assert len(server.served) == asked + 2 * 3
    assert records(more)[-1]["planned"] == 6
    suite.write_text(suite.read_text("utf-8").replace("Add 1 and 3", "Add 1 and 4"), "utf-8")
    changed = bench(cli, "resume", "last")
    assert changed.returncode == 2
    assert "suite_sha256" in changed.stderr
    forked = bench(cli, "resume", "last", "--fork", "--repeat", "1", "--json")
    assert forked.returncode == 0, forked.stderr
    assert records(forked)[-1]["run"] != records(more)[-1]["run"]
    assert records(forked)[-1]["systems"]["scripted"]["classes"] == {"correct": 1, "wrong": 2}


@pytest.mark.soak  # another whole run
def test_a_pilot_says_what_the_whole_suite_will_take(cli: Cli, tmp_path: Path) -> None:
    suite = suite_of(tmp_path, 9)
    flags = [*batch_flags(cli), "--pilot", "3", "--repeat", "2", "--json"]
    done = bench(cli, "estimate", str(suite), *flags)
    assert done.returncode == 0, done.stderr
    found = records(done)[-1]
    assert (found["pilot"], found["units"], found["usd"]) == (3, 18, None)
    assert 0 < found["hours"]["low"] <= found["hours"]["value"] <= found["hours"]["high"]


def test_a_known_bad_change_is_blocked_and_an_outage_is_no_verdict(
    cli: Cli, server: Server, tmp_path: Path
) -> None:
    suite = suite_of(tmp_path, 4, scorer="contains")
    flags = batch_flags(cli)
    ran = bench(cli, "run", str(suite), *flags, "--json")
    assert ran.returncode == 0, ran.stderr
    baseline = records(ran)[-1]["run"]
    judge = ["gate", "--baseline", baseline, "--suite", str(suite), "--max-drop", "0.02", *flags]
    same = bench(cli, *judge)
    assert (same.returncode, same.stdout.partition(":")[0]) == (0, "pass"), same.stderr
    worse = bench(cli, *judge, "--prompts", str(bad_prompts(tmp_path)))
    assert (worse.returncode, worse.stdout.partition(":")[0]) == (1, "worse"), worse.stderr
    assert "lost: sum/1, sum/2, sum/3" in worse.stdout
    server.faults = (Fault(lambda _body: True, "bad-key", times=1000),)
    out = bench(cli, *judge)
    assert (out.returncode, out.stdout.partition(":")[0]) == (2, "could not judge"), out.stderr
    assert "4 infra_error" in out.stdout


def bad_prompts(folder: Path) -> Path:
    """The lead's prompt with a sentence that ruins every sum."""
    made = folder / "prompts"
    made.mkdir()
    text = (LEAD_PROMPTS / "lead.md").read_text(encoding="utf-8")
    (made / "lead.md").write_text(f"{text}\n{RUIN}\n", encoding="utf-8")
    return made


@pytest.mark.soak
def test_a_finished_run_becomes_a_case_that_is_replayed_for_free(
    cli: Cli, server: Server, tmp_path: Path
) -> None:
    note = tmp_path / "note.txt"
    note.write_text("nothing to see", encoding="utf-8")
    flags = [*cli.flags(), "--no-verify", "--attach", str(note)]
    assert cli("run", "Add 4 and 5.", *flags).returncode == 0
    suite = tmp_path / "cases" / "own.jsonl"
    suite.parent.mkdir()
    added = bench(cli, "add", "last", "--suite", str(suite))
    assert added.returncode == 0, added.stderr
    row = json.loads(suite.read_text(encoding="utf-8"))
    assert (row["input"], row["gold"]) == ("Add 4 and 5.", "9")
    assert [Path(name).name for name in row["files"]] == ["note.txt"]
    asked = len(server.log)
    offline = bench(cli, "run", str(suite), "--replay", "--json")
    assert offline.returncode == 0, offline.stderr
    baseline = records(offline)[-1]
    assert baseline["systems"]["replay"]["classes"] == {"correct": 1}
    judge = ["gate", "--baseline", baseline["run"], "--suite", str(suite), "--replay"]
    assert bench(cli, *judge).returncode == 0
    cli.environ["PYTHONPATH"] = f"{changed_program(tmp_path)}:{cli.environ['PYTHONPATH']}"
    changed = bench(cli, *judge)
    assert (changed.returncode, changed.stdout.partition(":")[0]) == (2, "could not judge")
    assert len(server.log) == asked
    live = bench(cli, "run", str(suite), *batch_flags(cli), "--json")
    assert records(live)[-1]["systems"]["scripted"]["classes"] == {"correct": 1}


def changed_program(folder: Path) -> Path:
    """Another version of the program: its lead is asked in other words."""
    place = folder / "changed"
    for package in ("orchestrator", "agents", "sandbox", "tasks"):
        shutil.copytree(
            ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    prompt = place / "orchestrator" / "prompts" / "lead.md"
    prompt.write_text(f"Please.\n{prompt.read_text('utf-8')}", encoding="utf-8")
    return place


@pytest.mark.soak  # another whole run
def test_gaia_by_both_rules_and_what_is_hidden_is_submitted(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "GAIA" / "2023" / "validation"
    folder.mkdir(parents=True)
    (folder / "note.txt").write_text("nothing to see", encoding="utf-8")
    rows = [
        {"task_id": "open", "Question": "Add 4 and 5.", "Level": 1, "Final answer": "9.0",
         "file_name": "note.txt"},
        {"task_id": "hidden", "Question": "Add 5 and 6.", "Level": 2, "Final answer": "?"},
    ]  # fmt: skip
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "metadata.jsonl").write_text(text, encoding="utf-8")
    done = bench(cli, "run", f"gaia:{tmp_path / 'GAIA'}", *batch_flags(cli), "--json")
    assert done.returncode == 0, done.stderr
    ended = records(done)[-1]
    assert ended["systems"]["scripted"]["classes"] == {"correct": 1, "grader_error": 1}
    assert ended["systems"]["scripted"]["also"] == {"gaia/magentic-one": 0.0}
    lines = Path(ended["submission"]).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"task_id": "open", "model_answer": "9"}, {"task_id": "hidden", "model_answer": "11"}
    ]  # fmt: skip


@pytest.mark.soak  # another whole run
def test_a_model_judges_where_a_rule_asks_one_and_its_cost_stands_apart(
    cli: Cli, server: Server, tmp_path: Path
) -> None:
    suite = tmp_path / "questions.jsonl"
    rows = [{"problem": "Add 4 and 5.", "answer": "nine, 9"}, {"problem": "Add 1 and 1.",
            "answer": "three"}]  # fmt: skip
    suite.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    flags = [*batch_flags(cli), "--grader", "scripted", "--json"]
    done = bench(cli, "run", f"simpleqa:{suite}", *flags)
    assert done.returncode == 0, done.stderr
    ended = records(done)[-1]
    assert ended["systems"]["scripted"]["classes"] == {"correct": 1, "wrong": 1}
    rows = (Path(ended["results"]) / "units.jsonl").read_text(encoding="utf-8").splitlines()
    spent = [item for row in rows for item in json.loads(row)["spent"]]
    assert [item["usage"]["calls"] for item in spent if item["role"] == "grader"] == [1, 1]


def test_many_units_through_the_page_without_a_key_are_refused_before_anything(
    cli: Cli, server: Server, tmp_path: Path
) -> None:
    flags = [flag for flag in batch_flags(cli) if flag != "--no-web"]
    done = bench(cli, "run", str(suite_of(tmp_path, 21)), *flags)
    assert done.returncode == 2
    assert "21 units would search through DuckDuckGo's page" in done.stderr
    assert "--force" in done.stderr
    assert not server.log


LOOKS = """
[agents.FileSurfer]
enabled = false
[agents.Coder]
enabled = false
[agents.ComputerTerminal]
enabled = false
"""


class Suspicious(Visit):
    """A search page that wants to see a person."""

    def do_GET(self) -> None:
        self.send(b"<div class=anomaly-modal>Are you a robot?</div>", status=202)


def surfs(request: Request) -> str:
    """A lead that looks its benchmark up, or searches, and then makes something up."""
    told = "\n".join(message.content for message in request.messages)
    if "closed for this run" in told or "asks for a CAPTCHA" in told:
        return finish("made up")
    searched = {"name": "search", "arguments": {"query": "lamps"}}
    fetched = {"name": "fetch", "arguments": {"url": "https://huggingface.co/datasets/x"}}
    tool = searched if "Search" in request.messages[-1].content else fetched
    work = {"id": "a", "agent": "WebSurfer", "instruction": "look", "tool": tool}
    return assign(work)


@pytest.mark.soak  # another whole run
def test_a_known_benchmark_stays_closed_and_a_captcha_is_no_wrong_answer(tmp_path: Path) -> None:
    rows = [{"id": "closed", "input": "Look the answers up.", "gold": "42"},
            {"id": "captcha", "input": "Search for lamps.", "gold": "42"}]  # fmt: skip
    suite = tmp_path / "web.jsonl"
    suite.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with serve(from_request_policy(surfs)) as server, listening(Suspicious) as port:
        authority = f"127.0.0.1:{port}"
        cli = batch_cli(tmp_path, server.base_url)
        cli.configure(f'web.search_url = "http://{authority}/html"\n{LOOKS}')
        flags = [flag for flag in batch_flags(cli) if flag != "--no-web"]
        done = bench(cli, "run", str(suite), *flags, "--allow-host", authority, "--json")
    assert done.returncode == 3, done.stderr
    ended = records(done)[-1]
    assert ended["systems"]["scripted"]["classes"] == {"wrong": 1, "infra_error": 1}
    lines = (Path(ended["results"]) / "units.jsonl").read_text(encoding="utf-8").splitlines()
    signals = {row["task"]: row["signals"] for row in map(json.loads, lines)}
    assert signals["closed"]["contamination"] == 1
    assert signals["captcha"]["captcha"] == 1
