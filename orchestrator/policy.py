"""What to do next, as pure functions of the state.

`magentic` is the strategy: the stall rule, replans and the completion gate of a lead with two
ledgers. It looks at nothing but the fold, so that a replay decides the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orchestrator.agent import CODE_OUTPUT
from orchestrator.events import Ask, Switch
from orchestrator.ledger import LeadAssignment, LeadReply, ProgressLedger, TaskLedger
from orchestrator.limits import LimitHit, Limits, first_hit
from orchestrator.state import State, Turn

WINDOW = 8
"""How many tool calls back a repeat still counts (measured on public runs: fires at the second
equal result, 0 false alarms of 9)."""
STALL_MEMORY = 3
"""An answer within so many rounds of a stall is asked about once more."""
STALLS_PER_ROUND = 2
"""Assignments of one reply fail together where the lead has erred once; that alone is no reason to
throw the plan away before the lead has seen it."""
STEPS_PER_REPORT = 2
"""One report may settle two steps of a plan; more are asked about."""
MATERIAL = re.compile(r"https?://[^\s)>\]\"'`]+|(?<![\w/.])[\w./-]*\w\.[A-Za-z]{2,4}\b(?![\w/(])")
"""Addresses and files that a task names."""
LONG_TASK = 60
"""Words from which on a task is hardly answered out of memory: it is asked about once."""
BALLOTS = 2
"""Votes on one answer: a second one, in other words, where the first is not clear."""
SENT_BACK = 2
"""How often a lead is told that its answer is unproven, before the run ends without it."""


@dataclass(frozen=True, slots=True)
class Consult:
    """Ask the lead. `detail` says why, line by line."""

    ask: Ask
    detail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delegate:
    """Give work to agents."""

    assignments: tuple[LeadAssignment, ...]


@dataclass(frozen=True, slots=True)
class Replan:
    """Throw the plan away; `tried` names what failed."""

    reason: str
    tried: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verify:
    """Ask for a fresh look at the answer and its evidence; `ballot` counts from 1."""

    ballot: int


@dataclass(frozen=True, slots=True)
class Finish:
    """End with the answer of the newest reply; a `limit`, or what is `unproven`, makes it
    partial. `verified` is None where no check of the answer was due."""

    reason: str
    limit: LimitHit | None = None
    verified: bool | None = None
    unproven: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End without an answer, and say why."""

    reason: str


Move = Consult | Delegate | Replan | Verify | Finish | GiveUp


def magentic(state: State) -> Move:
    """The next move of a lead with two ledgers."""
    turn = state.turn
    if turn is None:
        return Consult("opening")
    if state.replan_is_due:
        return Consult("replan", state.plan_versions[-1].tried)
    reply = turn.reply
    if reply is not None and reply.request_satisfied:
        return _finish_or_ask(state, turn, reply)
    if reply is not None and reply.gives_up:
        return GiveUp(reply.reason or "")
    if stalls(state) >= _limits(state).stalls and not is_without(state, "ledger"):
        return _replan_or_give_up(state)
    if reply is None:
        return Consult("unusable", turn.problems)
    return Consult("round") if turn.reported else Delegate(reply.assignments)


def next_move(
    state: State,
    limits: Limits,
    elapsed_s: float,
    strategy: Callable[[State], Move] = magentic,
) -> Move:
    """What the strategy wants, unless a limit leaves no room for it. Work that was assigned is
    not cut off here: each of its calls checks the limits for itself."""
    move = strategy(state)
    if isinstance(move, Finish | GiveUp):
        return move
    if isinstance(move, Verify) and move.ballot == 1 and _calls_left(state, limits) < BALLOTS:
        return Finish("too few calls are left to verify the answer", verified=False)
    rounds = len(state.turns) if isinstance(move, Consult) else 0
    hit = first_hit(limits, rounds=rounds, spent=state.spent, elapsed_s=elapsed_s)
    return Finish(f"the limit {hit.name} was reached", hit) if hit else move


def is_without(state: State, part: Switch) -> bool:
    """Whether the run goes without a part of the lead."""
    return state.task is not None and part in state.task.without


def stalls(state: State) -> int:
    """The stall count: +1 for a bad verdict, an empty or failed report and each repeat; -1 for
    a good verdict; zero after a replan. The reports of one round add two at most."""
    count = 0
    for _turn, points in _stall_points(state):
        count = max(0, count + points)
    return count


