"""What a log for Inspect says, read as the zip of JSON files that it is."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from bench_rows import manifest, row

from tasks.benchmark.cases import Case
from tasks.benchmark.inspect_log import write_logs
from tasks.benchmark.results import complete


def read(log: Path, name: str) -> Any:
    with zipfile.ZipFile(log) as files:
        return json.loads(files.read(name))


def test_figures_are_over_all_planned_units_by_each_rule(tmp_path: Path) -> None:
    cases = {
        name: Case(id=name, task=f"What is {name}?", gold="x", scorer=scorer)
        for name, scorer in (("a", "gaia/2023"), ("b/c", "gaia/2023"), ("d", "exact"))
    }
    plan = manifest(
        tuple(cases), scorers=("exact", "gaia/2023"), also=("gaia/magentic-one",), run="b1"
    )
    also = {"gaia/magentic-one": 1.0}
    found = complete(plan, [row("a", 1.0, also=also), row("d", 0.0, answer=None)])
    (log,) = write_logs(found, cases, lambda _run: [], tmp_path)
    header = read(log, "header.json")
    means = {item["name"]: item["metrics"]["mean"]["value"] for item in header["results"]["scores"]}
    assert means == {"exact": 0, "gaia/2023": 0.5, "gaia/magentic-one": 1 / 3}
    assert (header["results"]["total_samples"], header["results"]["completed_samples"]) == (3, 2)
    sample = read(log, "samples/a_epoch_1.json")
    assert (sample["input"], sample["target"]) == ("What is a?", "x")
    assert {name: score["value"] for name, score in sample["scores"].items()} == {
        "gaia/2023": 1, "gaia/magentic-one": 1
    }  # fmt: skip
    assert [item["id"] for item in read(log, "summaries.json")] == ["a", "d"]
    assert read(log, "samples/d_epoch_1.json")["output"]["completion"] == ""
