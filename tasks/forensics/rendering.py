"""Writes a conclusion down: Markdown, one HTML file that needs nothing else, JSON, and CSVs.

The same conclusion gives the same bytes. What comes from evidence is escaped for where it goes:
no live links, no images, no formulas, no control or direction characters.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tasks.forensics.atoms import Support
from tasks.forensics.claims import Affected, Checked, Claim, Result
from tasks.forensics.concluding import Conclusion
from tasks.forensics.custody import shown
from tasks.forensics.showing import rows_text
from tasks.forensics.team import unsaid
from tasks.forensics.verdict import WORDS, Finding, Verdict

TEMPLATES = Path(__file__).parent / "data"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "|", "%")
SCHEMA = "quaestor.forensics.report/1"
SHOWN_ROWS = 40


def rendered(conclusion: Conclusion) -> dict[str, bytes]:
    """Every file of the report by its name."""
    report = report_of(conclusion)
    text = json.dumps(report, indent=2, sort_keys=True, ensure_ascii=True)
    shown_values = {"r": report, "words": WORDS, "plots": _plots(conclusion)}
    files = {
        "report.json": f"{text}\n".encode(),
        "report.md": _render("report.md.j2", shown_values).encode(),
        "report.html": _render("report.html.j2", shown_values).encode(),
        "findings.csv": _findings(report),
        "affected_records.csv": _affected(report),
        "timeline.csv": _timeline(conclusion),
    }
    for number, plot in enumerate(conclusion.plots, start=1):
        files[f"plots/plot-{number}.png"] = plot.png
    return files


def report_of(conclusion: Conclusion) -> dict[str, Any]:
    """The report as one JSON value."""
    case, told, verdict = conclusion.case, conclusion.told, conclusion.verdict
    outcome = told.outcome
    return {
        "schema": SCHEMA,
        "case_id": case.case_id,
        "title": case.title,
        "question": case.question,
        "subject": case.subject,
        "period": [moment.isoformat() for moment in case.period] if case.period else None,
        "verdict": _verdict(verdict),
        "verdict_words": WORDS[verdict.word],
        "summary": _summary(conclusion),
        "claims": _merged([_claim(item, conclusion) for item in conclusion.verified]),
        "annex": [_claim(item, conclusion) for item in conclusion.checked if not item.is_verified],
        "affected": [_affected_value(item) for item in conclusion.affected],
        "exhibits": [
            {
                "id": item.id,
                "path": item.path,
                "kind": item.kind,
                "size": item.size,
                "sha256": item.sha256,
                "complete": item.whole,
                "tables": [table.name for table in item.tables],
            }
            for item in conclusion.intake.exhibits
        ],
        "left_out": [item.model_dump() for item in conclusion.custody.left_out[:200]],
        "warnings": list(conclusion.intake.warnings()),
        "run": told.run,
        "journal_head": told.head,
        "models": list(told.models),
        "outcome": outcome.outcome if outcome else "unfinished",
        "outcome_reason": outcome.reason if outcome else "",
        "spent": outcome.spent.model_dump(mode="json") if outcome else {},
        "playbook": {"version": conclusion.playbook.version, "sha256": conclusion.playbook.sha256},
        "plots": [{"title": plot.title, "sql": plot.sql} for plot in conclusion.plots],
        "counts": {"claims": len(conclusion.checked), "verified": len(conclusion.verified)},
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    """The verdict with the gaps of each mechanism in words."""
    told = verdict.model_dump(mode="json")
    for shown_finding, finding in zip(told["findings"], verdict.findings, strict=True):
        shown_finding["claims"] = list(finding.claims)
        shown_finding["missing"] = [f"{gap.test}: {gap.why}" for gap in finding.missing]
    return told


def _summary(conclusion: Conclusion) -> list[dict[str, Any]]:
    """The Writer's sentences, those whose claims still hold and say what they say."""
    verified = {item.claim.id: item.claim for item in conclusion.verified}
    kept = []
    for sentence in conclusion.told.summary:
        support = Support()
        for name in sentence.claims:
            if name in verified:
                support.add_text(verified[name].text)
                support.add_text(name)
        if set(sentence.claims) <= set(verified) and not unsaid(sentence.text, support):
            kept.append({"text": sentence.text, "claims": list(sentence.claims)})
    return kept


def _claim(item: Checked, conclusion: Conclusion) -> dict[str, Any]:
    claim = item.claim
    part = conclusion.playbook.tests().get(claim.test, (None, None))[0]
    return {
        "id": claim.id,
        "by": claim.by,
        "text": claim.text,
        "kind": claim.kind,
        "state": item.state,
        "why": item.why,
        "test": claim.test,
        "part": part,
        "outcome": claim.outcome,
        "direction": _direction(claim, part, conclusion.verdict.findings),
        "also": [],
        "refutes": claim.refutes,
        "reviewed": claim.id in conclusion.told.reviewed,
        "formulas": list(claim.formulas),
        "depends_on": list(claim.depends_on),
        "citations": [_citation(result) for result in item.results],
    }


