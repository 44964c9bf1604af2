"""Every event that a journal can hold: frozen values in one union.

To remember something, add an event here and a case in `state.fold`. Lifecycle events say how
an attempt went; they are left out of the run digest, since a replay has no attempts.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from orchestrator.agent import Answer, Artifact, Assignment, Effect, Evidence, Question, Report
from orchestrator.errors import FaultKind
from orchestrator.ledger import Fact, LeadReply
from orchestrator.limits import LimitHit, Limits
from orchestrator.models.llm import Frozen, Trouble, Usage

VERSION = 1
OutcomeName = Literal["answered", "partial", "gave_up", "needs_human", "cancelled", "failed"]
Basis = Literal["evidence", "computed", "mixed", "model_memory"]
Ask = Literal[
    "opening", "round", "replan", "gate", "unproven", "unusable",
    "facts", "plan", "ledger", "new_facts", "new_plan", "final",
]  # fmt: skip
"""What a round asks the lead; the second line is the classic cadence."""
StrategyName = Literal["magentic", "classic"]
Seat = Literal["lead", "worker"]
Switch = Literal["ledger", "parallel", "verify", "compaction"]
"""A part of the lead that can be switched off to see what it is worth."""


class Attachment(Frozen):
    """A file handed in with the task; its bytes are a blob."""

    name: str
    sha256: str
    size: int
    media_type: str


class Member(Frozen):
    """A line of the roster as the lead reads it."""

    name: str
    description: str


class Note(Frozen):
    """What a person told the lead while the run was going."""

    id: int
    text: str
    by: str


class Earlier(Frozen):
    """What a follow-up inherits from the run it comes after."""

    run: str
    task: str
    answer: str | None
    facts: tuple[Fact, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    artifacts: tuple[Artifact, ...] = ()

    def with_own_ids(self) -> Earlier:
        """The same under ids that no evidence of the new run can take: both count from 1.1.1."""

        def own(name: str) -> str:
            return f"{self.run[:4]}:{name}"

        evidence = [item.model_copy(update={"id": own(item.id)}) for item in self.evidence]
        facts = [
            fact.model_copy(update={"evidence": tuple(own(name) for name in fact.evidence)})
            for fact in self.facts
        ]
        return self.model_copy(update={"evidence": tuple(evidence), "facts": tuple(facts)})


class TaskReceived(Frozen):
    """The first event: the task and everything that shapes what the lead is shown."""

    kind: Literal["TaskReceived"] = "TaskReceived"
    task: str
    attachments: tuple[Attachment, ...] = ()
    roster: tuple[Member, ...]
    limits: Limits
    settings: dict[str, Any] = Field(default_factory=dict)
    window: int | None = None
    earlier: Earlier | None = None
    without: tuple[Switch, ...] = ()
    strategy: StrategyName = "magentic"
    prompts: dict[str, str] = Field(default_factory=dict)


class AnswerCheck(Frozen):
    """What plain code found of an answer: what it rests on, and what nothing holds."""

    basis: Basis
    unsupported: tuple[str, ...] = ()
    misquoted: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


class RunStarted(Frozen):
    """Lifecycle: an attempt began (the first, or a resume). `prompts` is one hash over all
    prompts, `prompt_files` has one for each."""

    kind: Literal["RunStarted"] = "RunStarted"
    attempt: int
    owner: str
    limits: Limits
    versions: dict[str, str]
    prompts: str
    prompt_files: dict[str, str] = Field(default_factory=dict)
    protections: dict[str, str] = Field(default_factory=dict)


class RoundOpened(Frozen):
    """A round begins: what the lead is asked and why, and what the loop saw of the clock and
    the inbox."""

    kind: Literal["RoundOpened"] = "RoundOpened"
    round: int
    ask: Ask
    detail: tuple[str, ...] = ()
    elapsed_s: float
    notes: tuple[Note, ...] = ()
    read_up_to: int = 0


class LeadReplied(Frozen):
    """The lead's reply, read and validated. `tries` counts the calls that it took."""

    kind: Literal["LeadReplied"] = "LeadReplied"
    round: int
    reply: LeadReply
    tries: int = 1
    check: AnswerCheck | None = None


class LeadUnusable(Frozen):
    """No try of this round gave a usable reply."""

    kind: Literal["LeadUnusable"] = "LeadUnusable"
    round: int
    problems: tuple[str, ...]


class VoteCast(Frozen):
    """A fresh look at the answer and the evidence itself. `proven` counts only with quotes that
    the evidence holds; `unproven` says what is not shown; `unclear` is no vote at all."""

    kind: Literal["VoteCast"] = "VoteCast"
    round: int
    ballot: int
    verdict: Literal["proven", "unproven", "unclear"]
    quotes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


class WorkAssigned(Frozen):
    """The delegation of one round."""

    kind: Literal["WorkAssigned"] = "WorkAssigned"
    round: int
    assignments: tuple[Assignment, ...]


class Reported(Frozen):
    """An agent handed back its report."""

    kind: Literal["Reported"] = "Reported"
    assignment: str
    agent: str
    report: Report


class EvidenceFound(Frozen):
    """Bytes were stored that a claim may point at."""

    kind: Literal["EvidenceFound"] = "EvidenceFound"
    evidence: Evidence


