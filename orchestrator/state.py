"""The state of a run: nothing but a fold over its events.

Parallel branches commute here: whatever order their events come in, the state is the same once
all of them are in. Decisions over this state are in `policy.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orchestrator import events as ev
from orchestrator.agent import Answer, Assignment, CodeArtifact, Evidence, Question, Report
from orchestrator.ledger import LeadReply, TaskLedger
from orchestrator.models.llm import Trouble, Usage


@dataclass(frozen=True, slots=True)
class Turn:
    """One round: what was asked, what the lead replied, and what came back."""

    round: int
    ask: ev.Ask
    detail: tuple[str, ...] = ()
    notes: tuple[ev.Note, ...] = ()
    reply: LeadReply | None = None
    problems: tuple[str, ...] = ()
    check: ev.AnswerCheck | None = None
    votes: tuple[ev.VoteCast, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    reports: Mapping[str, Report] = field(default_factory=dict)

    @property
    def judged(self) -> bool:
        """Whether the lead has answered, usably or not."""
        return self.reply is not None or bool(self.problems)

    @property
    def reported(self) -> bool:
        """Whether work was assigned and every report is in."""
        return bool(self.assignments) and len(self.reports) == len(self.assignments)

    def ordered_reports(self) -> tuple[tuple[Assignment, Report], ...]:
        """The reports in the order of their assignments, never in that of completion."""
        return tuple(
            (work, self.reports[work.path])
            for work in self.assignments
            if work.path in self.reports
        )


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """Why a plan was thrown away, and what had been tried by then."""

    round: int
    reason: str
    tried: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class State:
    """Everything that decisions and prompts may look at. `readers` are the agents that have shown
    something so far."""

    task: ev.TaskReceived | None = None
    ledger: TaskLedger = field(default_factory=TaskLedger)
    turns: tuple[Turn, ...] = ()
    plan_versions: tuple[PlanVersion, ...] = ()
    compacted_upto: int = 0
    compacted: str = ""
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    questions: Mapping[str, Question] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)
    unknown_steps: tuple[str, ...] = ()
    windows: Mapping[ev.Seat, int] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()
    loops: tuple[str, ...] = ()
    troubles: frozenset[Trouble] = frozenset()
    models: frozenset[str] = frozenset()
    readers: frozenset[str] = frozenset()
    spent: Usage = field(default_factory=Usage)
    spent_by_role: Mapping[str, Usage] = field(default_factory=dict)
    elapsed_s: float = 0.0
    read_up_to: int = 0

    @property
    def turn(self) -> Turn | None:
        """The newest round."""
        return self.turns[-1] if self.turns else None

    @property
    def said(self) -> str:
        """What people have told the run: the task, notes, and answers to its questions."""
        notes = [note.text for turn in self.turns for note in turn.notes]
        given = [answer for _id, answer in sorted(self.answers.items())]
        answers = [answer.text for answer in given if answer.status == "answered"]
        return "\n".join([self.task.task if self.task else "", *notes, *answers])

    @property
    def replan_is_due(self) -> bool:
        """A new plan was called for and the lead has not been asked for it yet."""
        last = self.plan_versions[-1] if self.plan_versions else None
        return last is not None and last.round == len(self.turns)


def fold(state: State, event: ev.Event, key: str) -> State:
    """The state after one event. Unknown to the core means unchanged."""
    match event:
        case ev.TaskReceived():
            earlier = event.earlier.with_own_ids() if event.earlier else None
            inherited = {item.id: item for item in earlier.evidence} if earlier else {}
            facts = earlier.facts if earlier else ()
            ledger = TaskLedger(facts=facts)
            return replace(
                state, task=event, evidence=inherited, ledger=ledger, readers=_inherited(inherited)
            )
        case ev.RoundOpened():
            return _open_round(state, event)
        case ev.LeadReplied():
            turn = replace(_newest(state), reply=event.reply, check=event.check)
            return _with_turn(replace(state, ledger=state.ledger.apply(event.reply)), turn)
        case ev.LeadUnusable():
            return _with_turn(state, replace(_newest(state), problems=event.problems))
        case ev.VoteCast():
            turn = _newest(state)
            return _with_turn(state, replace(turn, votes=(*turn.votes, event)))
        case ev.WorkAssigned():
            return _with_turn(state, replace(_newest(state), assignments=event.assignments))
        case ev.Reported():
            turn = _newest(state)
            reports = {**turn.reports, event.assignment: event.report}
            readers = state.readers | {event.agent}
            return _with_turn(replace(state, readers=readers), replace(turn, reports=reports))
        case ev.Replanned():
            version = PlanVersion(event.round, event.reason, event.tried)
            return replace(state, plan_versions=(*state.plan_versions, version))
        case ev.Compacted():
            return replace(state, compacted_upto=event.upto_round, compacted=event.text)
        case _:
            return _fold_step(state, event, key)


def newest_code(state: State, after: tuple[str, ...] = ()) -> CodeArtifact | None:
    """The Coder's newest program: of this round's reports only those named in `after` count,
    so that branches which run at the same time cannot race for it."""
    newest = None
    for turn in state.turns:
        for work, report in turn.ordered_reports():
            visible = turn is not state.turn or work.id in after
            newest = report.code if report.code is not None and visible else newest
    return newest


def _fold_step(state: State, event: ev.Event, key: str) -> State:
    match event:
        case ev.StepDone(usage=usage, model=model) if usage is not None:
            role = key.split("/")[2] if key.count("/") > 1 else key
            known = state.spent_by_role.get(role, Usage())
            by_role = {**state.spent_by_role, role: known + usage}
            models = state.models | {model} if model else state.models
            spent = state.spent + usage
            return replace(state, spent=spent, spent_by_role=by_role, models=models)
        case ev.EndpointTroubled(troubles=troubles):
            lasting = frozenset(trouble for trouble in troubles if trouble.lasting)
            return replace(state, troubles=state.troubles | lasting)
        case ev.StepDone(step="tool"):
            return replace(state, readers=state.readers | {_agent(key)})
        case ev.StepUnknown():
            return replace(state, unknown_steps=tuple(sorted({*state.unknown_steps, key})))
        case ev.WindowLearned() | ev.Withheld():
            return _shorten(state, event)
        case ev.LoopDetected():
            return replace(state, loops=tuple(sorted({*state.loops, event.what})))
        case ev.EvidenceFound():
            found = {**state.evidence, event.evidence.id: event.evidence}
            return replace(state, evidence=found)
        case ev.QuestionAsked():
            return replace(state, questions={**state.questions, event.id: event.question})
        case ev.QuestionAnswered():
            return replace(state, answers={**state.answers, event.id: event.answer})
        case _:
            return state


def _shorten(state: State, event: ev.WindowLearned | ev.Withheld) -> State:
    """What prompts must leave out from now on."""
    if isinstance(event, ev.Withheld):
        return replace(state, withheld=state.withheld | set(event.what))
    known = state.windows.get(event.seat, event.tokens)
    return replace(state, windows={**state.windows, event.seat: min(known, event.tokens)})


def _open_round(state: State, event: ev.RoundOpened) -> State:
    turn = Turn(round=event.round, ask=event.ask, detail=event.detail, notes=event.notes)
    return replace(
        state,
        turns=(*state.turns, turn),
        elapsed_s=event.elapsed_s,
        read_up_to=max(state.read_up_to, event.read_up_to),
    )


def _agent(key: str) -> str:
    """The agent that a step belongs to: `round/3/2.WebSurfer/act/4` is of the WebSurfer."""
    return key.split("/")[2].partition(".")[2] if key.count("/") > 1 else key


def _inherited(evidence: Mapping[str, Evidence]) -> frozenset[str]:
    """A follow-up knows what the run before it has read; pages are no secret."""
    private = any(item.source.kind != "url" for item in evidence.values())
    return frozenset({"the earlier run"}) if private else frozenset()


def _newest(state: State) -> Turn:
    if state.turn is None:
        raise ValueError("an event of a round came before the round was opened")
    return state.turn


def _with_turn(state: State, turn: Turn) -> State:
    return replace(state, turns=(*state.turns[:-1], turn))
