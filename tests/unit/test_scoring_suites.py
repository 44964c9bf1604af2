"""Suites in the formats that benchmarks are published in, and what is said of broken ones."""

from __future__ import annotations

import csv
import gzip
import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import UsageError
from sandbox.base import Box
from tasks.benchmark.cases import Assigned, Case, Suite
from tasks.benchmark.submissions import submission_lines
from tasks.benchmark.suites.loading import load_suite, wanted_from

CANARY = "canary-5f2d"


def no_box() -> AbstractAsyncContextManager[Box]:
    raise AssertionError("this suite needs no box")


async def load(text: str, split: str = "validation", levels: tuple[str, ...] = ()) -> Suite:
    return await load_suite(wanted_from(text, split, levels), no_box)


def write_lines(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def gaia_row(name: str, **more: Any) -> dict[str, Any]:
    return {
        "task_id": name,
        "Question": f"What is {name}?",
        "Level": 1,
        "Final answer": CANARY,
        "file_name": "",
        "Annotator Metadata": {"Steps": f"1. {CANARY}"},
        **more,
    }


async def test_gaia_has_levels_attachments_and_hidden_answers(tmp_path: Path) -> None:
    folder = tmp_path / "2023" / "validation"
    write_lines(
        folder / "metadata.jsonl",
        gaia_row("0-0-0-0-0"),
        gaia_row("a", file_name="a.xlsx", Level="2"),
        gaia_row("b", Level=3, **{"Final answer": "?"}),
    )
    (folder / "a.xlsx").write_bytes(b"PK")
    suite = await load(f"gaia:{tmp_path}")
    assert [(case.id, case.level, case.gold) for case in suite.cases] == [
        ("a", "2", CANARY),
        ("b", "3", None),
    ]
    assert [item.name for item in suite.cases[0].attachments] == ["a.xlsx"]
    assert [case.id for case in (await load(f"gaia:{tmp_path}", levels=("3",))).cases] == ["b"]


async def test_what_a_unit_is_handed_holds_no_gold(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "validation" / "metadata.jsonl", gaia_row("task-7", Level=3))
    (case,) = (await load(f"gaia:{file.parent}")).cases
    handed = case.assigned().model_dump_json()
    assert CANARY in case.model_dump_json()
    for secret in (CANARY, "task-7-id", "gaia", "Level", '"3"'):
        assert secret not in handed
    assert not {"gold", "scorer", "level", "tags"} & set(Assigned.model_fields)


async def test_assistantbench_and_humaneval_and_webarena_are_read(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "assistant_bench_v1.0_dev.jsonl",
        {"id": "x", "task": "How many?", "answer": "3", "difficulty": "Hard", "gold_url": CANARY},
    )
    (found,) = (await load(f"assistantbench:{tmp_path}")).cases
    assert (found.gold, found.level, found.scorer) == ("3", "Hard", "assistantbench/official")
    assert CANARY not in found.model_dump_json()

    problem = {
        "task_id": "Own/0",
        "prompt": "def f():\n",
        "entry_point": "f",
        "canonical_solution": CANARY,
        "test": "def check(candidate):\n    pass\n",
    }
    packed = tmp_path / "HumanEval.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(problem).encode()))
    (found,) = (await load(f"humaneval:{packed}")).cases
    assert (found.id, found.gold["entry_point"]) == ("Own/0", "f")
    assert CANARY not in found.model_dump_json()
    assert "def check" not in found.task

    tasks = [
        {"task_id": 1, "intent": "Which?", "start_url": "http://shop.test", "sites": ["shop"],
         "eval": {"eval_types": ["string_match"], "reference_answers": {"exact_match": "x"}}},
        {"task_id": 2, "intent": "Go.", "eval": {"eval_types": ["program_html"]}},
    ]  # fmt: skip
    (tmp_path / "test.json").write_text(json.dumps(tasks), encoding="utf-8")
    suite = await load(f"webarena:{tmp_path}/test.json")
    assert [(case.id, case.scorer, case.tags) for case in suite.cases] == [
        ("1", "webarena/string", ("shop",))
    ]
    assert [(item.id, item.why) for item in suite.left_out] == [("2", "judged by program_html")]


async def test_simpleqa_is_read_from_its_csv(tmp_path: Path) -> None:
    path = tmp_path / "simple_qa_test_set.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["metadata", "problem", "answer"])
        writer.writerow(["{'topic': 'Art', 'answer_type': 'Person'}", 'Who,\n"then"?', "Ida"])
        writer.writerow(["not a dict", "When?", "1901"])
    cases = (await load(f"simpleqa:{path}")).cases
    assert [(case.id, case.gold, case.tags) for case in cases] == [
        ("1", "Ida", ("Art", "Person")),
        ("2", "1901", ()),
    ]


async def test_every_fault_of_a_suite_is_named_by_line_and_field(tmp_path: Path) -> None:
    file = write_lines(
        tmp_path / "own.jsonl",
        {"id": "a", "input": "x", "gold": "y"},
        "{not json",
        {"id": "a", "input": "x", "gold": "y"},
        {"id": "b", "input": "", "gold": "y"},
        {"id": "c", "input": "x", "gold": "y", "scorer": "gaia/2099"},
        {"id": "d", "input": "x"},
        {"id": "e", "input": "x", "gold": "y", "files": ["../own.jsonl", "absent.pdf"]},
        {"id": "f", "input": "x", "gold": "y", "limits": "rounds=many"},
        {"id": "g", "input": "x", "gold": "y", "gould": 1},
        [1],
    )
    with pytest.raises(UsageError) as caught:
        await load(str(file))
    said = caught.value.message
    for expected in (
        "10 faults",
        "own.jsonl:2: not JSON",
        "own.jsonl:3: id: 'a' is also in line 1",
        "own.jsonl:4: input:",
        "own.jsonl:5: scorer:",
        "gaia/2099",
        "own.jsonl:6: Value error, give either gold or check",
        "own.jsonl:7: files: '../own.jsonl' leads out",
        "own.jsonl:7: files: there is no file 'absent.pdf'",
        "own.jsonl:8: limits:",
        "own.jsonl:9: gould:",
        "own.jsonl:10: not a JSON object",
    ):
        assert expected in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gaia:{folder}", "metadata.jsonl"),
        ("own.jsonl", "there is no 'own.jsonl'"),
        ("{folder}/empty.jsonl", "holds no case"),
        ("humaneval:{folder}/broken.gz", "cannot be read"),
    ],
)
async def test_a_suite_that_is_not_there_says_what_was_looked_for(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "empty.jsonl").write_text("\n\n", encoding="utf-8")
    (tmp_path / "broken.gz").write_bytes(b"no gzip")
    with pytest.raises(UsageError) as caught:
        await load(text.format(folder=tmp_path))
    assert said in caught.value.message