class StepIntended(Frozen):
    """A step is about to happen. `request` holds what replay compares and people read."""

    kind: Literal["StepIntended"] = "StepIntended"
    step: str
    effect: Effect
    fingerprint: str
    request: Any = None


class StepDone(Frozen):
    """A step happened. `value` is its result, or `blob` names where the result is stored."""

    kind: Literal["StepDone"] = "StepDone"
    step: str
    value: Any = None
    blob: str | None = None
    usage: Usage | None = None
    model: str | None = None


class StepFailed(Frozen):
    """Lifecycle: a call failed in a way that a resume tries again; `usage` is what it cost."""

    kind: Literal["StepFailed"] = "StepFailed"
    step: str
    fault: str
    message: str
    usage: Usage | None = None


class EndpointTroubled(Frozen):
    """What went wrong at the model's endpoint during one recorded call, and how it was got over:
    asked again, gave up an ability, another model took over."""

    kind: Literal["EndpointTroubled"] = "EndpointTroubled"
    troubles: tuple[Trouble, ...]


class StepUnknown(Frozen):
    """A step was begun before a crash; nobody can say whether it happened."""

    kind: Literal["StepUnknown"] = "StepUnknown"
    step: str


class Withheld(Frozen):
    """A provider's content filter refused a prompt; these reports (paths) or observations
    (evidence ids) are shown as stubs from now on."""

    kind: Literal["Withheld"] = "Withheld"
    what: tuple[str, ...]


class WindowLearned(Frozen):
    """An endpoint took less than a prompt of ours: prompts for this seat stay below so many
    tokens from now on."""

    kind: Literal["WindowLearned"] = "WindowLearned"
    seat: Seat
    tokens: int


class LoopDetected(Frozen):
    """Plain code stopped an agent that did the same again without a new result."""

    kind: Literal["LoopDetected"] = "LoopDetected"
    where: str
    what: str


class Replanned(Frozen):
    """The stall rule asked for a new plan; `tried` names what failed."""

    kind: Literal["Replanned"] = "Replanned"
    round: int
    reason: str
    tried: tuple[str, ...]


class Compacted(Frozen):
    """The conversation up to this round was folded into the ledger, as `text` shows it."""

    kind: Literal["Compacted"] = "Compacted"
    upto_round: int
    text: str


class QuestionAsked(Frozen):
    """A person has to decide something."""

    kind: Literal["QuestionAsked"] = "QuestionAsked"
    id: str
    asked_by: str
    question: Question


class QuestionAnswered(Frozen):
    """The answer to a question, or that none came in time."""

    kind: Literal["QuestionAnswered"] = "QuestionAnswered"
    id: str
    answer: Answer


class Recorded(Frozen):
    """A record of a task family (benchmark, forensics); the core does not look inside."""

    kind: Literal["Recorded"] = "Recorded"
    schema_name: str
    body: Any


class Protections(Frozen):
    """What a box was seen to hold against programs in it when it started, by the names that
    `quaestor doctor` uses. `sandbox` is what started it."""

    sandbox: str
    holds: tuple[str, ...]
    missing: tuple[str, ...] = ()


class Outcome(Frozen):
    """How a run ended, and what its answer rests on. `verified` is None where no check was due,
    False where it could not be had or did not hold. `fault` and `fix` are set when the model's
    endpoint ended the run; `models` are the models whose replies it used. `protections` is None
    where this attempt needed no box."""

    run: str
    outcome: OutcomeName
    reason: str = ""
    answer: str | None = None
    basis: Basis | None = None
    unsupported: tuple[str, ...] = ()
    verified: bool | None = None
    evidence: tuple[Evidence, ...] = ()
    missing: tuple[str, ...] = ()
    limit: LimitHit | None = None
    artifacts: tuple[Artifact, ...] = ()
    question: str | None = None
    fault: FaultKind | None = None
    fix: str = ""
    unknown_steps: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    protections: Protections | None = None
    spent: Usage = Usage()
    seconds: float = 0.0


class RunEnded(Frozen):
    """Lifecycle: an attempt ended. `resumable` is false after an answer or a cancel command."""

    kind: Literal["RunEnded"] = "RunEnded"
    attempt: int
    outcome: Outcome
    resumable: bool
    digest: str


Event = Annotated[
    TaskReceived
    | RunStarted
    | RoundOpened
    | LeadReplied
    | LeadUnusable
    | VoteCast
    | WorkAssigned
    | Reported
    | EvidenceFound
    | StepIntended
    | StepDone
    | StepFailed
    | EndpointTroubled
    | StepUnknown
    | Withheld
    | WindowLearned
    | LoopDetected
    | Replanned
    | Compacted
    | QuestionAsked
    | QuestionAnswered
    | Recorded
    | RunEnded,
    Field(discriminator="kind"),
]
LIFECYCLE = frozenset({"RunStarted", "RunEnded", "StepFailed"})
_adapter: TypeAdapter[Event] = TypeAdapter(Event)


def body_of(event: Event) -> dict[str, Any]:
    """The JSON body that is stored; the kind has a column of its own."""
    return event.model_dump(mode="json", exclude={"kind"})


def read_event(kind: str, body: dict[str, Any]) -> Event:
    """The event of a stored body."""
    return _adapter.validate_python({"kind": kind, **body})
