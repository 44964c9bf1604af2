"""A batch in which every case but one holds a bad input, through the real pipeline: each comes to
its own end, and the healthy one to the same as ever."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from batch_play import wait_until_nothing_is_left
from cli_process import LONG_S, Cli
from forensics_hostile import BAD, SUBJECT, Bad, evidence
from process_memory import measured
from sampling import SOAK

from tasks.forensics.redaction import found_in

pytestmark = pytest.mark.timeout(3600 if SOAK else 300)
CHANGED = "changed"
CHOSEN = list(BAD) if SOAK else ["together", "empty"]
GIGABYTE = 1 << 30
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Ran:
    """A batch after its work. `peak` is the memory of its processes with all boxes, in bytes."""

    cli: Cli
    manifest: Path
    done: subprocess.CompletedProcess[str]
    peak: int

    def folder(self, name: str) -> Path:
        return self.manifest.parent / "results" / "cases" / name

    def state(self, name: str) -> dict[str, Any]:
        return dict(json.loads((self.folder(name) / "state.json").read_text("utf-8")))

    def report(self, name: str) -> dict[str, Any]:
        return dict(json.loads((self.folder(name) / "report.json").read_text("utf-8")))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """All of them at once; the source of one case changes while it is worked on."""
    root = tmp_path_factory.mktemp("hostile")
    lines = []
    for name in (*CHOSEN, CHANGED):
        evidence(root / name)
        bad = BAD.get(name)
        if bad is not None:
            bad.make(root / name)
        case = {"case_id": name, "question": f"Did {SUBJECT} break the terms?", "evidence": name}
        lines.append(json.dumps({**case, "subject": SUBJECT, **(bad.case if bad else {})}))
    manifest = root / "batch.jsonl"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (root / "temp").mkdir()
    cli = Cli(root / "cli", environ={"TMPDIR": str(root / "temp")})
    cli.prepare()
    command = ["forensics", "run", str(manifest), "--demo", "--sandbox", "bubblewrap"]
    process = cli.start(*command, "--parallel", "2")
    with measured(process, 1.0) as memory:
        change(root, process)
        out, err = process.communicate(timeout=20 * LONG_S)
    wait_until_nothing_is_left(root / "temp")
    done = subprocess.CompletedProcess(command, process.returncode, out, err)
    return Ran(cli, manifest, done, memory.peak)


def change(root: Path, process: subprocess.Popen[str]) -> None:
    """Write to a source once its copy was made."""
    custody = root / "results" / "cases" / CHANGED / "custody.json"
    while not custody.exists() and process.poll() is None:
        time.sleep(0.05)
    with (root / CHANGED / "clicks.csv").open("a", encoding="utf-8") as file:
        file.write("one,more,line\n")


def only(report: dict[str, Any], ending: str) -> dict[str, Any]:
    (found,) = (entry for entry in report["exhibits"] if entry["path"].endswith(ending))
    return dict(found)


@pytest.mark.parametrize("name", CHOSEN)
def test_each_bad_input_comes_to_its_own_end_and_the_report_says_what_was_met(
    ran: Ran, name: str
) -> None:
    bad: Bad = BAD[name]
    state = ran.state(name)
    assert (state["state"], state["verdict"] in bad.verdicts) == (bad.state, True), state
    if bad.state == "failed":
        return
    report = ran.report(name)
    for ending, (kind, is_whole, said) in bad.fates.items():
        found = only(report, ending)
        assert (found["kind"], found["complete"]) == (kind, is_whole), found
        assert said in " ".join(found["flaws"]), found
    left = {item["path"].removeprefix(f"{name}/"): item["why"] for item in report["left_out"]}
    for path, why in bad.left.items():
        assert why in left[path]
    text = (ran.folder(name) / "report.html").read_text("utf-8")
    for words in bad.said:
        assert words in text, words


def test_the_batch_says_which_cases_failed_and_finishes_the_others(ran: Ran) -> None:
    failed = {name for name in CHOSEN if BAD[name].state == "failed"}
    assert failed
    assert ran.done.returncode == 1, ran.done.stderr
    for name in failed:
        assert ran.state(name)["usd_micros"] in (None, 0)
        assert ran.state(name)["tokens"] == 0
        assert not (ran.folder(name) / "journal.jsonl").exists()
        assert "has no evidence that can be read" in ran.state(name)["reason"]


def test_the_processes_with_all_boxes_hold_less_than_a_gigabyte(
    ran: Ran, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n{len(CHOSEN)} bad cases, 2 at a time: at most {ran.peak >> 20} MiB in all")
    assert 0 < ran.peak < GIGABYTE


def test_a_source_that_changes_meanwhile_is_told_and_the_copy_was_examined(ran: Ran) -> None:
    state = ran.state(CHANGED)
    assert (state["state"], state["verdict"]) == ("done", "allegation_supported")
    assert "clicks.csv has changed since; the copy was examined" in state["reason"]


def test_no_file_of_any_report_holds_a_formula_a_script_or_a_control_character(ran: Ran) -> None:
    for place in sorted((ran.manifest.parent / "results").rglob("*")):
        if place.suffix not in (".csv", ".html", ".md") or "evidence" in place.parts:
            continue
        text = place.read_text("utf-8")
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text), (
            place
        )
        if place.suffix == ".csv":
            cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
            assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r")], place
        assert "<script>alert" not in text, place
        assert place.suffix != ".md" or "![x](http" not in text, place
    assert "\x1b" not in ran.done.stdout
    assert "\u202e" not in ran.done.stdout


@pytest.mark.soak
def test_hostile_names_of_partners_stand_in_the_report_as_text(ran: Ran) -> None:
    text = (ran.folder("partners") / "report.html").read_text("utf-8")
    assert "default-src" in text
    assert "&lt;script&gt;" in text
    cells = (ran.folder("partners") / "claims.csv").read_text("utf-8")
    assert "'=HYPERLINK" in cells


@pytest.mark.soak
def test_encodings_are_told_with_how_they_were_found(ran: Ran) -> None:
    intake = json.loads((ran.folder("encodings") / "intake.json").read_text("utf-8"))
    found = {Path(e["path"]).name: (e["encoding"], e["encoding_by"]) for e in intake["exhibits"]}
    assert found["utf16.csv"][0].startswith("utf-16")
    assert found["bom.csv"][0] == "utf-8-sig"
    assert found["cp1252.csv"][0] == "cp1252"
    assert found["mixed.csv"][0] == "utf-8"
    assert all(by for name, (_, by) in found.items() if name in ("utf16.csv", "mixed.csv"))


@pytest.mark.soak
def test_databases_of_strangers_are_read_without_a_trace(ran: Ran) -> None:
    left = [path.name for path in (ran.folder("databases") / "evidence").iterdir()]
    assert not [name for name in left if not re.fullmatch(r"E\d{3}", name)]
    assert not list((ran.manifest.parent / "databases").glob("*-wal"))


@pytest.mark.soak
def test_secrets_are_masked_in_the_copy_that_is_handed_on(ran: Ran, tmp_path: Path) -> None:
    target = tmp_path / "shared"
    done = ran.cli("forensics", "share", str(ran.manifest), "secrets", str(target))
    assert done.returncode == 0, done.stderr
    for place in target.iterdir():
        assert found_in(place.read_text("utf-8"), ("mail", "card", "key")) == (), place


@pytest.mark.soak
@pytest.mark.parametrize("name", [n for n in CHOSEN if BAD[n].state == "done"])
def test_each_case_verifies_from_its_folder(ran: Ran, name: str) -> None:
    done = ran.cli("forensics", "verify", str(ran.folder(name)), "--sandbox", "bubblewrap")
    assert done.returncode == 0, done.stdout
