"""Cases that are held and cases that are erased: nothing of one is left, also after a kill, and
everything that shows cases says so."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import socket
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cli_process import Cli
from forensics_values import FOR, all_of, intake_of, material_of, ran
from sampling import SOAK

from orchestrator.journal import Journal
from orchestrator.journal_writer import Draft
from tasks.batch.store import Store
from tasks.forensics.batch_file import read_batch
from tasks.forensics.carrying import Standing
from tasks.forensics.custody import take
from tasks.forensics.erasing import Tombstone, purge
from tasks.forensics.folder import Folder, State
from tasks.forensics.reporting.content import report_of
from tasks.forensics.reporting.overlaps import CaseMarks, Mark
from tasks.forensics.reporting.pages import rendered
from tasks.forensics.reviewing import Act
from tasks.forensics.versions import Versions

SECRET = "Zanzibar-Quokka"
INTAKE = intake_of()
REPORT = report_of(material_of([ran(n, FOR[n], INTAKE) for n in all_of("ring")], INTAKE))
DEAD = f"{socket.gethostname()}:999999"


@dataclass(frozen=True)
class Place:
    """Two cases that were worked on, one of them to be erased."""

    cli: Cli
    run: str

    @property
    def manifest(self) -> Path:
        return self.cli.project / "batch.jsonl"

    @property
    def results(self) -> Path:
        return self.cli.project / "results"

    @property
    def folder(self) -> Folder:
        return Folder(self.results / "cases" / "one")

    def do(self, *arguments: str) -> tuple[int, str]:
        done = self.cli("forensics", arguments[0], "batch.jsonl", *arguments[1:])
        return done.returncode, done.stdout + done.stderr

    def left(self) -> list[str]:
        """Files that hold the secret; the manifest and the evidence's own place are not ours."""
        ours = [path for root in (self.cli.home, self.results) for path in root.rglob("*")]
        return [str(p) for p in ours if p.is_file() and SECRET.encode() in p.read_bytes()]

    def page(self) -> str:
        return (self.results / "index.html").read_text("utf-8")


async def _run(journal: Journal, text: str) -> str:
    """A run that is over: its task, a blob and a message hold the text."""
    run = journal.create()
    epoch = journal.claim(run, DEAD)
    blob = journal.blobs.put(f"a long result about {text}".encode())
    bodies: list[tuple[str, str, Any]] = [
        ("task", "TaskReceived", {"task": text}),
        ("round/1", "Recorded", {"schema_name": "t", "body": {"blob": blob, "text": text * 2000}}),
    ]
    for key, kind, body in bodies:
        await journal.append(run, epoch, Draft(key, kind, 1, body))
    journal.post(run, "note", {"text": text}, "Ada")
    return run


def work_on(cli: Cli, name: str, text: str) -> str:
    """What work on a case leaves, by our own writers; two versions of its report."""
    journal = Journal.open(cli.home)
    earlier, run = (asyncio.run(_run(journal, text)) for _ in range(2))
    case = next(c for c in read_batch(cli.project / "batch.jsonl").cases if c.case_id == name)
    folder = Folder(cli.project / "results" / "cases" / name)
    folder.path.mkdir(parents=True)
    folder.write("manifest.json", case)
    folder.write("custody.json", take(case, cli.project, folder.evidence))
    folder.write("intake.json", INTAKE)
    for number, made in enumerate((earlier, run), start=1):
        versions = Versions(folder.path)
        versions.set_aside()
        folder.write_journal(journal.verify(made), journal.blobs)
        report = REPORT.model_copy(update={"title": f"{text} {number}", "case_id": name})
        for file, content in rendered(report).items():
            (folder.path / file).write_bytes(content)
        versions.renew(f"run {made}")
        versions.act(Act(verb="submit", by="Ada", note=text))
    marks = (Mark(kind="device", role="click.device", value=f"{SECRET}-device"),)
    folder.write("marks.json", CaseMarks(case_id=name, subject=name, marks=marks))
    head = journal.verify(run)[-1].hash
    state = State(
        case_id=name, state="done", run=run, head=head, reason=text, verdict="inconclusive"
    )
    folder.write("state.json", state)
    journal.close()
    return run


