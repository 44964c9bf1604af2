"""Concludes a case: reads the claims out of the run, checks all of them in a fresh lab, computes
the verdict, and looks up which records are affected and what marks its subject.

Whoever has the journal and the evidence gets the same conclusion; nothing else goes into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from orchestrator import events as ev
from orchestrator.errors import ToolFailed
from orchestrator.journal import Record
from tasks.forensics.alternatives import read_again
from tasks.forensics.board import PLOT, order_of
from tasks.forensics.casting import cast_of
from tasks.forensics.checking_claims import check_claims, unsaid
from tasks.forensics.claims import (
    CLAIM,
    LOOKED,
    REVIEWED,
    ROLES,
    SUMMARY,
    Affected,
    Checked,
    Claim,
    Looked,
    Query,
    Sentence,
)
from tasks.forensics.custody import Custody
from tasks.forensics.deciding import Docket
from tasks.forensics.intake import Intake
from tasks.forensics.lab import Lab
from tasks.forensics.manifest import Case
from tasks.forensics.playbook import Playbook, load_playbook, query_of
from tasks.forensics.reporting.content import CaseReport, Material, Plot, RunFacts, report_of
from tasks.forensics.reporting.overlaps import CaseMarks, Mark, mark_queries
from tasks.forensics.verdict import Finding, confirmed, verdict_of

PLOTS = 12
REFUSED = "a model refused to work on the case"
REFUSALS = ("refusal", "content_filter")
SHOWN = frozenset({"supported", "open"})


@dataclass(frozen=True, slots=True)
class Told:
    """What a run says of a case. `refused` names who, of lead and agents, was refused by the model
    when it was asked last."""

    run: str
    head: str
    claims: tuple[Claim, ...]
    reviewed: tuple[str, ...]
    roles: dict[str, str]
    plots: tuple[dict[str, Any], ...]
    summary: tuple[Sentence, ...]
    looked: tuple[Looked, ...]
    outcome: ev.Outcome | None
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The material of a report, and what marks the subject for a comparison with other cases."""

    material: Material
    marks: CaseMarks

    def report(self) -> CaseReport:
        """The report as a value."""
        return report_of(self.material)


def told_by(records: Sequence[Record]) -> Told:
    """What the records of a run say."""
    found: dict[str, list[Any]] = {name: [] for name in (CLAIM, REVIEWED, ROLES, PLOT, SUMMARY)}
    outcome: ev.Outcome | None = None
    looked: list[Looked] = []
    for record in records:
        if record.kind == "RunEnded" and record.body is not None:
            outcome = ev.Outcome.model_validate(record.body["outcome"])
        if record.kind == "Recorded" and record.body is not None:
            found.setdefault(record.body["schema_name"], []).append(record.body["body"])
            if record.body["schema_name"] == LOOKED:
                looked.append(Looked.model_validate(record.body["body"] | {"time": record.time}))
    claims = {body["claim"]["id"]: Claim.model_validate(body["claim"]) for body in found[CLAIM]}
    reviewed = {name for body in found[REVIEWED] for name in body["claims"]}
    roles = {body["by"]: body["roles"] for body in found[ROLES]}
    summary = found[SUMMARY][-1]["sentences"] if found[SUMMARY] else ()
    return Told(
        run=records[0].run if records else "",
        head=records[-1].hash if records else "",
        claims=tuple(sorted(claims.values(), key=lambda claim: order_of(claim.id))),
        reviewed=tuple(sorted(reviewed, key=order_of)),
        roles=roles.get("Examiner", {}),
        plots=tuple(found[PLOT][:PLOTS]),
        summary=tuple(Sentence.model_validate(item) for item in summary),
        looked=tuple(looked),
        outcome=outcome,
        refused=_refused(records),
    )


def _refused(records: Sequence[Record]) -> tuple[str, ...]:
    said: dict[str, Any] = {}
    ended: dict[str, tuple[str, str]] = {}
    for record in records:
        body = record.body or {}
        path = "/".join(record.key.split("/")[:3])
        if record.kind == "StepDone" and body.get("step") == "model":
            said[path] = body["value"]
            if path.endswith("/lead"):
                ended["lead"] = (path, "")
        elif record.kind == "Reported" and body:
            ended[body["agent"]] = (path, body["report"]["status"])
    return tuple(
        who
        for who, (path, status) in sorted(ended.items())
        if status != "done" and _is_refusal(said.get(path))
    )


def _is_refusal(reply: Any) -> bool:
    """A long reply is stored apart, and is none."""
    if not isinstance(reply, dict):
        return False
    return reply.get("fault") == "content_filter" or reply.get("finish") in REFUSALS


async def conclude(
    case: Case, custody: Custody, playbook: Playbook, told: Told, lab: Lab
) -> Conclusion:
    """The conclusion, from a lab that nobody has used."""
    await lab.ask_all(_known_ahead(case, playbook, told, lab.intake))
    first = await check_claims(told.claims, lab, told.looked)
    docket = await _docket(case, playbook, told, first, lab)
    verdict = verdict_of(docket, _stopped(told))
    shipped = load_playbook(None)
    if not playbook.decides_as(shipped):
        beside = await _docket(case, shipped, told, first, lab)
        verdict = confirmed(verdict, verdict_of(beside, _stopped(told)))
    shown = [finding for finding in verdict.findings if finding.standing in SHOWN]
    material = Material(
        case=case,
        custody=custody,
        docket=docket,
        verdict=verdict,
        affected=await _affected(shown, docket, lab),
        plots=await _plots(told, lab),
        summary=tuple(said for said in told.summary if _holds(said, docket.checked)),
        run=_facts(told, lab),
        looked=told.looked,
    )
    return Conclusion(material, await _marks(case, playbook, told, lab))


