"""A run as Markdown for people: task, ledger, rounds, outcome. Reads a state, nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import indent

from orchestrator import events as ev
from orchestrator.agent import Evidence
from orchestrator.state import State, Turn


def transcript(state: State, outcome: ev.Outcome | None) -> str:
    """The whole run."""
    parts = [task_text(state), *(round_text(turn) for turn in state.turns), ledger_text(state)]
    if outcome is not None:
        parts.append(outcome_text(outcome))
    return "\n\n".join(parts) + "\n"


def task_text(state: State) -> str:
    """What was asked for, and with what."""
    task = state.task
    if task is None:
        return "# Task\n\n(the run has not begun)"
    lines = ["# Task", "", task.task]
    lines += [f"- attached: {item.name} ({item.size} bytes)" for item in task.attachments]
    if task.earlier:
        lines.append(f"- follows run {task.earlier.run}: {task.earlier.task}")
    return "\n".join(lines)


def ledger_text(state: State) -> str:
    """The task ledger: facts with their evidence, and the plan."""
    facts = [
        f"- {fact.id} {fact.kind}: {fact.text}"
        + (f" [{', '.join(fact.evidence)}]" if fact.evidence else "")
        for fact in state.ledger.facts
    ]
    plan = [
        f"- {step.id} {step.state}: {step.text}" + (f" ({step.agent})" if step.agent else "")
        for step in state.ledger.plan
    ]
    return "\n".join(["## Ledger", "", *(facts or ["- no facts"]), "", *(plan or ["- no plan"])])


def round_text(turn: Turn) -> str:
    """One round: the verdict, the assignments and what came back."""
    lines = [f"## Round {turn.round} ({turn.ask})", ""]
    lines += [f"- note from {note.by}: {note.text}" for note in turn.notes]
    if turn.problems:
        lines += ["- the lead's reply was unusable:", *(f"  - {item}" for item in turn.problems)]
    if turn.reply is not None:
        lines.append(f"- verdict: {_verdict(turn)}")
    reports = {work.path: report for work, report in turn.ordered_reports()}
    for work in turn.assignments:
        lines += ["", f"### {work.agent} ({work.id})", "", work.instruction]
        report = reports.get(work.path)
        if report is None:
            lines += ["", "(no report yet)"]
            continue
        lines += ["", f"**{report.status}**", "", indent(report.summary, "> ", lambda _: True)]
        if report.evidence:
            lines += ["", f"evidence: {', '.join(report.evidence)}"]
    return "\n".join(lines)


def outcome_text(outcome: ev.Outcome) -> str:
    """How it ended."""
    lines = [f"## Outcome: {outcome.outcome}", ""]
    if outcome.reason:
        lines += [outcome.reason, ""]
    if outcome.answer:
        lines += [outcome.answer, ""]
    if outcome.basis:
        lines.append(f"- basis: {outcome.basis}")
    lines += [f"- not supported by evidence: {item}" for item in outcome.unsupported]
    lines += [f"- missing: {item}" for item in outcome.missing]
    lines += [f"- may or may not have happened: {step}" for step in outcome.unknown_steps]
    lines += [f"- warning: {item}" for item in outcome.warnings]
    lines += [f"- file: {item.path} ({item.size} bytes)" for item in outcome.artifacts]
    if outcome.evidence:
        lines += ["", "Sources:", "", *sources(outcome.evidence)]
    return "\n".join(lines)


def sources(evidence: Iterable[Evidence]) -> list[str]:
    """One line per piece of evidence: id, where it is from, the hash of its bytes."""
    return [
        f"- [{item.id}] {item.source.ref}"
        + (f", {item.locator}" if item.locator else "")
        + f" (sha256 {item.sha256[:12]})"
        for item in evidence
    ]


def _verdict(turn: Turn) -> str:
    if turn.reply is None:
        return "none"
    words = [
        "satisfied" if turn.reply.request_satisfied else "not satisfied",
        "in a loop" if turn.reply.in_loop else "",
        "" if turn.reply.making_progress else "no progress",
        turn.reply.reason or "",
    ]
    return ", ".join(word for word in words if word)