def progress(state: State) -> ProgressLedger | None:
    """The newest verdict, with what the stall rule made of it."""
    judged = [turn for turn in state.turns if turn.reply is not None]
    if not judged or judged[-1].reply is None:
        return None
    reply = judged[-1].reply
    return ProgressLedger(
        round=judged[-1].round,
        request_satisfied=reply.request_satisfied,
        in_loop=reply.in_loop,
        making_progress=not reply.is_bad_verdict,
        reason=reply.reason or "",
        stalls=stalls(state),
    )


def gate(state: State, reply: LeadReply) -> tuple[str, ...]:
    """What speaks against ending now, in the words that the lead is shown."""
    missing = [f"plan step {step.id} is open: {step.text}" for step in state.ledger.open_steps]
    missing += _hasty(state, reply)
    used = {work.agent for turn in state.turns for work in turn.assignments}
    planned = {step.agent for step in state.ledger.plan if step.agent and step.state != "skipped"}
    missing += [f"the plan names {agent}, who was never asked" for agent in sorted(planned - used)]
    for fact in state.ledger.fact("found"):
        if not any(name in state.evidence for name in fact.evidence):
            missing.append(f"fact {fact.id} is `found` without evidence: {fact.text}")
    check = state.turn.check if state.turn else None
    if check is not None:
        missing += [f"this quote is not in the evidence it names: {q}" for q in check.misquoted]
        if state.evidence:
            missing += [f"no cited evidence holds: {atom}" for atom in check.unsupported]
    recent = [
        points
        for turn, points in _stall_points(state)
        if points > 0 and turn.round > len(state.turns) - STALL_MEMORY
    ]
    if recent:
        missing.append("a stall came shortly before: check that the answer is really complete")
    return tuple(missing)


def objections(state: State, reply: LeadReply) -> tuple[str, ...]:
    """Why a well-formed reply is still sent back once: giving up is confirmed, and the first
    assignment after a replan must not be one that was tried (measured: 15 % of new plans open
    that way)."""
    if reply.gives_up:
        return ("assignments: there is none. If nothing else can be tried, send this again",)
    turn = state.turn
    if turn is None or turn.ask != "replan" or not reply.assignments:
        return ()
    first = reply.assignments[0]
    tried = {
        (work.agent, _plain(work.instruction))
        for earlier in state.turns[:-1]
        for work in earlier.assignments
    }
    if (first.agent, _plain(first.instruction)) in tried:
        return (f"assignment {first.id} was tried before and failed; begin with something else",)
    return ()


def tried(state: State) -> tuple[str, ...]:
    """What was asked since the last replan and how it ended, one line each."""
    since = state.plan_versions[-1].round if state.plan_versions else 0
    lines = []
    for turn in state.turns[since:]:
        for work, report in turn.ordered_reports():
            what = f"{work.agent}: {_short(work.instruction)} -> {report.status}"
            lines.append(f"{what}: {_short(report.summary)}")
        lines += [f"lead's reply could not be used: {problem}" for problem in turn.problems[:2]]
        if turn.reply is not None and turn.reply.reason and turn.reply.is_bad_verdict:
            lines.append(f"verdict: {_short(turn.reply.reason)}")
    return tuple(dict.fromkeys(lines))


def _hasty(state: State, reply: LeadReply) -> list[str]:
    """What a reply passes over: material of the task that nobody looked at, and more plan steps
    done at once than reports have come in."""
    if not any(turn.assignments for turn in state.turns):
        long = len(_task(state).split()) > LONG_TASK
        words = ["nothing was looked up or computed for a task of this length"] if long else []
        return [*_unseen(state)] or words
    before = _ledger_before(state)
    open_then = {step.id for step in before.open_steps}
    closed = [d.id for d in reply.plan if d.state == "done" and d.id in open_then]
    reports = [turn for turn in state.turns if turn.assignments][-1].assignments
    if len(closed) <= STEPS_PER_REPORT * len(reports):
        return []
    return [
        f"{len(closed)} plan steps are said to be done ({', '.join(map(str, closed[:9]))}), "
        f"but only {len(reports)} reports came in since: what shows that each is done?"
    ]


def _unseen(state: State) -> tuple[str, ...]:
    """The files and addresses of the task, when no work was given or none came to anything."""
    reports = [report for turn in state.turns for report in turn.reports.values()]
    if state.task is None or any(report.status == "done" for report in reports):
        return ()
    what = "nothing was seen of" if reports else "nobody has looked at"
    named = [item.name for item in state.task.attachments]
    named += [found[0].rstrip(".,;:") for found in MATERIAL.finditer(_task(state))]
    return tuple(f"{what} {name}" for name in dict.fromkeys(named))[:5]