async def test_the_hash_changes_with_any_content_and_not_with_the_place(tmp_path: Path) -> None:
    def suite_at(name: str, gold: str = "y", attached: bytes = b"1") -> str:
        (tmp_path / name).mkdir()
        (tmp_path / name / "in.txt").write_bytes(attached)
        row = {"id": "a/\u00e9 b", "input": "x", "gold": gold, "files": ["in.txt"]}
        return str(write_lines(tmp_path / name / "own.jsonl", row))

    hashes = [
        (await load(path)).sha256
        for path in (
            suite_at("one"),
            suite_at("two"),
            suite_at("three", gold="z"),
            suite_at("four", attached=b"2"),
        )
    ]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_ids_that_differ_only_in_case_or_slashes_stay_apart() -> None:
    names = ["HumanEval/0", "humaneval/0", "HumanEval_0", "x" * 300, "x" * 299]
    handed = [Case(id=name, task="t", scorer="exact").assigned().id for name in names]
    assert len(set(handed)) == len(names)
    assert all(name.isalnum() for name in handed)


def test_a_submission_has_a_line_for_every_task() -> None:
    cases = tuple(Case(id=name, task="t", scorer="gaia/2023") for name in "abc")
    suite = Suite(name="gaia", split="test", cases=cases)
    lines = [json.loads(line) for line in submission_lines(suite, {"b": "7", "c": None})]
    assert lines == [
        {"task_id": "a", "model_answer": ""},
        {"task_id": "b", "model_answer": "7"},
        {"task_id": "c", "model_answer": ""},
    ]
    with pytest.raises(UsageError):
        list(submission_lines(suite.model_copy(update={"name": "humaneval"}), {}))


async def test_what_no_file_can_hold_is_named_or_made_harmless(tmp_path: Path) -> None:
    deep = "[" * 600 + "]" * 600
    bad = write_lines(
        tmp_path / "bad.jsonl",
        '{"id": "nan", "input": "x", "gold": NaN}',
        f'{{"id": "deep", "input": "x", "gold": {deep}}}',
    )
    with pytest.raises(UsageError, match="has 2 faults") as refused:
        await load(str(bad))
    assert "bad.jsonl:1: " in refused.value.message
    assert "bad.jsonl:2: it is nested deeper" in refused.value.message
    odd = write_lines(tmp_path / "odd.jsonl", '{"id": "a", "input": "\\ud800", "gold": "\\ud800"}')
    suite = await load(str(odd))
    suite.model_dump_json()
    assert suite.cases[0].gold == "\ufffd"
