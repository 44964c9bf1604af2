"""Intervals and tests against values that are known from tables or by counting."""

from __future__ import annotations

import math
import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.benchmark import intervals as iv


@pytest.mark.parametrize(
    ("right", "planned", "low", "high"),
    [
        (55, 165, 0.266, 0.408),
        (5, 26, 0.085, 0.379),
        (164, 164, 0.977, 1.0),
        (0, 10, 0.0, 0.278),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilsons_interval_is_the_one_in_the_tables(
    right: int, planned: int, low: float, high: float
) -> None:
    found = iv.wilson(right, planned)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))


@given(st.integers(0, 60), st.integers(1, 60))
def test_wilsons_interval_holds_its_share(right: int, more: int) -> None:
    found = iv.wilson(right, right + more)
    assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [(6, 0, 0.03125), (5, 0, 0.0625), (8, 1, 0.0390625), (7, 1, 0.0703), (10, 2, 0.0386),
     (0, 0, 1.0), (3, 3, 1.0)],
)  # fmt: skip
def test_mcnemar_counts_every_outcome(gained: int, lost: int, p: float) -> None:
    assert iv.mcnemar(gained, lost) == iv.mcnemar(lost, gained) == pytest.approx(p, abs=1e-4)


@pytest.mark.parametrize(("changed", "lost"), [(5, None), (6, 0), (8, 0), (9, 1), (12, 2)])
def test_the_smallest_change_that_shows_is_counted(changed: int, lost: int | None) -> None:
    assert iv.smallest_change(changed) == lost


def test_pass_at_k_is_the_share_of_all_choices_that_hold_a_right_one() -> None:
    attempts = [True, True, False, False, False]
    for k in range(1, 6):
        chosen = list(combinations(attempts, k))
        assert iv.pass_at(5, 2, k) == pytest.approx(sum(map(any, chosen)) / len(chosen))
        assert iv.pass_all(5, 2, k) == pytest.approx(sum(map(all, chosen)) / len(chosen))


def test_the_sign_flip_test_tries_every_sign() -> None:
    assert iv.sign_flip([1.0] * 6, seed=1) == pytest.approx(2 / 64)
    assert iv.sign_flip([0.5, -0.5], seed=1) == 1
    assert iv.sign_flip([0.0] * 9, seed=1) == 1
    many = iv.sign_flip([0.5] * 30 + [-0.5] * 5, seed=1)
    assert many < 0.001
    assert many == iv.sign_flip([0.5] * 30 + [-0.5] * 5, seed=1)


def test_the_bootstrap_agrees_with_the_normal_interval_and_repeats_itself() -> None:
    rng = random.Random(3)
    values = [float(rng.random() < 0.4) for _ in range(400)]
    found = iv.bootstrap(values, seed=5)
    error = iv.standard_error(values)
    assert error is not None
    assert found.low == pytest.approx(found.value - iv.Z * error, abs=0.01)
    assert found.high == pytest.approx(found.value + iv.Z * error, abs=0.01)
    assert found == iv.bootstrap(values, seed=5)


@pytest.mark.parametrize(
    ("freedom", "point"), [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (30, 2.042)]
)
def test_students_points_are_those_of_the_table(freedom: int, point: float) -> None:
    assert iv.student(freedom) == pytest.approx(point, rel=0.01)


def test_an_unpaired_difference_is_wider_than_either_share() -> None:
    found = iv.unpaired(iv.wilson(56, 70), iv.wilson(48, 80))
    # Newcombe 1998, table II, method 10: 0.2000 [0.0524, 0.3339]
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == (
        pytest.approx(0.0524, abs=1e-3),
        pytest.approx(0.3339, abs=1e-3),
    )


def test_a_quantile_lies_between_its_neighbours() -> None:
    assert iv.quantile([], 0.5) == 0
    assert iv.quantile([3.0], 0.9) == 3
    assert iv.quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.5
    assert math.isclose(iv.quantile(list(range(11)), 0.9), 9)
