"""Small builders for tests of the loop: a journal on a disk, a lead that reads, agents that work.

Nothing here stands in for a part of the product; the agents are real members of a roster that
happen to be simple.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator import events as ev
from orchestrator.agent import Assignment, Observation, Report, Source, WorkContext
from orchestrator.attempt import About, elapsed_before, run_attempt
from orchestrator.errors import EndOfRecording
from orchestrator.journal import Journal
from orchestrator.limits import Limits
from orchestrator.loop import Orchestrator
from orchestrator.models.llm import LLM, Request
from orchestrator.models.replay import ReplayModel
from orchestrator.models.scripted import ScriptedModel
from orchestrator.recorder import Recorder, Watch
from orchestrator.state import State
from orchestrator.work import Consent

ABOUT = About(owner="test:1", versions={"quaestor": "0"}, prompts={}, protections={})
Work = Callable[[Assignment, WorkContext], Awaitable[Report]]


def reply(**parts: Any) -> str:
    """A lead's reply as JSON text, with the flags that are not given at their good values."""
    return json.dumps(
        {"request_satisfied": False, "in_loop": False, "making_progress": True, **parts}
    )


def assign(*work: tuple[str, str] | dict[str, Any], **parts: Any) -> str:
    """A reply that assigns (agent, instruction) pairs or whole assignment objects."""
    given = [
        item
        if isinstance(item, dict)
        else {"id": f"a{number}", "agent": item[0], "instruction": item[1]}
        for number, item in enumerate(work, start=1)
    ]
    return reply(assignments=given, **parts)


def finish(answer: str, **parts: Any) -> str:
    """A reply that ends the run."""
    return reply(request_satisfied=True, answer=answer, **parts)


def last_user(request: Request) -> str:
    """The newest thing that the model was told."""
    return next(m.content for m in reversed(request.messages) if m.role == "user")


@dataclass(slots=True)
class Worker:
    """An agent that does what its function says and logs the assignments that it began."""

    name: str
    do: Work
    begun: list[str] = field(default_factory=list)
    description: str = "does what it is told"

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        self.begun.append(assignment.instruction)
        return await self.do(assignment, ctx)

    async def close(self) -> None:
        """Nothing to let go of."""


async def echo(assignment: Assignment, ctx: WorkContext) -> Report:
    """Observe one thing, as evidence, and report it."""

    async def look() -> Any:
        text = f"seen for {assignment.instruction}: value {len(assignment.instruction) * 111}"
        return Observation(text=text, source=Source(kind="tool", ref="echo")).model_dump(
            mode="json"
        )

    done = await ctx.once("act/1", look, kind="tool", fingerprint=assignment.instruction)
    observation = Observation.model_validate(done.value)
    evidence = await ctx.add_evidence("act/1", observation)
    return Report(status="done", summary=observation.text, evidence=(evidence.id,))


async def fail(assignment: Assignment, _ctx: WorkContext) -> Report:
    """Report a failure that names the instruction."""
    return Report(status="failed", summary=f"the login page refused: {assignment.instruction}")


def team(**workers: Work) -> dict[str, Worker]:
    """Workers by name; a single Echo when none is given."""
    return {name: Worker(name, do) for name, do in (workers or {"Echo": echo}).items()}


@dataclass(slots=True)
class Bench:
    """A journal in a folder, and runs on it."""

    home: Path
    journal: Journal
    state: State = field(default_factory=State)
    run_id: str = ""
    watch: Watch | None = None
    url: str | None = None

    async def run(
        self,
        policy: Callable[[Request], Any] | LLM,
        *,
        agents: Mapping[str, Worker] | None = None,
        task: str = "Find the value.",
        limits: Limits | None = None,
        consent: Consent | None = None,
        run: str | None = None,
        window: int | None = None,
        require_evidence: bool = False,
        without: tuple[ev.Switch, ...] = ("verify",),
        strategy: ev.StrategyName = "magentic",
        prompts: Mapping[str, str] | None = None,
    ) -> ev.Outcome:
        """Run a new task, or with `run` resume one, to its outcome. Answers are verified only
        where a test asks for it."""
        agents = team() if agents is None else agents
        model: LLM = policy if hasattr(policy, "complete") else ScriptedModel(policy)
        self.run_id = run or self.journal.create()
        epoch = self.journal.claim(self.run_id, ABOUT.owner)
        records = self.journal.verify(self.run_id)
        recorder = Recorder(self.journal, self.run_id, epoch, records, watch=self.watch)
        orchestrator = self.orchestrator(recorder, model, agents, limits, consent, require_evidence)
        known = recorder.recorded("task", "TaskReceived")
        received = task_received(task, agents, limits, window, without)
        own = {"strategy": strategy, "prompts": dict(prompts or {})}
        received = received.model_copy(update=own)
        received = ev.TaskReceived.model_validate(known) if known else received
        try:
            return await run_attempt(orchestrator, received, ABOUT)
        finally:
            self.state = recorder.state

    async def replay(
        self,
        agents: Mapping[str, Worker],
        task: str = "Find the value.",
        limits: Limits | None = None,
        without: tuple[ev.Switch, ...] = ("verify",),
        strategy: ev.StrategyName = "magentic",
        prompts: Mapping[str, str] | None = None,
    ) -> Recorder:
        """Replay the newest run offline; the recorder knows both digests."""
        records = self.journal.verify(self.run_id)
        recorder = Recorder(self.journal, self.run_id, None, records)
        orchestrator = self.orchestrator(recorder, ReplayModel(), agents, limits, None, False)
        with suppress(EndOfRecording):
            received = task_received(task, agents, limits, None, without)
            own = {"strategy": strategy, "prompts": dict(prompts or {})}
            await orchestrator.run(received.model_copy(update=own))
        return recorder

    def orchestrator(
        self,
        recorder: Recorder,
        model: LLM,
        agents: Mapping[str, Worker],
        limits: Limits | None,
        consent: Consent | None,
        require_evidence: bool,
    ) -> Orchestrator:
        before = elapsed_before(recorder.records)
        began = asyncio.get_running_loop().time()
        return Orchestrator(
            recorder=recorder,
            lead=model,
            model=model,
            team=agents,
            limits=limits or Limits(),
            elapsed_s=lambda: before + asyncio.get_running_loop().time() - began,
            consent=consent or Consent(),
            require_evidence=require_evidence,
        )

    def kinds(self, kind: str) -> list[Any]:
        """The bodies of all events of a kind in the newest run."""
        return [r.body for r in self.journal.read(self.run_id) if r.kind == kind]


def task_received(
    task: str,
    agents: Mapping[str, Worker],
    limits: Limits | None,
    window: int | None,
    without: tuple[ev.Switch, ...],
) -> ev.TaskReceived:
    """The first event for a team."""
    members = tuple(ev.Member(name=a.name, description=a.description) for a in agents.values())
    return ev.TaskReceived(
        task=task, roster=members, limits=limits or Limits(), window=window, without=without
    )