async def _docket(
    case: Case, playbook: Playbook, told: Told, claims: Sequence[Checked], lab: Lab
) -> Docket:
    subject = case.subject or ""
    readings = await read_again(claims, playbook, lab, subject, case.period)
    return Docket(
        checked=readings.checked,
        reviewed=frozenset(told.reviewed),
        playbook=playbook,
        intake=lab.intake,
        subject=subject,
        period=case.period,
        doubts=readings.doubts,
    )


def _known_ahead(case: Case, playbook: Playbook, told: Told, intake: Intake) -> list[str]:
    """What will be asked whatever comes out, so that it is asked at once."""
    cited = [c.sql for claim in told.claims for c in claim.citations if isinstance(c, Query)]
    drawn = [str(plot["query"]) for plot in told.plots]
    return [*cited, *drawn, *_mark_queries(case, playbook, told, intake).values()]


def _facts(told: Told, lab: Lab) -> RunFacts:
    outcome = told.outcome
    return RunFacts(
        run=told.run,
        head=told.head,
        models=outcome.models if outcome else (),
        image=lab.image,
        version=metadata.version("quaestor"),
        outcome=outcome.outcome if outcome else "unfinished",
    )


def _stopped(told: Told) -> str:
    outcome = told.outcome
    if outcome is None:
        return "the run has not ended"
    if outcome.outcome == "needs_human":
        return outcome.reason or "a person has to answer"
    if outcome.fault == "content_filter" or told.refused:
        return REFUSED
    if outcome.outcome == "gave_up" and not told.claims:
        return f"the team gave up without a claim: {outcome.reason or 'no reason is given'}"
    return ""


def _holds(sentence: Sentence, checked: Sequence[Checked]) -> bool:
    """Whether a sentence's claims all hold, and say what it says."""
    verified = {item.claim.id: item.claim for item in checked if item.is_verified}
    if not set(sentence.claims) <= set(verified):
        return False
    told = [f"{verified[name].text} {name}" for name in sentence.claims]
    return not unsaid(sentence.text, told)


async def _affected(findings: Sequence[Finding], docket: Docket, lab: Lab) -> tuple[Affected, ...]:
    """By the columns over which the finding was made."""
    known = {one.id: one for one in docket.playbook.mechanism}
    queries: dict[str, str] = {}
    for finding in findings:
        one = known[finding.mechanism]
        roles = _roles_behind(finding, docket)
        if not one.affected:
            continue
        try:
            queries[one.id] = query_of(
                one.affected, one.affected_needs, roles, docket.subject, docket.period
            )
        except ToolFailed:
            continue  # a role that nobody plays: the finding names what is missing
    answers = await lab.ask_all(list(queries.values()))
    return tuple(
        _touched(name, queries[name], answer)
        for name, answer in zip(queries, answers, strict=True)
        if not isinstance(answer, str)
    )


def _roles_behind(finding: Finding, docket: Docket) -> dict[str, str]:
    tests = [item.claim for item in docket.checked if item.claim.id in finding.inculpatory]
    return next((dict(claim.roles) for claim in tests if claim.roles), {})


def _touched(mechanism: str, sql: str, found: dict[str, Any]) -> Affected:
    amounts = [row[-1] for row in found["rows"] if isinstance(row[-1], (int, float))]
    formula = f"sum of {found['columns'][-1]} over {len(amounts)} records" if amounts else ""
    return Affected(
        mechanism=mechanism,
        citation=Query(id=f"affected-{mechanism}", sql=sql, sha256=found["sha256"]),
        columns=tuple(found["columns"]),
        rows=tuple(tuple(row) for row in found["rows"]),
        count=len(found["rows"]),
        amount=f"{sum(amounts):.10g}" if amounts else "",
        formula=formula,
    )


async def _plots(told: Told, lab: Lab) -> tuple[Plot, ...]:
    """Those whose query still gives what was drawn."""
    answers = await lab.ask_all([str(plot["query"]) for plot in told.plots])
    return tuple(
        Plot(
            title=_title(plot["title"], found["rows"]),
            kind=plot["kind"],
            sql=plot["query"],
            columns=tuple(found["columns"]),
            rows=tuple(tuple(row) for row in found["rows"]),
        )
        for plot, found in zip(told.plots, answers, strict=True)
        if not isinstance(found, str) and found["sha256"] == plot["sha256"]
    )


def _title(title: str, rows: Sequence[Sequence[Any]]) -> str:
    """A plot's title, where it says nothing that is not drawn."""
    told = [" ".join(map(str, row)) for row in rows]
    return "The result of the query" if unsaid(title, told) else title


async def _marks(case: Case, playbook: Playbook, told: Told, lab: Lab) -> CaseMarks:
    """Devices, cards, paid accounts and addresses of the subject."""
    queries = _mark_queries(case, playbook, told, lab.intake)
    answers = await lab.ask_all(list(queries.values()))
    marks = [
        Mark.model_validate({"kind": role.partition(".")[2], "role": role, "value": str(row[0])})
        for role, found in zip(queries, answers, strict=True)
        if not isinstance(found, str)
        for row in found["rows"]
    ]
    return CaseMarks(case_id=case.case_id, subject=case.subject or "", marks=tuple(marks))


def _mark_queries(case: Case, playbook: Playbook, told: Told, intake: Intake) -> dict[str, str]:
    if not case.subject:
        return {}
    cast = cast_of(playbook, intake)
    roles = {role: place for role, place in told.roles.items() if not cast.problem(role, place)}
    return mark_queries(playbook, roles, case.subject, case.period)