def _merged(claims: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Claims that say and cite the same as an earlier one are named beside it."""
    kept: dict[tuple[str, ...], dict[str, Any]] = {}
    for claim in claims:
        said = (claim["text"], *(cited["id"] for cited in claim["citations"]))
        first = kept.setdefault(said, claim)
        if first is not claim:
            first["also"].append(claim["id"])
            first["reviewed"] = first["reviewed"] or claim["reviewed"]
    return list(kept.values())


def _direction(claim: Claim, part: str | None, findings: Sequence[Finding]) -> str:
    """For whom a claim speaks. Twins of what was not seen at all speak for nobody."""
    if claim.refutes:
        return "against"
    seen = {f.mechanism for f in findings if f.standing in ("supported", "open", "explained")}
    of_seen = claim.test.partition("/")[0] in seen
    if claim.outcome is None or part not in ("signal", "twin") or (part == "twin" and not of_seen):
        return "neutral"
    return "supports" if claim.outcome else "against"


def _citation(result: Result) -> dict[str, Any]:
    cited = result.citation
    what = (
        {"id": cited.id, "sql": cited.sql}
        if cited.kind == "query"
        else {"id": f"{cited.exhibit}:{cited.first}-{cited.last}", "sql": ""}
    )
    return {
        **what,
        "kind": cited.kind,
        "sha256": cited.sha256,
        "exhibits": list(result.exhibits),
        "columns": list(result.columns),
        "rows": [list(row) for row in result.rows[:SHOWN_ROWS]],
        "rows_in_all": len(result.rows),
        "problem": result.problem,
        "text": rows_text(result.columns, result.rows[:SHOWN_ROWS]),
    }


def _affected_value(item: Affected) -> dict[str, Any]:
    return {
        "mechanism": item.mechanism,
        "sql": item.citation.sql,
        "columns": list(item.columns),
        "rows": [list(row) for row in item.rows],
        "total": item.amount,
        "formula": item.formula,
    }


def _findings(report: dict[str, Any]) -> bytes:
    head = ("mechanism", "title", "standing", "claims", "exhibits", "missing")
    rows = [
        [*(f[name] for name in head[:3]), *(" ".join(f[name]) for name in head[3:])]
        for f in report["verdict"]["findings"]
    ]
    return csv_bytes(head, rows)


def _affected(report: dict[str, Any]) -> bytes:
    rows = [[item["mechanism"], *row] for item in report["affected"] for row in item["rows"]]
    columns = report["affected"][0]["columns"] if report["affected"] else ["record"]
    return csv_bytes(("mechanism", *columns), rows)


def _timeline(conclusion: Conclusion) -> bytes:
    """First and last event of each clock, and the affected records that name a time, in the
    columns that Timesketch imports."""
    rows: list[list[Any]] = []
    for exhibit, table in conclusion.intake.tables():
        for column in table.columns:
            for moment, which in ((column.first, "First"), (column.last, "Last")):
                if moment:
                    text = f"{which} event in {exhibit.id} {exhibit.path}"
                    rows.append([text, moment, f"{table.name}.{column.name}"])
    for item in conclusion.affected:
        if "time" in item.columns:
            place = item.columns.index("time")
            rows += [
                [f"{item.mechanism}: record {row[0]}", row[place], "affected record"]
                for row in item.rows
                if row[place]
            ]
    rows.sort(key=lambda row: (str(row[1]), str(row[0])))
    return csv_bytes(("message", "datetime", "timestamp_desc"), rows)


def csv_bytes(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """CSV that no spreadsheet takes for formulas."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([cell(name) for name in head])
    writer.writerows([cell(value) for value in row] for row in rows)
    return out.getvalue().encode("utf-8")


def cell(value: Any) -> Any:
    """A value as a cell: a text that begins like a formula gets a leading apostrophe."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = shown(str(value))
    return f"'{text}" if text.startswith(FORMULA) else text


def _plots(conclusion: Conclusion) -> list[dict[str, str]]:
    return [
        {
            "title": plot.title,
            "sql": plot.sql,
            "uri": f"data:image/png;base64,{base64.b64encode(plot.png).decode('ascii')}",
        }
        for plot in conclusion.plots
    ]


def _render(template: str, values: dict[str, Any]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=template.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(plain=defanged, md=markdown)
    return environment.get_template(template).render(values)


def defanged(text: Any) -> str:
    """Text of evidence for people: no control characters, and no address that can be clicked."""
    safe = shown(str(text).replace("\n", " ")) if text is not None else ""
    return re.sub(r"(?i)\bhttp(s?)://", r"hxxp\1://", safe)


def markdown(text: Any) -> str:
    """The same inside Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~-])", r"\\\1", defanged(text))
