"""Evidence in custody: read-only copies with hashes, and a reason for everything left out."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import signal
from pathlib import Path

import pytest
from sampling import SOAK

from orchestrator.errors import JournalUnavailable, UsageError
from orchestrator.settings import ForensicsSettings
from tasks.forensics.custody import changed_since, shown, take
from tasks.forensics.manifest import Case

MANY = 20_000 if SOAK else 2_000


def case(**more: object) -> Case:
    return Case.model_validate_json(
        Case(case_id="c", question="q", evidence=("files",))
        .model_copy(update=more)
        .model_dump_json()
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "b.csv").write_bytes(b"a,b\n1,2\n")
    (folder / "a.log").write_bytes(b"line\n")
    return folder


def test_files_are_copied_read_only_in_the_order_of_their_paths(
    tmp_path: Path, files: Path
) -> None:
    custody = take(case(), tmp_path, tmp_path / "kept")
    assert [(item.id, item.path) for item in custody.exhibits] == [
        ("E001", "files/a.log"),
        ("E002", "files/b.csv"),
    ]
    copy = tmp_path / "kept" / "E002"
    assert copy.read_bytes() == (files / "b.csv").read_bytes()
    assert copy.stat().st_mode & 0o777 == 0o444
    assert custody.exhibits[1].sha256 == hashlib.sha256(b"a,b\n1,2\n").hexdigest()


def test_links_pipes_and_devices_are_listed_and_never_opened(tmp_path: Path, files: Path) -> None:
    (files / "link").symlink_to("/etc/passwd")
    (files / "loop").symlink_to(files)
    os.mkfifo(files / "pipe")
    custody = take(case(), tmp_path, tmp_path / "kept")
    assert {item.path: item.why for item in custody.left_out} == {
        "files/link": "it is a link, not a file",
        "files/loop": "it is a link, not a file",
        "files/pipe": "it is a pipe, not a file",
    }
    assert len(custody.exhibits) == 2


def test_a_sparse_file_of_five_gigabytes_is_refused_before_it_is_read(
    tmp_path: Path, files: Path
) -> None:
    with (files / "huge.log").open("wb") as file:
        file.truncate(5 << 30)
    custody = take(case(), tmp_path, tmp_path / "kept")
    (left,) = custody.left_out
    assert (left.path, left.size) == ("files/huge.log", 5 << 30)
    assert len(custody.exhibits) == 2


def test_holes_stay_holes_and_memory_stays_small(tmp_path: Path, files: Path) -> None:
    with (files / "large.log").open("wb") as file:
        file.truncate(256 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    take(case(), tmp_path, tmp_path / "kept")
    kept = (tmp_path / "kept" / "E003").stat()
    assert (kept.st_size, kept.st_blocks) == (256 << 20, 0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_copies_that_the_disk_refuses_are_taken_away_again(tmp_path: Path, files: Path) -> None:
    (files / "large.bin").write_bytes(b"\1" * (4 << 20))
    child = os.fork()
    if not child:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        with contextlib.suppress(JournalUnavailable):
            take(case(), tmp_path, tmp_path / "kept")
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert not (tmp_path / "kept").exists()


def test_limits_leave_the_rest_out_and_say_so(tmp_path: Path, files: Path) -> None:
    for number in range(5):
        (files / f"n{number}").write_bytes(b"x" * 100)
    few = take(case(), tmp_path, tmp_path / "few", ForensicsSettings(files=3))
    assert len(few.exhibits) == 3
    assert {item.why for item in few.left_out} == {"more than 3 files"}
    small = take(case(), tmp_path, tmp_path / "small", ForensicsSettings(case_bytes=120))
    assert [item.path for item in small.left_out] == [f"files/n{number}" for number in range(1, 5)]


def test_more_files_than_may_be_are_counted_and_bounded(tmp_path: Path, files: Path) -> None:
    for number in range(MANY):
        (files / f"many{number:05}").touch()
    custody = take(case(), tmp_path, tmp_path / "kept", ForensicsSettings(files=10, listed=100))
    assert len(custody.exhibits) == 10
    assert len(custody.left_out) + custody.not_listed == MANY + 2 - 10


def test_nothing_to_read_fails_the_case_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no evidence that can be read.*files"):
        take(case(), tmp_path, tmp_path / "kept")


def test_a_hash_that_is_not_the_expected_one_fails_the_case(tmp_path: Path, files: Path) -> None:
    expected = {"files/a.log": "0" * 64, "files/gone": "1" * 64}
    with pytest.raises(UsageError, match=r"a.log hashes to .*gone is missing"):
        take(case(expected_hashes=expected), tmp_path, tmp_path / "kept")


def test_a_source_that_changes_afterwards_is_told(tmp_path: Path, files: Path) -> None:
    odd = files / "ü\u202e\n.csv"
    odd.write_bytes(b"1")
    custody = take(case(), tmp_path, tmp_path / "kept")
    assert changed_since(custody, tmp_path) == ()
    odd.write_bytes(b"22")
    (files / "a.log").unlink()
    assert [text.partition(":")[0] for text in changed_since(custody, tmp_path)] == ["E001", "E003"]


def test_zones_and_hints_come_from_the_first_pattern_that_fits(tmp_path: Path, files: Path) -> None:
    zones = {"*.log": "+01:00", "files/*": "Europe/Berlin"}
    custody = take(
        case(time_zone=zones, schema_hints={"b.csv": "a is a price"}), tmp_path, tmp_path / "kept"
    )
    assert [item.zone for item in custody.exhibits] == ["+01:00", "Europe/Berlin"]
    assert custody.exhibits[1].hint == "a is a price"


def test_hostile_names_are_shown_escaped() -> None:
    assert shown("a\u202eb\x1b[31m\n\udce4") == "a\\u202eb\\x1b[31m\\n\\udce4"
