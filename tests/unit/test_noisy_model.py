"""A model that errs: the run ends with the right answer, or says that it has none.

CI plays few seeds, deterministically; SOAK=1 plays forty of each.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import Bench
from noisy import SPOIL, TASK, Noisy, Player, make_files, make_team, measure, right_answer
from sampling import sampled

SEEDS = sampled(range(40), 2)
WIDE, ONE_BY_ONE = Player(), Player(width=1, direct=False)


@pytest.mark.parametrize("same", [False, True], ids=["independent", "same prompt, same error"])
@pytest.mark.parametrize("player", [WIDE, ONE_BY_ONE], ids=["wide", "one by one"])
async def test_twelve_steps_survive_a_model_that_errs_in_one_call_of_five(
    tmp_path: Path, player: Player, same: bool
) -> None:
    seeds = SEEDS if player is WIDE else SEEDS[: max(2, len(SEEDS) // 2)]
    tally = await measure(tmp_path, seeds, player, 0.2, same=same)
    assert tally.wrong <= 0.01 * tally.runs, tally.losses
    assert tally.right >= 0.95 * tally.runs, tally.losses


@pytest.mark.parametrize("kind", sorted(SPOIL))
@pytest.mark.parametrize("times", [1, 2])
async def test_no_kind_of_error_makes_a_false_answer(bench: Bench, kind: str, times: int) -> None:
    """The first calls that fit are spoiled this way; all others are right."""
    files = make_files(1)
    noisy = Noisy(WIDE, 1.0, 1, kinds=(kind,), times=times)
    outcome = await bench.run(noisy, agents=make_team(files), task=TASK, without=())
    assert noisy.erred[kind] > 0
    if outcome.outcome != "answered":
        assert (times, outcome.outcome) == (2, "partial"), outcome.reason
        return
    assert f"{float(right_answer(files)):.2f}".rstrip("0").rstrip(".") in str(outcome.answer)