def _task(state: State) -> str:
    return state.task.task if state.task else ""


def _ledger_before(state: State) -> TaskLedger:
    """The ledger as it stood before the newest reply."""
    ledger = TaskLedger()
    for turn in state.turns[:-1]:
        ledger = ledger.apply(turn.reply) if turn.reply else ledger
    return ledger


def _finish_or_ask(state: State, turn: Turn, reply: LeadReply) -> Move:
    """What stands between `satisfied` and the end: the gate in plain code, then the votes."""
    missing = () if _gate_was_asked(state) else gate(state, reply)
    if missing:
        return Consult("gate", missing)
    unseen = _unseen(state)
    if unseen and turn.check is not None and turn.check.unsupported:
        return Finish("the answer does not rest on the task's material", unproven=unseen)
    reason = reply.reason or "done"
    if not _vote_is_due(state, turn):
        return Finish(reason, verified=True if _is_computed(state, turn) else None)
    if any(vote.verdict == "proven" for vote in turn.votes):
        return Finish(reason, verified=True)
    if len(turn.votes) < BALLOTS:
        return Verify(len(turn.votes) + 1)
    words = tuple(
        dict.fromkeys(w for vote in turn.votes if vote.verdict == "unproven" for w in vote.words)
    )
    if not words:
        return Finish("the answer could not be verified", verified=False)
    if sum(earlier.ask == "unproven" for earlier in state.turns) < SENT_BACK:
        return Consult("unproven", words)
    return Finish("the evidence does not prove the answer", verified=False, unproven=words)


def _gate_was_asked(state: State) -> bool:
    """Once between two delegations is enough: nothing has changed since."""
    for turn in reversed(state.turns):
        if turn.assignments:
            return False
        if turn.ask == "gate":
            return True
    return False


def _vote_is_due(state: State, turn: Turn) -> bool:
    """An answer out of found facts is verified; never one of the opening, nor one that a
    program has printed when nothing else was looked up: plain code has seen it there."""
    if is_without(state, "verify") or turn.round == 1 or not state.evidence:
        return False
    return not _is_computed(state, turn)


def _is_computed(state: State, turn: Turn) -> bool:
    check = turn.check
    if check is None or check.basis != "computed" or check.unsupported or check.misquoted:
        return False
    return all(item.locator.startswith(CODE_OUTPUT) for item in state.evidence.values())


def _calls_left(state: State, limits: Limits) -> float:
    return float("inf") if limits.calls is None else limits.calls - state.spent.calls


def _replan_or_give_up(state: State) -> Move:
    limits = _limits(state)
    reason = f"{stalls(state)} stalls: no progress"
    if len(state.plan_versions) >= limits.replans:
        return GiveUp(f"no progress after {limits.replans} new plans ({reason})")
    return Replan(reason, tried(state))


def _stall_points(state: State) -> Iterator[tuple[Turn, int]]:
    replanned = {version.round for version in state.plan_versions}
    window: list[str] = []
    summaries: set[str] = set()
    since_replan: list[tuple[Turn, int]] = []
    for number, turn in enumerate(state.turns, start=1):
        since_replan.append((turn, _verdict_points(turn)))
        total = 0
        for work, report in turn.ordered_reports():
            points = int(report.status in ("failed", "blocked") or not report.summary.strip())
            repeated = _repeats(window, report.trace)
            said = f"{work.agent} {_plain(report.summary)}"
            points += int(repeated or (said in summaries and bool(report.summary.strip())))
            summaries.add(said)
            total += points
        since_replan.append((turn, min(total, STALLS_PER_ROUND)))
        if number in replanned:
            since_replan, window, summaries = [], [], set()
    yield from since_replan


def _verdict_points(turn: Turn) -> int:
    if turn.problems:
        return 1
    if turn.reply is None or turn.ask in ("opening", "replan"):
        return 0
    return 1 if turn.reply.is_bad_verdict else -1


def _repeats(window: list[str], trace: tuple[str, ...]) -> bool:
    repeated = False
    for step in trace:
        repeated = repeated or step in window[-WINDOW:]
        window.append(step)
    return repeated


def _limits(state: State) -> Limits:
    return state.task.limits if state.task else Limits()


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:197] + "..."