@pytest.fixture
def place(tmp_path: Path) -> Place:
    cli = Cli(tmp_path)
    cli.prepare()
    lines = []
    for name, text in (("one", SECRET), ("two", "harmless")):
        files = cli.project / name
        files.mkdir()
        (files / f"{text}.csv").write_text(f"a,b\n{text},2\n", encoding="utf-8")
        case = {"case_id": name, "question": f"About {text}?", "evidence": name, "subject": text}
        lines.append(json.dumps({**case, "title": text}))
    (cli.project / "batch.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    runs = [work_on(cli, name, text) for name, text in (("one", SECRET), ("two", "harmless"))]
    # A device of the other case's subject is the same; it stays, the overlap goes.
    other = Folder(cli.project / "results" / "cases" / "two")
    other.write("marks.json", other.marks().model_copy(update={"subject": "two"}))
    return Place(cli, runs[0])


def test_an_erased_case_leaves_a_tombstone_and_everything_says_so(place: Place) -> None:
    assert place.do("release", "one")[0] == 2
    before = {
        name: hashlib.sha256((place.folder.path / name).read_bytes()).hexdigest()
        for name in ("report.json", "review.jsonl", "versions/1/report.html", "custody.json")
    }
    exhibit = place.folder.custody().exhibits[0].sha256
    code, said = place.do("purge", "one", "--by", "Bo")
    assert code == 0, said
    assert "handed out" in said
    other = place.results / "cases" / "two"
    assert [name for name in place.left() if not name.startswith(str(other))] == []
    assert {path.name for path in place.folder.path.iterdir()} == {"state.json", "tombstone.json"}
    stone = Tombstone.model_validate_json((place.folder.path / "tombstone.json").read_bytes())
    assert (stone.by, stone.is_finished, len(stone.runs)) == ("Bo", True, 2)
    assert stone.files.items() >= before.items()
    assert [item.sha256 for item in stone.exhibits] == [exhibit]
    code, said = place.do("status")
    assert code == 0
    assert "one: purged: its content was erased on" in said
    assert "two: done" in said
    for verb in (["report", "one"], ["bundle", "one", "x.zip"], ["review", "one"]):
        code, said = place.do(*verb)
        assert (code, "was erased on" in said) == (2, True), said
    done = place.cli("forensics", "verify", str(place.folder.path))
    assert done.returncode == 3
    assert f"head {stone.head}" in done.stdout
    assert "its content was erased on" in place.page()
    assert "look at these together" not in place.page()
    assert "hashes are intact" in place.cli("show", place.run).stdout


def test_a_later_run_does_not_work_on_it_again_unless_its_folder_is_gone(place: Place) -> None:
    assert place.do("purge", "one")[0] == 0
    standing = Standing(read_batch(place.manifest), place.results)
    journal = Journal.open(place.cli.home)
    assert standing.planned(journal, (), ()) == []
    journal.close()
    code, said = place.do("run", "--demo", "--again", "one")
    assert (code, "was erased on" in said) == (2, True), said


def test_a_held_case_is_erased_by_nothing_until_it_is_released(place: Place) -> None:
    assert place.do("hold", "one", "--why", " ", "--by", "Ada")[0] == 2
    code, said = place.do("hold", "one", "--why", "the court asked", "--by", "Ada")
    assert (code, said) == (0, "one: held by Ada: the court asked\n")
    refused = place.do("purge", "one")
    assert refused[0] == 2
    assert "is held by Ada: the court asked" in refused[1]
    assert "held by Ada: the court asked" in place.do("status")[1]
    assert "held by Ada: the court asked" in place.page()
    by_run = place.cli("purge", place.run)
    assert by_run.returncode == 2
    assert "is held by Ada" in by_run.stderr
    by_age = place.cli("purge", "--older-than", "0.001s")
    assert "erased 2 runs" in by_age.stdout, by_age.stderr
    assert by_age.stderr.count("held by Ada: the court asked") == 2
    assert place.cli("gc").returncode == 0
    assert any("/blobs/" in name and str(place.cli.home) in name for name in place.left())
    (place.folder.path / "hold.json").unlink()  # the folder alone decides nothing
    assert place.do("purge", "one")[0] == 2
    assert place.do("release", "one", "--by", "Ada") == (0, "one: released\n")
    assert place.do("purge", "one")[0] == 0


def test_a_case_of_another_journal_is_not_half_erased(place: Place, tmp_path: Path) -> None:
    code, said = place.do("purge", "one", "--home", str(tmp_path / "elsewhere"))
    assert (code, "is in another journal" in said) == (2, True), said
    assert (place.folder.path / "report.json").exists()


KILLS = ("shutil.rmtree", "os.remove", "os.rename", "sqlite3.connect")


def _purge_until(place: Place, number: int) -> bool:
    """Erase in a process that is killed at its nth act on the disk; whether it came to its end."""
    child = os.fork()
    if not child:
        count = 0

        def watch(event: str, _arguments: object) -> None:
            nonlocal count
            if event not in KILLS:
                return
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        try:
            journal, store = Journal.open(place.cli.home), Store.open(place.cli.home)
            purge(place.folder, journal, store, by="Bo")
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL)
    return status == 0


def test_a_purge_that_is_killed_anywhere_ends_when_it_is_repeated(
    place: Place,
) -> None:
    number, killed = 1, 0
    step = 1 if SOAK else 5
    while not _purge_until(place, number):
        killed += 1
        number += step
        state = place.folder.state()
        assert state is not None
        if state.state == "purged":
            assert (
                Standing(read_batch(place.manifest), place.results).planned(
                    Journal.open(place.cli.home), (), ()
                )
                == []
            )
    assert killed >= 3
    stone = Tombstone.model_validate_json((place.folder.path / "tombstone.json").read_bytes())
    assert stone.is_finished
    assert {"report.json", "versions/1/report.json", "review.jsonl"} <= set(stone.files)
    other = place.results / "cases" / "two"
    assert [name for name in place.left() if not name.startswith(str(other))] == []
