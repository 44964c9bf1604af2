"""Prints how runs end against a model that errs in one call of so many:
`uv run pytest -q -s tests/bench/test_noisy.py` (SEEDS=40 runs of each)."""

from __future__ import annotations

import os
from pathlib import Path

from noisy import Player, measure

SEEDS = range(int(os.environ.get("SEEDS", "40")))
RATES = (0.0, 0.05, 0.1, 0.2, 0.4)
TARGETS = {0.1: 0.97, 0.2: 0.95}


async def test_runs_against_a_model_that_errs(tmp_path: Path) -> None:
    print("\n| rate | draws | right | false answers | honest failures | calls per success |")
    print("|---|---|---|---|---|---|")
    for same in (False, True):
        for p in RATES:
            tally = await measure(tmp_path / f"{p}{same}", SEEDS, Player(), p, same=same)
            print(tally.line(), flush=True)
            assert tally.right >= TARGETS.get(p, 0) * tally.runs, tally.losses
            if p <= 0.2:
                assert tally.wrong <= 0.01 * tally.runs, tally.losses
