"""Concludes a case: reads the claims out of the run, checks all of them in a fresh lab, computes
the verdict, and looks up which records are affected.

Whoever has the journal and the evidence gets the same conclusion; nothing else goes into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator import events as ev
from orchestrator.errors import ToolFailed
from orchestrator.journal import Record
from tasks.forensics.board import PLOT, Sentence, order_of
from tasks.forensics.checking_claims import check_claims
from tasks.forensics.claims import CLAIM, REVIEWED, ROLES, SUMMARY, Affected, Checked, Claim, Query
from tasks.forensics.custody import Custody
from tasks.forensics.deciding import Docket
from tasks.forensics.intake import Intake
from tasks.forensics.lab import Lab
from tasks.forensics.manifest import Case
from tasks.forensics.playbook import Mechanism, Playbook, query_of
from tasks.forensics.verdict import Verdict, verdict_of

PLOTS = 12
REFUSED = "a model refused to work on the case"


@dataclass(frozen=True, slots=True)
class Told:
    """What a run says of a case."""

    run: str
    head: str
    claims: tuple[Claim, ...]
    reviewed: tuple[str, ...]
    roles: dict[str, str]
    plots: tuple[dict[str, Any], ...]
    summary: tuple[Sentence, ...]
    outcome: ev.Outcome | None
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture with the query beneath it."""

    title: str
    sql: str
    png: bytes


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Everything that a report is made of."""

    case: Case
    custody: Custody
    intake: Intake
    playbook: Playbook
    told: Told
    checked: tuple[Checked, ...]
    verdict: Verdict
    affected: tuple[Affected, ...]
    plots: tuple[Plot, ...]
    image: str

    @property
    def verified(self) -> tuple[Checked, ...]:
        """The claims that may stand in the report."""
        return tuple(item for item in self.checked if item.is_verified)


def told_by(records: Sequence[Record]) -> Told:
    """What the records of a run say."""
    claims: dict[str, Claim] = {}
    reviewed: set[str] = set()
    roles: dict[str, dict[str, str]] = {}
    plots: list[dict[str, Any]] = []
    summary: tuple[Sentence, ...] = ()
    outcome: ev.Outcome | None = None
    for record in records:
        if record.kind == "RunEnded" and record.body is not None:
            outcome = ev.Outcome.model_validate(record.body["outcome"])
        if record.kind != "Recorded" or record.body is None:
            continue
        body = record.body["body"]
        match record.body["schema_name"]:
            case name if name == CLAIM:
                claim = Claim.model_validate(body["claim"])
                claims[claim.id] = claim
            case name if name == REVIEWED:
                reviewed |= set(body["claims"])
            case name if name == ROLES:
                roles[body["by"]] = body["roles"]
            case name if name == PLOT:
                plots.append(body)
            case name if name == SUMMARY:
                summary = tuple(Sentence.model_validate(item) for item in body["sentences"])
    return Told(
        run=records[0].run if records else "",
        head=records[-1].hash if records else "",
        claims=tuple(sorted(claims.values(), key=lambda claim: order_of(claim.id))),
        reviewed=tuple(sorted(reviewed, key=order_of)),
        roles=roles.get("Examiner", {}),
        plots=tuple(plots[:PLOTS]),
        summary=summary,
        outcome=outcome,
        models=outcome.models if outcome else (),
    )


async def conclude(
    case: Case, custody: Custody, playbook: Playbook, told: Told, lab: Lab
) -> Conclusion:
    """The conclusion, from a lab that nobody has used."""
    checked = await check_claims(told.claims, lab)
    docket = Docket(
        checked=checked,
        reviewed=frozenset(told.reviewed),
        playbook=playbook,
        intake=lab.intake,
        subject=case.subject or "",
        period=case.period,
    )
    verdict = verdict_of(docket, _stopped(told))
    shown = {f.mechanism for f in verdict.findings if f.standing in ("supported", "open")}
    affected = [
        found
        for mechanism in playbook.mechanism
        if mechanism.id in shown and (found := await _affected(mechanism, case, told, lab))
    ]
    plots = [drawn for plot in told.plots if (drawn := await _plot(plot, lab))]
    return Conclusion(
        case=case,
        custody=custody,
        intake=lab.intake,
        playbook=playbook,
        told=told,
        checked=checked,
        verdict=verdict,
        affected=tuple(affected),
        plots=tuple(plots),
        image=lab.image,
    )


def _stopped(told: Told) -> str:
    outcome = told.outcome
    if outcome is None:
        return "the run has not ended"
    if outcome.outcome == "needs_human":
        return outcome.reason or "a person has to answer"
    return REFUSED if outcome.fault == "content_filter" else ""


async def _affected(mechanism: Mechanism, case: Case, told: Told, lab: Lab) -> Affected | None:
    if not mechanism.affected:
        return None
    try:
        sql = query_of(
            mechanism.affected,
            mechanism.affected_needs,
            told.roles,
            case.subject or "",
            case.period,
        )
        found = await lab.ask({"op": "sql", "query": sql})
    except ToolFailed:
        return None
    amounts = [row[-1] for row in found["rows"] if isinstance(row[-1], (int, float))]
    total = f"{round(sum(amounts), 6):g}" if amounts else ""
    formula = f"sum of {found['columns'][-1]} over {len(amounts)} records" if amounts else ""
    return Affected(
        mechanism=mechanism.id,
        citation=Query(id=f"affected-{mechanism.id}", sql=sql, sha256=found["sha256"]),
        columns=tuple(found["columns"]),
        rows=tuple(tuple(row) for row in found["rows"]),
        count=len(found["rows"]),
        amount=total,
        formula=formula,
    )


async def _plot(plot: dict[str, Any], lab: Lab) -> Plot | None:
    """Drawn again; left out when its query gives something else by now."""
    request = {name: plot[name] for name in ("query", "kind", "title")}
    try:
        found = await lab.ask({"op": "plot", **request})
    except ToolFailed:
        return None
    if found["sha256"] != plot["sha256"]:
        return None
    return Plot(str(plot["title"]), str(plot["query"]), await lab.picture(found["file"]))
