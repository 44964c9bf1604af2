"""The lead's loop: decide, act, record, until an outcome. Read this first.

    Orchestrator.run(task)
      next_move(state)            pure, in policy.py: what does the strategy want now?
        Consult  -> _consult      one model call, read into a LeadReply (again if unreadable)
        Delegate -> _delegate     agents work at the same time, or after each other
        Replan   -> _replan       remember what failed; the next Consult asks for a new plan
        Verify   -> _verify       a fresh reader looks at the answer and the evidence itself
        Finish, GiveUp            the end

State changes only by emitting events, and every event and step has a logical path as its key.
That is also all there is to resuming: the loop runs from the top, what is recorded comes back
from the journal, and the first key that is not there goes live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from orchestrator import events as ev
from orchestrator.agent import Agent, Assignment, Report
from orchestrator.branches import in_turn, run_branches
from orchestrator.calls import RECORDED_FAULTS
from orchestrator.consulting import Counsel
from orchestrator.context import brief, compacted_text, compaction_due
from orchestrator.errors import (
    EndOfRecording,
    JournalError,
    LimitReached,
    ModelFault,
    Waiting,
)
from orchestrator.ledger import LeadAssignment, addressed
from orchestrator.limits import LimitHit, Limits, first_hit
from orchestrator.models.llm import LLM, Usage
from orchestrator.outcome import build_outcome, ending_of, ending_of_error
from orchestrator.policy import (
    Consult,
    Delegate,
    Finish,
    GiveUp,
    Replan,
    Verify,
    is_without,
    next_move,
)
from orchestrator.prompt_files import own_texts
from orchestrator.recorder import Recorder
from orchestrator.state import State, newest_code
from orchestrator.strategy import strategy_of
from orchestrator.verifying import cast_vote
from orchestrator.work import Consent, Work


@dataclass(frozen=True, slots=True)
class Orchestrator:
    """One lead with its team, at work on one run."""

    recorder: Recorder
    lead: LLM
    model: LLM
    team: Mapping[str, Agent]
    limits: Limits
    elapsed_s: Callable[[], float]
    consent: Consent = field(default_factory=Consent)
    require_evidence: bool = False
    assignment_timeout_s: float = 1800.0
    going: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def state(self) -> State:
        """The fold of everything emitted so far."""
        return self.recorder.state

    async def run(self, task: ev.TaskReceived) -> ev.Outcome:
        """Work on the task until it ends. Raises JournalError and unexpected faults only."""
        own_texts.set(task.prompts)
        self.recorder.before_step = self._before_step
        self.going.set()
        await self.recorder.emit("task", task)
        try:
            move = await self._in_time(self._rounds())
            ending = ending_of(move, self.state, require_evidence=self.require_evidence)
        except (LimitReached, Waiting, ModelFault) as stop:
            ending = ending_of_error(stop)
        return build_outcome(
            self.recorder.run,
            self.state,
            ending,
            spent=self.recorder.spent,
            seconds=self.elapsed_s(),
        )

    async def _rounds(self) -> Finish | GiveUp:
        while True:
            decide = strategy_of(self.state).next_move
            match next_move(self.state, self.limits, self.state.elapsed_s, decide):
                case Consult() as consult:
                    await self._consult(consult)
                case Delegate(assignments):
                    await self._delegate(assignments)
                case Verify(ballot):
                    await self._verify(ballot)
                case Replan(reason, tried):
                    await self._replan(reason, tried)
                case Finish() | GiveUp() as end:
                    return end

    async def _in_time(self, rounds: Awaitable[Finish | GiveUp]) -> Finish | GiveUp:
        """The time limit also ends a call that hangs."""
        allowed = self.limits.time_s if self.recorder.epoch is not None else None
        left = None if allowed is None else allowed - self.elapsed_s()
        try:
            async with asyncio.timeout(left):
                return await rounds
        except TimeoutError as error:
            if allowed is None:
                raise
            raise LimitReached("time", self.elapsed_s(), allowed) from error

    async def _consult(self, consult: Consult) -> None:
        """One round of the lead: open it, ask, and record a reply or why there is none."""
        await self._compact_if_due()
        number = len(self.state.turns) + 1
        await self._open_round(number, consult)
        counsel = Counsel(self.recorder, self.lead, strategy_of(self.state), list(self.team))
        await self.recorder.emit(f"round/{number}/lead", await counsel.consult(number))

    async def _verify(self, ballot: int) -> None:
        """One vote of a fresh reader on the answer of the newest round."""
        number = len(self.state.turns)
        vote = await cast_vote(self.recorder, self.lead, number, ballot)
        await self.recorder.emit(f"round/{number}/verify/{ballot}", vote)

    async def _open_round(self, number: int, consult: Consult) -> None:
        """Everything of the outside world that a round sees enters here, as one event."""
        key = f"round/{number}"
        known = self.recorder.recorded(key, "RoundOpened")
        seen = ev.RoundOpened.model_validate(known) if known else self._look_outside(number)
        opened = seen.model_copy(update={"ask": consult.ask, "detail": consult.detail})
        await self.recorder.emit(key, opened)

    def _look_outside(self, number: int) -> ev.RoundOpened:
        rows = self.recorder.journal.messages(self.recorder.run, after=self.state.read_up_to)
        notes = [ev.Note(id=r.id, text=r.body["text"], by=r.by) for r in rows if r.kind == "note"]
        return ev.RoundOpened(
            round=number,
            ask="round",
            elapsed_s=round(self.elapsed_s(), 3),
            notes=tuple(notes),
            read_up_to=max((row.id for row in rows), default=self.state.read_up_to),
        )

    async def _compact_if_due(self) -> None:
        folds = self.state.turns and strategy_of(self.state).folds
        upto = compaction_due(self.state) if folds else 0
        if upto:
            text = compacted_text(self.state, upto)
            compacted = ev.Compacted(upto_round=upto, text=text)
            await self.recorder.emit(f"compaction/{upto}", compacted)

    async def _replan(self, reason: str, tried: tuple[str, ...]) -> None:
        number = len(self.state.turns)
        replanned = ev.Replanned(round=number, reason=reason, tried=tried)
        await self.recorder.emit(f"round/{number}/replan", replanned)

    async def _delegate(self, given: tuple[LeadAssignment, ...]) -> None:
        """Let the agents work, at the same time where none waits for another."""
        number = len(self.state.turns)
        assignments = addressed(number, given, one_turn=strategy_of(self.state).one_turn)
        assigned = ev.WorkAssigned(round=number, assignments=assignments)
        await self.recorder.emit(f"round/{number}/work", assigned)
        by_id = {work.id: work for work in assignments}
        after = {work.id: work.after for work in given}
        waits = in_turn(after) if is_without(self.state, "parallel") else after
        await run_branches(waits, lambda name: self._work(by_id[name], after[name]))

    async def _work(self, assigned: Assignment, after: tuple[str, ...]) -> None:
        """One agent does one assignment; whatever goes wrong in it becomes its report."""
        work = self._briefed(assigned, after)
        known = self.recorder.recorded(work.path, "Reported")
        context = Work(work.path, self.recorder, self.model, self.consent)
        try:
            async with asyncio.timeout(self.assignment_timeout_s):
                report = await self.team[work.agent].work(work, context)
        except EndOfRecording:
            if known is None:
                raise
            report = ev.Reported.model_validate(known).report
        except TimeoutError:
            report = _failed(f"no result within {self.assignment_timeout_s:g} s")
        except (LimitReached, Waiting, JournalError):
            raise
        except ModelFault as fault:
            if fault.kind not in RECORDED_FAULTS:
                raise
            report = Report(status="blocked", summary=fault.message)
        except Exception as error:  # noqa: BLE001 - an agent's bug must not end the run
            report = _failed(f"{type(error).__name__}: {error}")
        reported = ev.Reported(assignment=work.path, agent=work.agent, report=report)
        await self.recorder.emit(work.path, reported)

    def _briefed(self, work: Assignment, after: tuple[str, ...]) -> Assignment:
        turn = self.state.turns[-1]
        done = [pair for pair in turn.ordered_reports() if pair[0].id in after]
        code = newest_code(self.state, after)
        return work.model_copy(update={"brief": brief(self.state, done), "code": code})

    async def _before_step(self, reserve: Usage) -> None:
        """Before every live step: wait while paused; none begins once a limit is used up. What
        calls in flight may still use counts, so a limit is overrun by one call at most."""
        await self.going.wait()
        recorder = self.recorder
        async with recorder.settled:
            while True:
                hit = self._hit(recorder.spent)
                if hit is not None:
                    raise LimitReached(hit.name, hit.used, hit.allowed)
                if not reserve.calls or self._hit(recorder.expected()) is None:
                    return
                await recorder.settled.wait()

    def _hit(self, spent: Usage) -> LimitHit | None:
        return first_hit(self.limits, rounds=0, spent=spent, elapsed_s=self.elapsed_s())


def _failed(summary: str) -> Report:
    return Report(status="failed", summary=summary)
