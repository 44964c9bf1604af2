"""The manifest: a whole batch is checked before anything starts, each fault by line and field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from tasks.forensics.batch_file import load_batch, read_batch
from tasks.forensics.beginning import begin, schema_text
from tasks.forensics.manifest import Case

SOUND = {"case_id": "a-1", "question": "What happened?", "evidence": "files"}


def written(tmp_path: Path, *lines: object, name: str = "batch.jsonl") -> Path:
    (tmp_path / "files").mkdir(exist_ok=True)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file = tmp_path / name
    file.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return file


def test_a_sound_batch_is_read_with_its_defaults(tmp_path: Path) -> None:
    batch = load_batch(written(tmp_path, SOUND, "", {**SOUND, "case_id": "a-2"}))
    assert [case.case_id for case in batch.cases] == ["a-1", "a-2"]
    assert batch.cases[0].evidence == ("files",)
    assert batch.cases[0].network == "none"


FAULTY = {
    "strange field": ({"colour": 1}, "colour", "is not known here"),
    "no question": ({"question": " "}, "question", "at least 1 character"),
    "long question": ({"question": "x" * 4001}, "question", "at most 4000"),
    "bad id": ({"case_id": "../x"}, "case_id", "pattern"),
    "device id": ({"case_id": "NUL"}, "case_id", "device"),
    "device id with ending": ({"case_id": "com1.txt"}, "case_id", "device"),
    "absolute path": ({"evidence": "/etc"}, "evidence.0", "relative"),
    "drive": ({"evidence": "C:\\x"}, "evidence.0", "relative"),
    "way out": ({"evidence": ["ok", "../other"]}, "evidence.1", "lead out"),
    "way out backwards": ({"evidence": "a\\..\\..\\b"}, "evidence.0", "lead out"),
    "zero byte": ({"evidence": "a\0b"}, "evidence.0", "zero byte"),
    "device path": ({"evidence": "a/aux"}, "evidence.0", "device"),
    "no evidence": ({"evidence": []}, "evidence", "at least 1"),
    "zone": ({"time_zone": "Mars/Base"}, "time_zone", "no time zone"),
    "zone of a file": ({"time_zone": {"*.log": "CEST+9"}}, "time_zone", "no time zone"),
    "period backwards": (
        {"period": ["2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z"]},
        "",
        "after the start",
    ),
    "period without zone": (
        {"period": ["2026-01-01T00:00:00", "2026-02-01T00:00:00Z"]},
        "period.0",
        "timezone",
    ),
    "budget as text": ({"budget": {"tokens": "many"}}, "budget.tokens", "integer"),
    "budget below zero": ({"budget": {"usd": -1}}, "budget.usd", "greater than 0"),
    "network by address": ({"network": ["https://example.org/terms"]}, "network", "no host"),
    "network by pattern": ({"network": ["*.example.org"]}, "network", "no host"),
    "hidden and looked up": (
        {"redaction": {"model_input": True}, "network": ["example.org"]},
        "",
        "not both",
    ),
    "name of one letter": ({"redaction": {"names": ["x"]}}, "redaction.names.0", "at least 2"),
    "strange redaction": ({"redaction": {"all": True}}, "redaction.all", "is not known here"),
    "hash": ({"expected_hashes": {"a": "12"}}, "expected_hashes.a", "pattern"),
}


@pytest.mark.parametrize(("change", "field", "said"), FAULTY.values(), ids=FAULTY)
def test_a_fault_is_named_by_line_and_field(
    tmp_path: Path, change: dict[str, object], field: str, said: str
) -> None:
    file = written(tmp_path, SOUND, {**SOUND, "case_id": "b", **change})
    found = read_batch(file).faults
    assert [fault.line for fault in found] == [2] * len(found)
    assert any(fault.field.startswith(field) and said in fault.message for fault in found), found


def test_every_fault_of_a_batch_is_named_and_nothing_starts(tmp_path: Path) -> None:
    lines = ("{not json", {**SOUND, "x": 1, "y": 2}, {"case_id": "c"}, '["a list"]', SOUND)
    with pytest.raises(UsageError) as refused:
        load_batch(written(tmp_path, *lines))
    said = refused.value.message
    for part in ("line 1: it is no JSON", "line 2, field x", "line 2, field y", "line 4: a case"):
        assert part in said
    for field in ("question", "evidence"):
        assert f"line 3, field {field}: Field required" in said


def test_ids_that_differ_in_case_only_are_refused_with_both_lines(tmp_path: Path) -> None:
    batch = read_batch(written(tmp_path, SOUND, {**SOUND, "case_id": "A-1"}))
    (fault,) = batch.faults
    assert fault.line == 2
    assert "line 1" in fault.message


def test_a_field_that_is_there_twice_is_a_fault(tmp_path: Path) -> None:
    line = '{"case_id": "a", "case_id": "b", "question": "q", "evidence": "files"}'
    assert "twice" in read_batch(written(tmp_path, line)).faults[0].message


def test_a_link_that_leads_out_of_the_batch_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, {**SOUND, "evidence": "away"})
    (tmp_path / "away").symlink_to("/etc")
    assert "by a link" in read_batch(file).faults[0].message


def test_faulty_cases_can_be_left_out_when_a_sound_one_is_there(tmp_path: Path) -> None:
    file = written(tmp_path, SOUND, {**SOUND, "case_id": "-"})
    assert [case.case_id for case in load_batch(file, skip_invalid=True).cases] == ["a-1"]
    with pytest.raises(UsageError):
        load_batch(written(tmp_path, {**SOUND, "case_id": "-"}), skip_invalid=True)


def test_an_empty_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it holds no case"):
        load_batch(written(tmp_path, ""))


def test_yaml_has_defaults_and_names_the_line_of_a_field(tmp_path: Path) -> None:
    text = """
defaults: {time_zone: Europe/Berlin}
cases:
  - case_id: one
    question: What?
    evidence: files
    period: [2026-01-01T00:00:00Z, 2026-02-01T00:00:00Z]
  - case_id: two
    question: What?
    evidence: files
    budget:
      usd: none
"""
    batch = read_batch(written(tmp_path, text, name="batch.yaml"))
    assert batch.cases[0].time_zone == "Europe/Berlin"
    (fault,) = batch.faults
    assert (fault.line, fault.field) == (11, "budget.usd")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cases: &a [1]\nmore: *a\n", "aliases"),
        ("cases: [!!python/object/apply:os.system ['id']]\n", "no YAML"),
        ("cases: 3\n", "with a list"),
        ("cases: [\n", "no YAML"),
        ("colour: 1\ncases: []\n", "only `defaults` and `cases`"),
    ],
)
def test_yaml_that_is_hostile_or_wrong_is_refused(tmp_path: Path, text: str, said: str) -> None:
    faults = read_batch(written(tmp_path, text, name="batch.yml")).faults
    assert any(said in str(fault) for fault in faults), faults


def test_a_manifest_is_begun_from_folders(tmp_path: Path) -> None:
    for name in ("Case one", "two", "results", ".git"):
        (tmp_path / name).mkdir()
    target, count = begin(tmp_path, "What?")
    batch = load_batch(target)
    assert count == 2
    assert [(case.case_id, case.evidence) for case in batch.cases] == [
        ("Case-one", ("Case one",)),
        ("two", ("two",)),
    ]
    with pytest.raises(UsageError, match="already there"):
        begin(tmp_path, None)


def test_the_schema_names_every_field_and_refuses_strangers() -> None:
    schema = json.loads(schema_text())
    assert set(schema["properties"]) == set(Case.model_fields)
    assert schema["additionalProperties"] is False
