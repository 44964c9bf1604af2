"""How much bad decision-making AutoGen tolerates, on twelve steps without a browser.

Success is the right answer; false is a normal end with a wrong one; honest is an error or a limit.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
import scenes
from measuring import last_json, run_product
from noisy_magentic import Noisy, marked
from performance_page import show
from products import AUTOGEN_PEER, staged

RATES = (0.0, 0.05, 0.1, 0.2, 0.4)
SEEDS = int(os.environ.get("BENCH_SEEDS", "40"))


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("mode", ["strict", "json"])
def test_autogen_under_a_model_that_errs(mode: str, tmp_path: Path) -> None:
    table = {}
    for rate in RATES:
        print(f"AutoGen {mode}, p = {rate} ...", flush=True)
        table[f"p = {rate:g}"] = _of_autogen(rate, mode, tmp_path / f"{mode}-{rate}")
    show(f"noisy-{mode}", table)
    assert table["p = 0"]["success %"] == "100"


def _of_autogen(rate: float, mode: str, folder: Path) -> dict[str, str]:
    noisy = Noisy()
    with staged(scenes.files(random.Random(rate)), folder) as stage:
        tasks = [marked(stage.scene.task, rate, seed) for seed in range(SEEDS)]
        command = AUTOGEN_PEER.command(
            stage, tasks=tasks, at_once=4, terminal="inside", turns=60, structured=mode == "strict"
        )
        environ = AUTOGEN_PEER.environ(stage)
        figures, _server = run_product(command, noisy, cwd=stage.folder, environ=environ)
        results = last_json(figures.output)["results"]
    ends = [_end(one, stage.scene.answer) for one in results]  # type: ignore[attr-defined]
    calls = sum(noisy.calls.values())
    return {
        **{
            f"{kind} %": f"{100 * ends.count(kind) / SEEDS:.0f}"
            for kind in ("success", "false", "honest")
        },
        "calls per success": f"{calls / ends.count('success'):.0f}" if "success" in ends else "-",
    }


def _end(result: dict[str, str | None], right: str) -> str:
    if right in (result["answer"] or ""):
        return "success"
    stopped = (result.get("stop") or "").startswith("Max")
    return "honest" if result.get("error") or stopped else "false"
