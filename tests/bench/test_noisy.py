"""How runs end against a model that errs in one call of so many, seeded
(`BENCH_WRITE=1 uv run pytest -s tests/bench/test_noisy.py`; SEEDS=40 runs of each)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from noisy import Player, measure
from performance_page import show

SEEDS = range(int(os.environ.get("SEEDS", "40")))
RATES = (0.0, 0.05, 0.1, 0.2, 0.4)
TARGETS = {0.1: 0.97, 0.2: 0.95}


@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    ("same", "name"), [(False, "noisy-quaestor"), (True, "noisy-quaestor-same")]
)
async def test_runs_against_a_model_that_errs(tmp_path: Path, same: bool, name: str) -> None:
    table, losses = {}, []
    for p in RATES:
        tally = await measure(tmp_path / f"{p}", SEEDS, Player(), p, same=same)
        table[f"p = {p:g}"] = tally.cells()
        print(f"{name} p = {p:g}: {tally.cells()} {tally.losses}", flush=True)
        if tally.right < TARGETS.get(p, 0) * tally.runs or (p <= 0.2 and tally.wrong):
            losses += tally.losses
    show(name, table)
    assert losses == []
