"""Every fault of an endpoint, once and four times in a row, on the lead's and on a worker's call.

Whole runs through the real client and a real HTTP server; only the waiting takes no time. A run
either answers what is true, or ends honestly and answers once it is resumed. The table is printed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import pytest
from harness import Bench, Worker, assign, finish
from openai_faults import Body, Fault, FaultName
from openai_server import Server, serve
from openai_wire import from_request_policy

from agents.tool_loop import ToolLoop
from agents.toolkit import tool, tools_of
from orchestrator.agent import Assignment, Observation, Report, Source, WorkContext
from orchestrator.errors import FaultKind
from orchestrator.events import Outcome
from orchestrator.limits import Limits
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.llm import Completion, Request, ToolCall
from orchestrator.models.openai_compatible import OpenAICompatible
from orchestrator.models.retries import RetryPolicy

VALUE = "The gauge shows 4711."
ELSEWHERE: set[FaultName] = {"redirect"}
"""Tested with two servers in `test_model_faults.py`."""
KINDS = [kind for kind in get_args(FaultName) if kind not in ELSEWHERE]
LASTING = {"bad-key", "quota", "unknown-model"}
Seat = Callable[[Body], bool]


class Gauge:
    """A device that can be read."""

    @tool()
    async def read(self) -> Observation:
        """Read the gauge."""
        return Observation(text=VALUE, source=Source(kind="tool", ref="gauge"))


async def read_gauge(assignment: Assignment, ctx: WorkContext) -> Report:
    """A worker with the tool loop that all agents share."""
    return await ToolLoop(assignment, ctx, tools_of(Gauge()), "You read gauges.").work()


def plays(request: Request) -> Completion | str:
    """The worker reads and reports what it has read; the lead answers with what is reported."""
    told = "\n".join(message.content for message in request.messages)
    known = VALUE in told
    if request.tools:
        report = {"status": "done", "summary": VALUE}
        name, arguments = ("report", json.dumps(report)) if known else ("read", "{}")
        return Completion(text="", tool_calls=(ToolCall(id="c", name=name, arguments=arguments),))
    return finish("4711") if known else assign(("Reader", "read the gauge"))


def of_the_lead(body: Body) -> bool:
    """The lead's second call: it holds the report."""
    return "tools" not in body and VALUE in str(body["messages"])


def of_a_worker(body: Body) -> bool:
    """The worker's second call: it holds what was read."""
    return "You read gauges" in str(body["messages"]) and VALUE in str(body["messages"])


@dataclass(frozen=True)
class Cell:
    """A fault at a place, so many times."""

    kind: FaultName
    times: int
    seat: Seat

    @property
    def is_slow(self) -> bool:
        return self.kind in ("slow", "slow-body")

    def fault(self) -> Fault:
        return Fault(self.seat, self.kind, self.times, seconds=1.0)


async def no_wait(_: float) -> None:
    return None


def model_at(server: Server, cell: Cell) -> OpenAICompatible:
    patience = 0.5 if cell.is_slow else 60.0
    endpoint = Endpoint("scripted", server.base_url, "sk-test-4711-key", timeout_s=patience)
    return OpenAICompatible.open(endpoint, retries=RetryPolicy(sleep=no_wait))


async def run_cell(bench: Bench, server: Server, cell: Cell) -> tuple[list[Outcome], list[str]]:
    """The outcomes of a run and of its resumes, up to the answer; and the events about faults."""
    server.faults, server.used, server.log[:] = [cell.fault()], {}, []
    model, outcomes = model_at(server, cell), list[Outcome]()
    agents = {"Reader": Worker("Reader", read_gauge)}
    try:
        while not outcomes or (outcomes[-1].outcome != "answered" and len(outcomes) < 6):
            run = bench.run_id if outcomes else None
            outcomes.append(await bench.run(model, agents=agents, run=run))
    finally:
        await model.close()
    told = ("EndpointTroubled", "StepFailed", "Withheld", "LeadUnusable", "WindowLearned")
    events = [record.kind for record in bench.journal.read(bench.run_id) if record.kind in told]
    return outcomes, events


