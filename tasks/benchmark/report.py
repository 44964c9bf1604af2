"""Writes what a benchmark run has shown: `report.json`, Markdown, and one HTML file that needs
nothing else. All three are made from the same figures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from orchestrator.models.llm import Frozen
from tasks.benchmark import plots
from tasks.benchmark.measures import Summary, summarize
from tasks.benchmark.outcomes import FAILURES, class_of, failures_of
from tasks.benchmark.results import Results
from tasks.benchmark.rows import UnitResult

SCHEMA = 1
TEMPLATES = Path(__file__).parent / "data"
LISTED = 500
"""Units that the pages list, those that need a look first; report.json holds all."""


class Written(Frozen):
    """Where the three files are."""

    json_file: Path
    markdown: Path
    html: Path


def write_report(results: Results, folder: Path) -> Written:
    """Make the three files in a folder, which is made when it is not there."""
    summaries = [summarize(results, system) for system in results.manifest.systems]
    folder.mkdir(parents=True, exist_ok=True)
    written = Written(
        json_file=folder / "report.json",
        markdown=folder / "report.md",
        html=folder / "report.html",
    )
    written.json_file.write_text(report_json(results, summaries), encoding="utf-8")
    shown = _shown(results, summaries)
    written.markdown.write_text(_render("report.md.j2", shown), encoding="utf-8")
    written.html.write_text(_render("report.html.j2", shown), encoding="utf-8")
    return written


def report_json(results: Results, summaries: list[Summary]) -> str:
    """Everything, and the flat table of units."""
    body = {
        "schema": SCHEMA,
        "manifest": results.manifest.model_dump(mode="json"),
        "manifest_sha256": results.manifest.sha256(),
        "planned": results.manifest.planned,
        "systems": [summary.model_dump(mode="json") for summary in summaries],
        "units": [_unit(row) for row in results.rows],
    }
    return json.dumps(body)


def _unit(row: UnitResult) -> dict[str, Any]:
    kind = {"class": class_of(row), "failures": failures_of(row)}
    return {**row.model_dump(mode="json"), **kind}


def _shown(results: Results, summaries: list[Summary]) -> dict[str, Any]:
    rows = sorted(results.rows, key=lambda row: class_of(row) == "correct")
    return {
        "manifest": results.manifest,
        "sha256": results.manifest.sha256(),
        "systems": [_system(results, summary) for summary in summaries],
        "units": [(row, class_of(row), failures_of(row)) for row in rows[:LISTED]],
        "units_in_all": len(rows),
        "failures": {failure.code: failure for failure, _ in FAILURES},
        "width": plots.WIDTH,
    }


def _system(results: Results, summary: Summary) -> dict[str, Any]:
    ran = [row for row in results.of(summary.system) if row.ended != "not_run"]
    costs = [row.usage.usd_micros for row in ran]
    return {
        "summary": summary,
        "stacked": plots.stacked(summary),
        "whiskers": plots.whiskers(summary),
        "walls": plots.histogram([row.times.wall for row in ran]),
        "costs": plots.histogram([cost / 1e6 for cost in costs if cost is not None]),
    }


def _render(template: str, shown: dict[str, Any]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=template.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=lambda share: f"{share:.1%}",
        usd=lambda micros: "unknown" if micros is None else f"${micros / 1e6:,.4f}",
        cell=lambda text: re.sub(r"([|\\`*_<>\[\]])", r"\\\1", " ".join(str(text).split())),
        number=lambda value: f"{value:,}",
        seconds=lambda value: f"{value:,.1f} s",
    )
    return environment.get_template(template).render(shown)
