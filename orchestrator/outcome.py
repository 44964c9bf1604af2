"""Builds the Outcome of a run from its state. Nothing but `answered` is worded as success."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator import events as ev
from orchestrator.agent import CODE_OUTPUT, Artifact, Assignment, Evidence, Report
from orchestrator.basis import SourceText, check_answer
from orchestrator.blobs import Blobs
from orchestrator.errors import FaultKind, LimitReached, ModelFault, QuaestorError, Waiting
from orchestrator.ledger import LeadReply
from orchestrator.limits import LimitHit
from orchestrator.models.llm import Trouble, Usage
from orchestrator.policy import Finish, GiveUp, progress
from orchestrator.state import State


@dataclass(frozen=True, slots=True)
class Ending:
    """How the loop came to its end, in terms of outcomes."""

    outcome: ev.OutcomeName
    reason: str
    limit: LimitHit | None = None
    question: str | None = None
    fault: FaultKind | None = None
    fix: str = ""
    verified: bool | None = None
    unproven: tuple[str, ...] = ()
    warning: str = ""


def ending_of(move: Finish | GiveUp, state: State, *, require_evidence: bool) -> Ending:
    """What a final move means."""
    if isinstance(move, GiveUp):
        return Ending("gave_up", move.reason)
    if move.limit is not None:
        return Ending("partial", move.reason, limit=move.limit)
    if move.unproven:
        return Ending("partial", move.reason, verified=False, unproven=move.unproven)
    check = state.turn.check if state.turn else None
    unsupported = check is not None and (check.unsupported or check.basis == "model_memory")
    if require_evidence and unsupported:
        return Ending("partial", "evidence is required, and the answer is not supported by it")
    warning = move.reason if move.verified is False else ""
    return Ending("answered", "", verified=move.verified, warning=warning)


def ending_of_error(error: QuaestorError) -> Ending:
    """What an error that stopped the loop means for the run."""
    match error:
        case LimitReached(name=name, used=used, allowed=allowed):
            hit = LimitHit.model_validate({"name": name, "used": used, "allowed": allowed})
            return Ending("partial", f"the limit {name} was reached", limit=hit)
        case Waiting(question_id=question, text=text):
            return Ending("needs_human", f"waiting for an answer: {text}", question=question)
        case ModelFault():
            reason = f"provider: {error.message}"
            return Ending("needs_human", reason, fault=error.kind, fix=error.fix or "")
        case _:
            return Ending("needs_human", error.message)


def build_outcome(
    run: str, state: State, ending: Ending, *, spent: Usage, seconds: float
) -> ev.Outcome:
    """Everything that the caller is told."""
    answered = ending.outcome == "answered"
    check = state.turn.check if state.turn else None
    answer = _final_answer(state) if answered or ending.limit is None else None
    if answer is None and not answered:
        answer, check = _best_so_far(state), None
    cited = check.evidence if check else _found_evidence(state)
    return ev.Outcome(
        run=run,
        outcome=ending.outcome,
        reason=ending.reason,
        answer=answer,
        basis=check.basis if check else None,
        unsupported=check.unsupported if check else (),
        verified=ending.verified,
        evidence=tuple(state.evidence[name] for name in cited if name in state.evidence),
        missing=() if answered else (*ending.unproven, *missing(state, ending.unproven)),
        limit=ending.limit,
        artifacts=artifacts(state),
        question=ending.question,
        fault=ending.fault,
        fix=ending.fix,
        unknown_steps=state.unknown_steps,
        models=tuple(sorted(state.models)),
        warnings=_warnings(state, ending),
        spent=spent,
        seconds=round(seconds, 3),
    )


def missing(state: State, known: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What the run did not get to: open plan steps, facts never found, failed work. `known` is
    what is missing besides."""
    lines = [step.text for step in state.ledger.open_steps]
    lines += [fact.text for fact in state.ledger.fact("to_look_up")]
    lines += [fact.text for fact in state.ledger.fact("to_derive")]
    for turn in state.turns:
        lines += [
            f"{work.agent} could not: {work.instruction[:160]} ({report.summary[:200]})"
            for work, report in turn.ordered_reports()
            if report.status != "done"
        ]
    verdict = progress(state)
    if verdict is not None and not verdict.making_progress and verdict.reason:
        lines.append(f"the lead's last verdict: {verdict.reason}")
    return tuple(dict.fromkeys(lines)) or (() if known else ("the task was not finished",))


def artifacts(state: State) -> tuple[Artifact, ...]:
    """The files that agents handed back, the newest version of each."""
    newest: dict[str, Artifact] = {}
    for turn in state.turns:
        for _work, report in turn.ordered_reports():
            newest.update({item.path: item for item in report.artifacts})
    return tuple(newest.values())


def check_reply(reply: LeadReply, state: State, blobs: Blobs) -> ev.AnswerCheck:
    """Check the answer of a reply against the bytes of the evidence."""
    sources = [_source_text(item, blobs) for item in state.evidence.values()]
    cited = [name for citation in reply.citations for name in citation.evidence]
    found = state.ledger.apply(reply).fact("found")
    cited += [name for fact in found for name in fact.evidence]
    known = [name for name in cited if name in state.evidence]
    task = state.task.task if state.task else ""
    return check_answer(reply, task, sorted(sources, key=lambda s: s.evidence), known)


def _warnings(state: State, ending: Ending) -> tuple[str, ...]:
    loops = [f"stopped a loop: {what}" for what in state.loops]
    held = [f"a content filter refused {what}" for what in sorted(state.withheld)]
    troubles = sorted(_told(trouble) for trouble in state.troubles)
    unsure = [ending.warning] if ending.warning else []
    return (*loops, *held, *dict.fromkeys(troubles), *unsure)


def _told(trouble: Trouble) -> str:
    fix = f". To have it better: {trouble.fix}" if trouble.fix else ""
    return f"{trouble.model}: {trouble.what}; {trouble.then}{fix}"


def _source_text(item: Evidence, blobs: Blobs) -> SourceText:
    text = blobs.get(item.sha256).decode("utf-8", "replace")
    return SourceText(item.id, text, computed=item.locator.startswith(CODE_OUTPUT))


def _final_answer(state: State) -> str | None:
    reply = state.turn.reply if state.turn else None
    return reply.answer if reply and reply.request_satisfied else None


def _best_so_far(state: State) -> str | None:
    """The newest draft of the lead, else what was found, in plain code: no call is made."""
    for turn in reversed(state.turns):
        if turn.reply is not None and (turn.reply.answer or "").strip():
            return turn.reply.answer
    found = [f"- {fact.text[:300]}" for fact in state.ledger.fact("found")]
    told = set(_fact_evidence(state))
    for work, report in _done_work(state):
        if not told & set(report.evidence):
            found.append(f"- {work.agent}: {' '.join(report.summary.split())[:300]}")
    return "Found so far:\n" + "\n".join(found) if found else None


def _done_work(state: State) -> Iterable[tuple[Assignment, Report]]:
    for turn in state.turns:
        for work, report in turn.ordered_reports():
            if report.status == "done":
                yield work, report


def _found_evidence(state: State) -> tuple[str, ...]:
    """The evidence of found facts and of finished work, each once."""
    worked = (name for _work, report in _done_work(state) for name in report.evidence)
    return tuple(dict.fromkeys((*_fact_evidence(state), *worked)))


def _fact_evidence(state: State) -> Iterable[str]:
    return dict.fromkeys(name for fact in state.ledger.fact("found") for name in fact.evidence)
