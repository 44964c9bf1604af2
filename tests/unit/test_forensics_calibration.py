"""Calibration: shares with bounds, over cases whose truth is known."""

from __future__ import annotations

from pathlib import Path

import pytest
from forensics_values import FOR, all_of, intake_of, material_of, ran
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import UsageError
from tasks.forensics.calibration import (
    Judged,
    Label,
    agreement,
    blind_sample,
    bound_of,
    judged_in,
    lines_of,
    measured,
    read_labels,
)
from tasks.forensics.reporting.content import report_of
from tasks.forensics.reporting.pages import rendered


def labels(true: int, innocent: int) -> list[Label]:
    return [
        *(Label(case_id=f"t{n}", truth="supported", mechanisms=("ring",)) for n in range(true)),
        *(Label(case_id=f"i{n}", truth="not_supported") for n in range(innocent)),
    ]


def perfect(true: int, innocent: int) -> list[Judged]:
    return [
        *(
            Judged(case_id=f"t{n}", word="allegation_supported", mechanisms=("ring",))
            for n in range(true)
        ),
        *(Judged(case_id=f"i{n}", word="not_supported") for n in range(innocent)),
    ]


def test_a_perfect_team_is_only_as_good_as_its_number_of_cases_allows() -> None:
    few, many = measured(labels(5, 5), perfect(5, 5)), measured(labels(200, 200), perfect(200, 200))
    assert few.words[0].precision.value == many.words[0].precision.value == 1.0
    assert few.words[0].precision.low == pytest.approx(0.5655, abs=1e-3)
    assert many.words[0].precision.low > 0.98
    assert few.accused.high == pytest.approx(0.4345, abs=1e-3)


def test_nothing_measured_claims_nothing() -> None:
    found = measured(
        [Label(case_id="x", truth="supported")], [Judged(case_id="y", word="inconclusive")]
    )
    assert (found.cases, found.unjudged, found.unlabelled) == (0, ("x",), ("y",))
    assert "at least 0%" in bound_of(found)
    assert "at most 100% are accused" in bound_of(found)


def test_an_accused_innocent_and_a_cleared_true_case_are_counted_apart() -> None:
    verdicts = perfect(10, 10)
    verdicts[0] = Judged(case_id="t0", word="not_supported")
    verdicts[10] = Judged(case_id="i0", word="partly_supported", mechanisms=("ring",))
    verdicts[11] = Judged(case_id="i1", word="inconclusive")
    found = measured(labels(10, 10), verdicts)
    assert (found.accused.value, found.cleared.value) == (0.1, 0.1)
    assert found.settled.value == 0.95
    (ring,) = found.mechanisms
    assert (ring.given, ring.deserved, ring.right) == (10, 10, 9)


def test_a_case_without_known_mechanism_says_nothing_of_mechanisms() -> None:
    found = measured(
        [Label(case_id="t0", truth="supported")],
        [Judged(case_id="t0", word="allegation_supported", mechanisms=("ring",))],
    )
    assert found.mechanisms == ()


def test_two_runs_are_compared_case_by_case() -> None:
    first, second = perfect(4, 4), perfect(4, 4)
    assert agreement(first, second).kappa == 1.0
    second[0] = Judged(case_id="t0", word="inconclusive")
    found = agreement(first, second[:-1])
    assert (found.cases, found.differ) == (7, ("t0",))
    assert found.kappa is not None
    assert 0 < found.kappa < 1
    assert agreement(first[:4], perfect(4, 0)).kappa is None
    assert any(
        "they differ on t0" in line for line in lines_of(measured(labels(4, 4), first, second))
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("case,label\na,supported\n", "no column case_id"),
        ("case_id,label\na,guilty\n", "line 2: label 'guilty' has to be supported or"),
        ("case_id,label\na,supported\na,supported\n", "line 3: a is labelled in line 2 already"),
        ("case_id,label\n,supported\n", "line 2: case_id is empty"),
        ("case_id,label\n", "holds 0 labels"),
    ],
)
def test_labels_that_cannot_be_used_are_refused_by_line(text: str, fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        read_labels(text.encode(), "labels.csv")


def test_labels_are_read_with_several_mechanisms_and_a_byte_order_mark() -> None:
    text = "\ufeffcase_id,label,mechanism\na,supported,ring; click-flooding\nb,not_supported,\n"
    first, second = read_labels(text.encode(), "labels.csv")
    assert first.mechanisms == ("click-flooding", "ring")
    assert second.mechanisms == ()


def test_verdicts_are_read_from_the_reports_of_a_batch(tmp_path: Path) -> None:
    intake = intake_of()
    made = material_of([ran(n, FOR[n], intake) for n in all_of("click-flooding")], intake)
    place = tmp_path / "cases" / "case-7"
    place.mkdir(parents=True)
    (place / "report.json").write_bytes(rendered(report_of(made))["report.json"])
    (found,) = judged_in(tmp_path)
    assert (found.case_id, found.word) == ("case-7", "allegation_supported")
    assert found.mechanisms == ("click-flooding",)
    with pytest.raises(UsageError, match="no report of a case"):
        judged_in(tmp_path / "cases")


@given(
    st.sets(st.text("abcdef0123", min_size=1, max_size=6), min_size=1, max_size=60), st.integers()
)
def test_a_blind_sample_is_the_same_for_a_seed_and_grows_by_addition(
    cases: set[str], seed: int
) -> None:
    small, large = blind_sample(sorted(cases), 0.05, seed), blind_sample(list(cases), 0.5, seed)
    assert small == blind_sample(sorted(cases, reverse=True), 0.05, seed)
    assert len(small) >= 1
    assert set(small) <= set(large) <= cases


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01])
def test_a_sample_of_nothing_or_more_than_all_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="above 0 %"):
        blind_sample(["a"], share, 1)
