"""Writes a report as files: JSON, Markdown, one HTML page that needs nothing else, and tables.

All are made from the same value, and equal values make equal bytes. The page holds no script, and
its policy lets nothing be loaded.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.canonical import canonical
from tasks.forensics.reporting import drawing, escaping, tables
from tasks.forensics.reporting.content import SEEN, CaseReport, Material, annex_of, first_ids

TEMPLATES = Path(__file__).parent / "data"
REPORTS = ("report.md.j2", "report.html.j2")
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)


def rendered(report: CaseReport) -> dict[str, bytes]:
    """Every file of a report by its name."""
    events, undated = tables.timeline(report)
    first = first_ids(report.claims)
    shown = {
        "r": report,
        "policy": POLICY,
        "seen": SEEN,
        "gaps": report.gaps,
        "titles": {finding.mechanism: finding.title for finding in report.verdict.findings},
        "once": lambda ids: list(dict.fromkeys(first.get(name, name) for name in ids)),
        "plots": [(plot, drawing.drawn(plot)) for plot in report.plots],
        "timeline": events[:200],
        "events": len(events),
        "undated": undated,
        "width": drawing.WIDTH,
        "left": drawing.LEFT,
        "labels": drawing.LABELS,
        "bottom": drawing.BOTTOM,
    }
    return {
        "report.json": report_json(report),
        "report.md": render(REPORTS[0], shown).encode("utf-8"),
        "report.html": render(REPORTS[1], shown).encode("utf-8"),
        "findings.csv": tables.findings_csv(report),
        "claims.csv": tables.claims_csv(report),
        "affected_records.csv": tables.affected_csv(report),
        "timeline.csv": tables.timeline_csv(report),
    }


def report_json(report: CaseReport) -> bytes:
    """The report as canonical JSON. Text of evidence stands in it as it is, escaped by JSON."""
    return f"{canonical(report.model_dump(mode='json'))}\n".encode("utf-8", "backslashreplace")


def annex_json(material: Material) -> bytes:
    """The claims that do not hold, each with what it says and why it does not."""
    items = [item.model_dump(mode="json") for item in annex_of(material)]
    return f"{canonical(items)}\n".encode("utf-8", "backslashreplace")


def render(template: str, shown: dict[str, Any]) -> str:
    """A template with its values; a name that is missing is an error."""
    return str(_template(template).render(shown))


@cache
def _template(name: str) -> Any:
    """A template, compiled once in a process."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=name.endswith(".html.j2"),
        undefined=StrictUndefined,
        finalize=escaping.printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        plain=escaping.plain,
        safe_text=escaping.defanged,
        lines=escaping.several_lines,
        md=escaping.markdown,
        moment=escaping.moment,
        times=escaping.times,
        number=lambda value: f"{value:,}",
        short=lambda text: text[:12],
        script_text=Markup,
    )
    return environment.get_template(name)


def load_templates() -> None:
    """Compile the templates of a report before the first is wanted."""
    for name in REPORTS:
        _template(name)
