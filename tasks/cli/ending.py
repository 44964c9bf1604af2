"""How an outcome is told: the exit code, the last JSON record, the closing lines on stderr."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator import events as ev
from orchestrator.agent import Question
from orchestrator.limits import LimitHit
from orchestrator.models.llm import Usage
from orchestrator.state import State
from tasks.cli.exits import BY_OUTCOME, INTERRUPTED, NEEDS_HUMAN, NOT_READY, TERMINATED
from tasks.cli.streams import one_line
from tasks.warnings import SCRIPTED

MAX_SOURCES = 8
NOT_READY_FAULTS = {"bad_key", "unknown_model", "unreachable"}
LIMIT_WORDS: Mapping[str, str] = {"usd": "money", "rounds": "round", "calls": "call"}


def code_of(outcome: ev.Outcome, stopped_by: int | None = None) -> int:
    """The exit code of an outcome. `stopped_by` is the code of the signal that stopped it."""
    if outcome.outcome == "cancelled" and stopped_by in (INTERRUPTED, TERMINATED):
        return stopped_by
    if never_worked(outcome):
        return NOT_READY
    return BY_OUTCOME[outcome.outcome]


def never_worked(outcome: ev.Outcome) -> bool:
    """Whether the endpoint could not be used from the start: nothing was served, or paid."""
    return outcome.fault in NOT_READY_FAULTS and outcome.spent.calls == 0


def outcome_record(outcome: ev.Outcome, code: int, question: Question | None) -> dict[str, Any]:
    """The last record of `--json`, which is also `outcome.json`."""
    record = outcome.model_dump(mode="json", exclude={"spent", "seconds"})
    record |= {"exit": code, "spent": spent_record(outcome.spent, outcome.seconds)}
    if question is not None and outcome.question:
        record["ask"] = {
            **question.model_dump(mode="json"),
            "answer_with": answer_command(outcome.question, question),
        }
    return record


def spent_record(spent: Usage, seconds: float) -> dict[str, Any]:
    """What was spent; `usd` is null when a price was not known."""
    usd = None if spent.usd_micros is None else spent.usd_micros / 1_000_000
    counts = spent.model_dump(exclude={"usd_micros"})
    return {**counts, "usd": usd, "seconds": seconds}


def refusal_record(run: str | None, message: str, fix: str | None, code: int) -> dict[str, Any]:
    """The last record when there is no outcome."""
    outcome = "not_started"
    if code in (INTERRUPTED, TERMINATED):
        outcome = "cancelled"
    elif run is not None:
        outcome = "needs_human" if code == NEEDS_HUMAN else "failed"
    return {
        "run": run,
        "outcome": outcome,
        "exit": code,
        "answer": None,
        "error": {"message": message, "fix": fix},
    }


def closing_lines(
    outcome: ev.Outcome, state: State | None, name: str, question: Question | None
) -> Iterator[str]:
    """What a person is told at the end, with the command that goes on."""
    if outcome.outcome == "needs_human":
        yield from _stuck(outcome, name, question)
    else:
        yield from _ended(outcome, state, name)
    if outcome.unsupported:
        yield f"not supported by evidence: {one_line(', '.join(outcome.unsupported), 400)}"
    for step in outcome.unknown_steps:
        yield f"unknown: {step} may or may not have happened"
    if outcome.protections is not None:
        yield protections_text(outcome.protections)
    for warning in outcome.warnings:
        yield f"warning: {one_line(warning)}"
    if SCRIPTED in outcome.warnings:
        yield 'your own task: quaestor run "What ...?" --model NAME'
        yield "  models at hand: quaestor doctor"


def _ended(outcome: ev.Outcome, state: State | None, name: str) -> Iterator[str]:
    match outcome.outcome:
        case "answered":
            yield from _sources(outcome)
            yield f"Finished: answered ({_basis(outcome)}). {spent_text(outcome)} Run {name}."
        case "partial":
            yield f"partial: {_stopped_at(outcome, state)} {_so_far(outcome, state)}"
            if outcome.verified is False:
                yield f"not proven: {one_line('; '.join(outcome.missing[:3]), 400)}"
            yield f"  go on: {_with_more(outcome.limit, name)}"
        case "gave_up":
            yield f"gave up: {one_line(outcome.reason, 400)}"
            yield f"  see why: quaestor show {name}"
        case "failed":
            yield f"error: Quaestor itself failed: {one_line(outcome.reason, 400)}"
        case _ if outcome.reason.startswith("by "):
            yield f"cancelled: run {name} was ended {outcome.reason}"
        case _ if name:
            yield f"Stopped. Nothing is lost: quaestor resume {name}"
        case _:
            yield "Stopped before the run began."


def _sources(outcome: ev.Outcome) -> Iterator[str]:
    """Where the answer's atoms and quotes stand, one line each."""
    for item in outcome.evidence[:MAX_SOURCES]:
        yield one_line(
            f"source {item.id}: {item.source.ref}, {item.locator or item.media_type}", 160
        )
    if len(outcome.evidence) > MAX_SOURCES:
        yield f"and {len(outcome.evidence) - MAX_SOURCES} more: quaestor why {outcome.run[:4]}"


