"""The two ledgers and the lead's reply: what the lead knows, plans, judges and decides.

The task ledger is facts + plan; the progress ledger is the verdict on a round. Pure values,
no I/O. Reading a reply out of a model's text is `lead_reply.py`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.agent import Assignment, ToolInvocation
from orchestrator.models.llm import Frozen

FactKind = Literal["given", "to_look_up", "to_derive", "guess", "found", "refuted"]
StepState = Literal["todo", "doing", "done", "skipped"]


class Fact(Frozen):
    """One statement of the task ledger; a `found` fact names the evidence it rests on."""

    id: str
    text: str
    kind: FactKind
    evidence: tuple[str, ...] = ()


class PlanStep(Frozen):
    """One step of the plan, with the agent that is meant to do it."""

    id: str
    text: str
    agent: str | None = None
    state: StepState = "todo"


class Reply(BaseModel):
    """Base of the parts of a lead's reply: unknown extra fields of a model are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class FactDelta(Reply):
    """A new fact, or with a known id a change to one."""

    id: str | None = None
    text: str | None = None
    kind: FactKind | None = None
    evidence: tuple[str, ...] | None = None


class PlanDelta(Reply):
    """A new plan step, or with a known id a change to one."""

    id: str | None = None
    text: str | None = None
    agent: str | None = None
    state: StepState | None = None


class LeadAssignment(Reply):
    """Work for one agent, as the lead words it. `after` names assignments of the same reply."""

    id: str
    agent: str
    instruction: str
    after: tuple[str, ...] = ()
    tool: ToolInvocation | None = None


class Citation(Reply):
    """Words of an observation that the answer rests on, with the evidence that holds them."""

    quote: str
    evidence: tuple[str, ...] = ()


class LeadReply(Reply):
    """One schema for the opening, every round and the finish."""

    facts: tuple[FactDelta, ...] = ()
    plan: tuple[PlanDelta, ...] = ()
    request_satisfied: bool = False
    in_loop: bool = False
    making_progress: bool = True
    reason: str | None = None
    assignments: tuple[LeadAssignment, ...] = ()
    answer: str | None = None
    citations: tuple[Citation, ...] = ()

    @property
    def is_bad_verdict(self) -> bool:
        """In a loop implies no progress: one verdict, not two."""
        return self.in_loop or not self.making_progress

    @property
    def gives_up(self) -> bool:
        """A bad verdict with its reason and nobody given work: the lead sees no way on."""
        working = self.assignments or self.request_satisfied
        return self.is_bad_verdict and bool((self.reason or "").strip()) and not working


class PlainReply(Reply):
    """What acts of a LeadReply: who does what next, or the answer."""

    request_satisfied: bool = False
    assignments: tuple[LeadAssignment, ...] = ()
    answer: str | None = None
    citations: tuple[Citation, ...] = ()


class TaskLedger(Frozen):
    """Facts and plan. Items keep the order in which they were first written."""

    facts: tuple[Fact, ...] = ()
    plan: tuple[PlanStep, ...] = ()

    def apply(self, reply: LeadReply) -> TaskLedger:
        """The ledger after a reply: known ids change items, the rest is added."""
        facts = {fact.id: fact for fact in self.facts}
        for delta in reply.facts:
            _apply_fact(facts, delta)
        plan = {step.id: step for step in self.plan}
        for step in reply.plan:
            _apply_step(plan, step)
        return TaskLedger(facts=tuple(facts.values()), plan=tuple(plan.values()))

    def fact(self, kind: FactKind) -> tuple[Fact, ...]:
        """The facts of one kind."""
        return tuple(fact for fact in self.facts if fact.kind == kind)

    @property
    def open_steps(self) -> tuple[PlanStep, ...]:
        """Plan steps neither done nor skipped."""
        return tuple(step for step in self.plan if step.state in ("todo", "doing"))


class ProgressLedger(Frozen):
    """The verdict on a round and what the stall rule made of it."""

    round: int
    request_satisfied: bool
    in_loop: bool
    making_progress: bool
    reason: str = ""
    stalls: int = Field(ge=0)


def addressed(
    number: int, given: tuple[LeadAssignment, ...], *, one_turn: bool = False
) -> tuple[Assignment, ...]:
    """The assignments of a round with their logical paths."""
    agents = [work.agent for work in given]
    return tuple(
        Assignment(
            id=work.id,
            path=f"round/{number}/{position}.{work.agent}",
            agent=work.agent,
            instruction=work.instruction,
            tool=work.tool,
            alone=agents.count(work.agent) == 1,
            one_turn=one_turn,
        )
        for position, work in enumerate(given, start=1)
    )


def _apply_fact(facts: dict[str, Fact], delta: FactDelta) -> None:
    known = facts.get(delta.id or "")
    if known is None and not delta.text:
        return
    fact_id = delta.id or _free_id("f", facts)
    facts[fact_id] = Fact(
        id=fact_id,
        text=delta.text or (known.text if known else ""),
        kind=delta.kind or (known.kind if known else "guess"),
        evidence=delta.evidence if delta.evidence is not None else known.evidence if known else (),
    )


def _apply_step(plan: dict[str, PlanStep], delta: PlanDelta) -> None:
    known = plan.get(delta.id or "")
    if known is None and not delta.text:
        return
    step_id = delta.id or _free_id("p", plan)
    plan[step_id] = PlanStep(
        id=step_id,
        text=delta.text or (known.text if known else ""),
        agent=delta.agent or (known.agent if known else None),
        state=delta.state or (known.state if known else "todo"),
    )


def _free_id(prefix: str, taken: dict[str, Fact] | dict[str, PlanStep]) -> str:
    number = len(taken) + 1
    while f"{prefix}{number}" in taken:
        number += 1
    return f"{prefix}{number}"
