"""From rows to figures: denominators first, and nothing that drops out of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from bench_rows import manifest, read_json, results, row, system, write

from agents.web_surfer.closing import closed_by
from orchestrator.errors import UsageError
from orchestrator.models.llm import Usage
from tasks.benchmark.contamination import BLOCKED, named_in, names_in
from tasks.benchmark.intervals import wilson
from tasks.benchmark.manifest import check_resume, check_search, unit_id
from tasks.benchmark.measures import summarize
from tasks.benchmark.report import write_report
from tasks.benchmark.results import complete, read_results
from tasks.benchmark.rows import Spent


def test_a_unit_that_never_ran_stays_in_the_denominator() -> None:
    found = results({"a": 1.0, "b": 0.0, "c": None, "d": None})
    summary = summarize(found, found.manifest.systems[0])
    assert (summary.planned, summary.finished, summary.score.value) == (4, 2, 0.25)
    assert summary.without_infra.value == 0.5
    assert summary.set_apart["missing"] == 2
    assert sum(summary.classes.values()) == 4


def test_a_row_that_was_not_planned_or_is_there_twice_is_refused() -> None:
    plan = manifest(("a",))
    with pytest.raises(UsageError, match="not in the manifest"):
        complete(plan, [row("z")])
    with pytest.raises(UsageError, match="not in the manifest"):
        complete(plan, [row("a", repeat=2)])
    with pytest.raises(UsageError, match="two rows"):
        complete(plan, [row("a"), row("a", 0.0)])


def test_repeats_are_not_pooled_as_if_they_were_independent() -> None:
    plan = manifest([f"t{n}" for n in range(40)], repeats=5)
    rows = [
        row(task, float(number % 2), repeat=repeat)
        for number, task in enumerate(plan.tasks)
        for repeat in range(1, 6)
    ]
    summary = summarize(complete(plan, rows), plan.systems[0])
    pooled = wilson(100, 200)
    assert summary.score.value == summary.of_one_unit.value == 0.5
    for found in (summary.score, summary.of_one_unit, summary.without_infra):
        assert found.high - found.low > 1.8 * (pooled.high - pooled.low)
    assert summary.repeats.pass_at == {1: 0.5, 2: 0.5, 4: 0.5, 5: 0.5}
    assert summary.repeats.flipped == 0


def test_a_flaky_task_shows_in_pass_at_k_and_as_a_flip() -> None:
    plan = manifest(("a", "b"), repeats=2)
    rows = [row("a", 1.0), row("a", 0.0, repeat=2), row("b", 1.0), row("b", 1.0, repeat=2)]
    repeats = summarize(complete(plan, rows), plan.systems[0]).repeats
    assert (repeats.pass_at, repeats.pass_all) == ({1: 0.75, 2: 1.0}, {1: 0.75, 2: 0.5})
    assert repeats.flipped == 0.5


def test_an_unknown_price_is_unknown_and_not_zero() -> None:
    plan = manifest(("a", "b"))
    free = Spent(role="Coder", model="local", usage=Usage(calls=1, usd_micros=None))
    cost = summarize(complete(plan, [row("a"), row("b", spent=(free,))]), plan.systems[0]).cost
    assert (cost.usage.usd_micros, cost.per_unit, cost.per_right) == (None, None, None)
    assert cost.unpriced_units == 1
    assert cost.by_role["lead (m-1)"].usd_micros == 20_000


def test_what_killed_attempts_cost_is_counted() -> None:
    plan = manifest(("a",))
    wasted = Usage(calls=9, usd_micros=5_000)
    cost = summarize(complete(plan, [row("a", attempts=2, wasted=wasted)]), plan.systems[0]).cost
    assert (cost.wasted.calls, cost.usage.usd_micros, cost.per_right) == (9, 25_000, 25_000)


def test_levels_tags_and_other_rules_have_their_own_figures() -> None:
    plan = manifest(tasks={"a": "1", "b": "1", "c": "2"}, also=("gaia/magentic-one",))
    rows = [
        row("a", 1.0, level="1", tags=("web",), also={"gaia/magentic-one": 1.0}),
        row("b", 0.0, level="1", also={"gaia/magentic-one": 0.0}),
    ]
    summary = summarize(complete(plan, rows), plan.systems[0])
    assert [(group.name, group.right, group.planned) for group in summary.levels] == [
        ("1", 1, 2),
        ("2", 0, 1),
    ]
    assert summary.tags[0].planned == 1
    assert summary.also["gaia/magentic-one"].share.value == pytest.approx(1 / 3)


def test_the_report_is_three_files_and_the_json_reads_back(tmp_path: Path) -> None:
    plan = manifest(
        tasks={"a": "1", "<b>|": "2"}, systems=(system("one"), system("two")), also=("exact",)
    )
    rows = [
        row("a", 1.0, system="one", level="1"),
        row("<b>|", 0.0, system="one", level="2", reason="x | y", signals={"loops": 1}),
        row("a", 0.5, system="two", level="1"),
    ]
    found = complete(plan, rows)
    written = write_report(found, tmp_path / "out")
    assert read_results(written.json_file) == found
    report = read_json(written.json_file)
    assert [unit["class"] for unit in report["units"]] == ["correct", "wrong", "partial", "missing"]
    assert report["units"][1]["failures"] == ["repeated-steps"]
    html = written.html.read_text(encoding="utf-8")
    assert "&lt;b&gt;|" in html
    assert "<b>|" not in html
    assert html.count("<svg") >= 6
    assert not re.search(r"""(src|href)\s*=|url\(|@import|<script""", html)
    assert "\\<b\\>\\|" in written.markdown.read_text(encoding="utf-8")
    assert write_report(found, tmp_path / "again").html.read_text("utf-8") == html


def test_results_are_read_from_a_folder_and_bad_ones_are_named(tmp_path: Path) -> None:
    found = results({"a": 1.0, "b": None})
    assert read_results(write(tmp_path / "r", found)) == found
    (tmp_path / "r" / "units.jsonl").write_text(json.dumps({"task": "a"}), encoding="utf-8")
    with pytest.raises(UsageError, match="UnitResult, unit: Field required"):
        read_results(tmp_path / "r")
    with pytest.raises(UsageError, match="holds no results"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"suite_sha256": "1" * 64}, "suite_sha256"),
        ({"systems": (system(search="brave"),)}, "systems.0.search: 'none' before, 'brave' now"),
        ({"systems": (system(prompts="e" * 64),)}, "systems.0.prompts"),
        ({"scorers": ("exact",)}, "scorers.0"),
        ({"tasks": {"a": ""}}, "tasks: 2 before, 1 now"),
        ({"versions": {"quaestor": "2"}}, "versions.quaestor"),
    ],
)
def test_going_on_with_another_configuration_is_refused(
    change: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        check_resume(manifest(), manifest(**change))
    assert said in caught.value.message
    assert "--fork" in (caught.value.fix or "")


def test_going_on_with_the_same_or_with_more_repeats_is_allowed() -> None:
    check_resume(manifest(run="one", created="then"), manifest(run="two", created="now"))
    check_resume(manifest(), manifest(repeats=3))
    with pytest.raises(UsageError, match="repeats"):
        check_resume(manifest(repeats=3), manifest())


def test_a_unit_keeps_its_name_as_long_as_nothing_that_counts_changes() -> None:
    plan = manifest()
    name = unit_id(plan, plan.systems[0], "a", 1)
    assert name == unit_id(manifest(repeats=9), plan.systems[0], "a", 1)
    assert name != unit_id(plan, plan.systems[0], "a", 2)
    assert name != unit_id(plan, system(model="m-2"), "a", 1)


def test_many_units_do_not_search_through_a_page_that_refuses_robots() -> None:
    check_search("duckduckgo", 20)
    check_search("brave", 500)
    check_search("duckduckgo", 500, force=True)
    with pytest.raises(UsageError, match="21 units"):
        check_search("duckduckgo", 21)


def test_urls_that_name_a_benchmark_are_counted() -> None:
    urls = ["https://x.org/?q=AssistantBench%20answers", "https://x.org/assistantbench", "y"]
    assert names_in(urls) == {"assistantbench": 2}
    assert named_in("https://x.org/weather") is None


def test_every_place_of_the_list_closes_itself() -> None:
    assert [closed_by(f"https://{place}", BLOCKED) for place in BLOCKED] == list(BLOCKED)