def wrong(cell: Cell, outcomes: list[Outcome], events: list[str], server: Server) -> str:
    """What a run did that it must not do; empty when it was honest."""
    for outcome in outcomes:
        if outcome.outcome == "answered" and outcome.answer != "4711":
            return f"made up {outcome.answer!r}"
        if outcome.outcome not in ("answered", "partial", "needs_human", "gave_up"):
            return f"ended {outcome.outcome}: {outcome.reason}"
        if outcome.outcome == "needs_human" and not (outcome.reason and outcome.fix):
            return "says nothing of what to do"
        if outcome.outcome != "answered" and not outcome.missing:
            return "does not say what is missing"
    if outcomes[-1].outcome != "answered":
        return "never answered, not even when resumed"
    # What was given up as too slow was most likely served, and counts.
    if outcomes[-1].spent.calls > len(server.served) and not cell.is_slow:
        return "counts calls that were not served"
    if cell.kind in LASTING and "StepFailed" not in events:
        return "recorded no failed step"
    return ""


@pytest.mark.parametrize("seat", [of_the_lead, of_a_worker], ids=["lead", "worker"])
async def test_every_fault_is_survived_or_ends_honestly(
    seat: Seat, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, bad = [], []
    with serve(from_request_policy(plays)) as server:
        for kind in KINDS:
            for times in (1, 4):
                cell = Cell(kind, times, seat)
                outcomes, events = await run_cell(bench, server, cell)
                ends = " > ".join(f"{o.outcome}" for o in outcomes)
                seen = ", ".join(f"{events.count(e)} {e}" for e in dict.fromkeys(events))
                served, sent = len(server.served), len(server.log)
                rows.append(f"{kind:<16} x{times}  {ends:<58} {sent:>2} {served:>2}  {seen}")
                if complaint := wrong(cell, outcomes, events, server):
                    bad.append(f"{kind} x{times}: {complaint}")
                if server.used.get(0, 0) == 0:
                    bad.append(f"{kind} x{times}: the fault was never met")
    with capsys.disabled():
        print(f"\n{'fault on a call of the ' + seat.__name__.split('_')[-1]:<21} "
              f"{'outcomes (after >: resumed)':<58} sent served  events")  # fmt: skip
        print("\n".join(rows))
    assert bad == []


@pytest.mark.parametrize("kind", ["503", "429", "reset", "not-json"])
async def test_a_long_outage_waits_for_a_person_and_loses_nothing(
    kind: FaultName, bench: Bench
) -> None:
    with serve(from_request_policy(plays)) as server:
        server.faults = [Fault(of_the_lead, kind, 60)]
        model = model_at(server, Cell(kind, 60, of_the_lead))
        agents = {"Reader": Worker("Reader", read_gauge)}
        first = await bench.run(model, agents=agents)
        before = len(server.served)
        server.faults = []
        second = await bench.run(model, agents=agents, run=bench.run_id)
        await model.close()
    assert first.outcome == "needs_human"
    assert first.reason.startswith("provider: ")
    assert first.fault == FAULT_OF[kind]
    assert second.outcome == "answered"
    assert len(server.served) == before + 1


FAULT_OF: dict[str, FaultKind] = {
    "503": "overloaded", "429": "rate_limit", "reset": "unreachable", "not-json": "bad_reply"
}  # fmt: skip


@pytest.mark.parametrize("calls", [1, 2, 3, 4, 5, 6])
async def test_retries_that_are_served_stop_at_the_limit_of_calls(calls: int, bench: Bench) -> None:
    """Each cut reply was served and counts, so six tries would overrun a limit by five."""
    with serve(from_request_policy(plays)) as server:
        server.faults = [Fault(of_a_worker, "cut", 60)]
        model = model_at(server, Cell("cut", 60, of_a_worker))
        agents = {"Reader": Worker("Reader", read_gauge)}
        outcome = await bench.run(model, agents=agents, limits=Limits(calls=calls))
        await model.close()
    assert outcome.outcome == "partial"
    assert outcome.limit is not None
    assert len(server.served) == outcome.spent.calls == calls