def answer_command(question_id: str, question: Question) -> str:
    """The command that answers a question."""
    if question.kind == "approve":
        return f"quaestor answer {question_id} approve|deny"
    words = "|".join(one_line(option, 40) for option in question.options) or "TEXT"
    return f'quaestor answer {question_id} "{words}"'


def spent_text(outcome: ev.Outcome) -> str:
    """Calls, tokens, money and time in one sentence."""
    spent = outcome.spent
    tokens = count_text(spent.prompt_tokens + spent.completion_tokens)
    calls = f"{spent.calls} call{'' if spent.calls == 1 else 's'}"
    money = money_text(spent.usd_micros)
    return f"{calls}, {tokens} tokens, {money}, {time_text(outcome.seconds)}."


def protections_text(protections: ev.Protections) -> str:
    """How many protections the box held, and by name those that it did not."""
    holds, missing = len(protections.holds), protections.missing
    if not holds:
        return f"sandbox {protections.sandbox}: no protection held"
    if not missing:
        return f"sandbox {protections.sandbox}: all {holds} protections held"
    number = f"{holds} of {holds + len(missing)} protections held"
    return f"sandbox {protections.sandbox}: {number}; NOT {', '.join(missing)}"


def count_text(number: float) -> str:
    """1234 as 1.2k."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.1f}{letter}"
    return f"{number:g}"


def money_text(micros: int | None) -> str:
    """Micro-dollars for people."""
    if micros is None:
        return "price unknown"
    return f"${micros / 1_000_000:.4f}" if 0 < micros < 10_000 else f"${micros / 1_000_000:.2f}"


def time_text(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _basis(outcome: ev.Outcome) -> str:
    words = {
        "evidence": "from evidence",
        "computed": "computed",
        "mixed": "from evidence and computation",
        "model_memory": "from the model's memory, no evidence",
    }
    basis = words[outcome.basis] if outcome.basis else "basis unknown"
    number = len(outcome.evidence)
    if number:
        basis = f"{basis}, {number} source{'' if number == 1 else 's'}"
    return f"{basis}, verified" if outcome.verified else basis


def _stopped_at(outcome: ev.Outcome, state: State | None) -> str:
    if outcome.limit is None:
        return f"{one_line(outcome.reason, 400)}."
    hit = outcome.limit
    shown = f"{_amount(hit.name, hit.used)} of {_amount(hit.name, hit.allowed)}"
    where = f" in round {len(state.turns)}" if state and state.turns else ""
    return f"stopped at the {LIMIT_WORDS.get(hit.name, hit.name)} limit ({shown}){where}."


def _so_far(outcome: ev.Outcome, state: State | None) -> str:
    said = "Best answer so far is above" if outcome.answer else "There is no answer yet"
    plan = state.ledger.plan if state else ()
    if not plan or state is None:
        return f"{said}."
    return f"{said}; {len(state.ledger.open_steps)} of {len(plan)} plan steps are open."


def _with_more(limit: LimitHit | None, name: str) -> str:
    if limit is None:
        return f'quaestor run --after {name} "..."'
    doubled = limit.allowed * 2
    more = f"{int(doubled)}s" if limit.name == "time" and doubled >= 1 else f"{doubled:g}"
    if limit.name in ("tokens", "calls", "rounds"):
        more = str(int(doubled))
    return f"quaestor resume {name} --limit {limit.name}={more}"


def _stuck(outcome: ev.Outcome, name: str, question: Question | None) -> Iterator[str]:
    """A person is needed: for an answer, or to repair what the run cannot do without."""
    if outcome.question and question:
        yield f"waiting: {one_line(question.text, 400)}"
        yield f"  answer: {answer_command(outcome.question, question)}"
        return
    reason = one_line(outcome.reason, 400)
    yield f"error: {reason}. Nothing was spent." if never_worked(outcome) else f"waiting: {reason}"
    if outcome.fix:
        yield f"  fix: {one_line(outcome.fix, 300)}"
    yield f"  go on: quaestor resume {name}"


def _amount(name: str, amount: float) -> str:
    match name:
        case "usd":
            return f"${amount:.2f}" if amount >= 0.01 or amount == 0 else f"${amount:.4f}"
        case "time":
            return time_text(amount)
        case "tokens":
            return count_text(amount)
        case _:
            return f"{amount:g}"
