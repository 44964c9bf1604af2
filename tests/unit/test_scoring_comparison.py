"""Comparing, estimating and judging a change: what may be said, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bench_rows import manifest, results, row, system, write
from cli_process import Cli

from orchestrator.errors import UsageError
from orchestrator.models.llm import Usage
from tasks.benchmark.comparison import Comparison, compare
from tasks.benchmark.estimate import estimate
from tasks.benchmark.gate import gate
from tasks.benchmark.measures import summarize
from tasks.benchmark.published import against_published, published, published_score
from tasks.benchmark.results import Results, complete
from tasks.benchmark.rows import Spent, Times

MANY = {f"t{number}": float(number % 2) for number in range(20)}


def compared(first: Results, second: Results, **more: Any) -> Comparison:
    return compare((first, first.manifest.systems[0]), (second, second.manifest.systems[0]), **more)


def test_a_pair_is_compared_task_by_task() -> None:
    better = {**MANY, **{f"t{number}": 1.0 for number in range(0, 14, 2)}, "t1": 0.0}
    found = compared(results(MANY), results(better))
    assert (found.tasks, found.first, found.second) == (20, 0.5, 0.8)
    assert (len(found.gained), found.lost) == (7, ("t1",))
    assert (found.test, found.p) == ("mcnemar", pytest.approx(0.0703, abs=1e-4))
    assert found.difference.low < 0.3 < found.difference.high
    assert "of 8 changed tasks, 8:0" in found.smallest
    assert found.micros == (400_000, 400_000)


def test_partial_scores_or_repeats_use_another_test() -> None:
    assert (
        compared(results({"a": 0.5, "b": 1.0}), results({"a": 0.7, "b": 1.0})).test == "sign-flip"
    )


def test_another_suite_or_scorer_is_refused_and_only_common_tasks_count() -> None:
    first, other = results({"a": 1.0, "b": 0.0}), results({"b": 1.0, "c": 1.0}, suite_sha256="1")
    with pytest.raises(UsageError, match="suites differ"):
        compared(first, other)
    found = compared(first, other, force=True)
    assert (found.tasks, found.left_out, found.gained) == (1, ("a", "c"), ("b",))
    assert "their suites differ" in found.warnings
    with pytest.raises(UsageError, match="no task in common"):
        compared(results({"a": 1.0}), results({"b": 1.0}))


def test_units_that_say_nothing_are_warned_about() -> None:
    found = compared(results({"a": 1.0, "b": 1.0}), results({"a": 1.0, "b": None}))
    assert any("0 in the first, 1 in the second" in warning for warning in found.warnings)


def test_the_published_figures_add_up() -> None:
    for score in published().scores:
        if score.right is not None:
            assert score.right / score.n == pytest.approx(score.score, abs=1e-4)
        if score.levels:
            assert sum(right for right, _ in score.levels.values()) == score.right
            assert sum(n for _, n in score.levels.values()) == score.n
        assert 0 < score.score < 1
    assert published_score("magentic-one/gpt-4o-o1/gaia").levels["3"] == (11, 48)


def test_a_published_score_is_set_beside_ours_with_all_that_differs() -> None:
    plan = manifest(
        tasks={"a": "1", "b": "2"},
        split="test",
        also=("gaia/magentic-one",),
        systems=(system(model="m-1"),),
    )
    rows = [row("a", 0.0, level="1", also={"gaia/magentic-one": 1.0}), row("b", 0.0, level="2")]
    ours = complete(plan, rows)
    summary = summarize(ours, plan.systems[0])
    found = against_published(plan, summary, published_score("magentic-one/gpt-4o/gaia"))
    assert [line.name for line in found.lines] == ["all", "level 1", "level 2"]
    assert found.lines[0].ours.value == 0.5  # by their rule, not by ours
    assert found.lines[0].theirs.value == pytest.approx(0.3233)
    assert found.lines[0].difference.low < 0 < found.lines[0].difference.high
    said = "\n".join(found.differs)
    for expected in ("tasks: ours 2, theirs 300", "models: ours m-1", "hidden", "2024-11-07"):
        assert expected in said


def test_another_split_or_benchmark_is_refused() -> None:
    ours = results({"a": 1.0})
    summary = summarize(ours, ours.manifest.systems[0])
    theirs = published_score("magentic-one/gpt-4o/gaia")
    with pytest.raises(UsageError, match="other tasks"):
        against_published(ours.manifest, summary, theirs)
    allowed = against_published(ours.manifest, summary, theirs, other_split=True)
    assert "split: ours validation, theirs test" in allowed.differs
    assert any(line.startswith("scorer:") for line in allowed.differs)
    with pytest.raises(UsageError, match="the figure of assistantbench"):
        against_published(ours.manifest, summary, published_score("magentic-ui/o4-mini/a"))
    with pytest.raises(UsageError, match="fits several"):
        published_score("magentic-one")


def priced(task: str, usd: float | None, wall: float) -> Any:
    micros = None if usd is None else round(usd * 1e6)
    spent = (Spent(role="lead", model="m", usage=Usage(calls=1, usd_micros=micros)),)
    return row(task, spent=spent, times=Times(wall=wall))


def test_an_estimate_is_wide_for_a_small_pilot_and_holds_the_truth() -> None:
    pilot = [priced(f"t{n}", usd, 60 * usd) for n, usd in enumerate((0.5, 1.0, 2.0, 1.5))]
    found = estimate(pilot, units=100, parallel=4)
    assert found.usd is not None
    assert found.usd.value == pytest.approx(125)
    assert found.usd.low < 60
    assert found.usd.high > 200
    assert found.hours.value == pytest.approx(100 * 75 / 4 / 3600)
    more = estimate(pilot * 10, units=100, parallel=4)
    assert more.usd is not None
    assert more.usd.high - more.usd.low < (found.usd.high - found.usd.low) / 2


def test_an_estimate_is_never_faster_than_the_longest_unit_and_never_guesses_a_price() -> None:
    pilot = [priced("a", None, 100.0), priced("b", 1.0, 3600.0), priced("c", 1.0, 100.0)]
    found = estimate(pilot, units=3, parallel=50)
    assert found.usd is None
    assert found.hours.low >= 1.0
    with pytest.raises(UsageError, match="too few"):
        estimate([*pilot[:2], row("d", None, ended="infra")], units=3, parallel=1)


@pytest.mark.parametrize(
    ("baseline", "candidate", "max_drop", "code", "said"),
    [
        (MANY, MANY, 0.0, 0, "0.5000 before, 0.5000 now"),
        (MANY, {**MANY, "t0": 1.0}, 0.0, 0, "now"),
        (MANY, {**MANY, "t1": 0.0}, 0.0, 1, "worse by 0.0500"),
        (MANY, {**MANY, "t1": 0.0}, 0.05, 0, "now"),
        (MANY, {**MANY, "t1": 0.0}, 0.02, 1, "lost: t1"),
        (MANY, {**MANY, "t1": None}, 0.5, 2, "1 missing"),
        ({**MANY, "t1": None}, MANY, 0.5, 2, "the baseline"),
        (MANY, {**MANY, "new": 1.0}, 0.5, 2, "different tasks"),
        (MANY, {"other": 1.0}, 0.5, 2, "no task in common"),
    ],
)
def test_a_gate_passes_blocks_or_cannot_judge(
    baseline: dict[str, float | None],
    candidate: dict[str, float | None],
    max_drop: float,
    code: int,
    said: str,
) -> None:
    verdict = gate(results(baseline), results(candidate), max_drop=max_drop)
    assert verdict.code == code
    assert said in " ".join(verdict.reasons)


@pytest.mark.parametrize(
    "more", [{"ended": "infra"}, {"signals": {"captcha": 1}}, {"fault": "rate_limit"}]
)
def test_an_outage_is_never_a_pass(more: dict[str, Any]) -> None:
    plan = manifest(("a", "b"))
    candidate = complete(plan, [row("a"), row("b", 0.0, **more)])
    assert gate(results({"a": 1.0, "b": 1.0}), candidate, max_drop=0.9).code == 2
    assert gate(results({"a": 1.0, "b": 0.0}), candidate, max_drop=0.9).code == 2


def test_the_commands_say_the_same_as_files_and_exit_codes(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    cli.prepare()
    first = str(write(tmp_path / "first", results(MANY)))
    second = str(write(tmp_path / "second", results({**MANY, "t1": 0.0})))
    made = cli("bench", "report", first, "--out", str(tmp_path / "out"))
    assert (made.returncode, len(made.stdout.splitlines())) == (0, 3)
    assert all(Path(line).is_file() for line in made.stdout.splitlines())
    shown = cli("bench", "compare", first, str(tmp_path / "second"))
    assert "first 50.0%, second 45.0%" in shown.stdout
    assert "lost 1: t1" in shown.stdout
    assert cli("bench", "gate", second, "--baseline", first).returncode == 1
    told = cli("bench", "estimate", first, "--units", "1000", "--parallel", "10")
    assert "cost   $20.00 [20.00, 20.00]" in told.stdout
