"""The commands for people: review, share, calibrate, over results that are there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from cli_process import Cli
from forensics_values import FOR, all_of, intake_of, material_of, ran, said

from tasks.forensics.folder import Folder, State
from tasks.forensics.reporting.content import report_of
from tasks.forensics.reporting.pages import rendered
from tasks.forensics.reviewing import resting_claims
from tasks.forensics.versions import Versions

INTAKE = intake_of()
CLAIMS = [ran(name, FOR[name], INTAKE) for name in all_of("click-flooding")]
MAIL = said(1, "click-flooding", "neutral", text="ann@mail.example wrote it.")
REPORT = report_of(material_of([*CLAIMS, MAIL], INTAKE))


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """A batch of one case that was worked on."""
    made = Cli(tmp_path)
    made.prepare()
    (made.project / "evidence").mkdir()
    case = {"case_id": "case-7", "question": "What happened?", "evidence": "evidence"}
    (made.project / "batch.jsonl").write_text(json.dumps(case) + "\n", encoding="utf-8")
    folder = Folder(made.project / "results" / "cases" / "case-7")
    folder.path.mkdir(parents=True)
    for name, content in rendered(REPORT).items():
        (folder.path / name).write_bytes(content)
    state = State(case_id="case-7", state="done", verdict=REPORT.verdict.word)
    folder.write("state.json", state)
    Versions(folder.path).renew("run r1")
    return made


def review(cli: Cli, *arguments: str) -> tuple[int, str]:
    done = cli("forensics", "review", "batch.jsonl", "case-7", *arguments, "--by", "Ada")
    return done.returncode, done.stdout + done.stderr


def test_a_case_goes_from_draft_to_approved_and_its_page_says_so(cli: Cli) -> None:
    assert "version 1, draft" in review(cli)[1]
    assert review(cli, "submit") == (0, "case-7: version 1, pending_review\n")
    assert review(cli, "start")[0] == 0
    code, text = review(cli, "approve")
    assert code == 2
    assert "nobody has accepted" in text
    for name in resting_claims(REPORT):
        assert review(cli, "accept", name)[0] == 0
    assert review(cli, "approve") == (0, "case-7: version 1, approved\n")
    page = (cli.project / "results" / "index.html").read_text(encoding="utf-8")
    assert 'data-review="approved"' in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("praise",), "nothing that a reviewer does"),
        (("judge", "--word", "guilty"), "is no verdict"),
        (("accept", "C-99"), "draft cannot be changed"),
    ],
)
def test_what_a_reviewer_cannot_do_is_said_with_what_can(
    cli: Cli, arguments: tuple[str, ...], said: str
) -> None:
    code, text = review(cli, *arguments)
    assert code == 2
    assert said in text


def test_a_blind_sample_names_cases_and_not_their_verdicts(cli: Cli) -> None:
    done = cli("forensics", "review", "batch.jsonl", "--sample", "5")
    assert (done.returncode, done.stdout) == (0, "case-7\n")
    assert "allegation" not in done.stderr


def test_a_shared_copy_holds_no_mail_address_and_needs_a_new_folder(cli: Cli) -> None:
    done = cli("forensics", "share", "batch.jsonl", "case-7", "shared", "--name", "P-7")
    assert done.returncode == 0
    for file in (cli.project / "shared").iterdir():
        text = file.read_text(encoding="utf-8")
        assert "ann@mail" not in text, file.name
        assert "P-7" not in text, file.name
    again = cli("forensics", "share", "batch.jsonl", "case-7", "shared")
    assert again.returncode == 2
    assert "is not empty" in again.stderr


def test_a_measurement_stands_on_the_page_of_the_batch(cli: Cli) -> None:
    labels = cli.project / "labels.csv"
    labels.write_text("case_id,label,mechanism\ncase-7,supported,click-flooding\n", "utf-8")
    done = cli("forensics", "calibrate", "labels.csv", "batch.jsonl")
    assert done.returncode == 0
    assert "1 of 1 supported allegations were right, at least 21%" in done.stdout
    page = (cli.project / "results" / "index.html").read_text(encoding="utf-8")
    assert "at least 21%" in page
    labels.write_text("case_id,label\ncase-7,guilty\n", "utf-8")
    wrong = cli("forensics", "calibrate", "labels.csv", "batch.jsonl")
    assert wrong.returncode == 2
    assert "line 2" in wrong.stderr


def test_a_bundle_is_signed_with_an_ssh_key_and_a_stranger_is_told_apart(cli: Cli) -> None:
    for name in ("ada", "eve"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(cli.project / name)]
        subprocess.run(make, check=True)
    public = (cli.project / "eve.pub").read_text(encoding="utf-8")
    (cli.project / "allowed").write_text(f"eve@lab.example {public}", encoding="utf-8")
    done = cli("forensics", "bundle", "batch.jsonl", "case-7", "case.zip", "--sign", "ada")
    assert done.returncode == 0
    assert (cli.project / "case.zip.sig").is_file()
    stranger = cli("forensics", "verify", "case.zip", "--signers", "allowed")
    assert stranger.returncode == 2
    assert "by nobody whom allowed names" in stranger.stderr
