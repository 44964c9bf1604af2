"""The playbook: what its tests decide, and what is said of a file that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from tasks.forensics.playbook import SHIPPED, load_playbook

QUICK = {"subject_n": 20, "subject_quick": 15, "peer_n": 100, "peer_quick": 1}


@pytest.mark.parametrize(
    ("test", "figures", "outcome"),
    [
        ("last-click-hijack/quick", QUICK, True),
        ("last-click-hijack/quick", QUICK | {"subject_quick": 0}, False),
        ("last-click-hijack/quick", QUICK | {"subject_quick": 4}, None),
        ("last-click-hijack/quick", QUICK | {"subject_n": 4, "subject_quick": 0}, None),
        ("last-click-hijack/quick", QUICK | {"peer_quick": None}, None),
        ("last-click-hijack/quick", {}, None),
        ("last-click-hijack/deliberate-click", {"subject_quick": 10, "with_referer": 0}, True),
        ("last-click-hijack/deliberate-click", {"subject_quick": 10, "with_referer": 10}, False),
        ("last-click-hijack/deliberate-click", {"subject_quick": 10, "with_referer": 4}, None),
    ],
)
def test_figures_decide_for_a_mechanism_or_against_it_or_neither(
    test: str, figures: dict[str, int | None], outcome: bool | None
) -> None:
    assert load_playbook(None).tests()[test][1].outcome(figures) is outcome


def test_every_mechanism_has_a_signal_and_a_twin_that_can_be_decided_both_ways() -> None:
    for name, (part, test) in load_playbook(None).tests().items():
        assert part == "shared" or test.against, name


def test_a_playbook_of_the_case_is_known_by_the_hash_of_its_bytes(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(SHIPPED.read_text("utf-8") + "\n# ours\n", "utf-8")
    assert load_playbook(own).sha256 != load_playbook(None).sha256
    assert load_playbook(own).mechanism == load_playbook(None).mechanism


def test_a_file_that_is_no_playbook_is_refused_by_name(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text('version = "1"\nrule = __import__("os")\n', "utf-8")
    with pytest.raises(UsageError, match=r"broken\.toml"):
        load_playbook(broken)
