"""Writes what the scripted model says: tool calls, a worker's report, a lead's reply."""

from __future__ import annotations

import json
from collections.abc import Iterable

from orchestrator.agent import Json, ReportStatus
from orchestrator.models.llm import Completion, Request, ToolCall


def calls(request: Request, *wanted: tuple[str, dict[str, Json]]) -> Completion:
    """One or more tool calls in one turn, with ids that no earlier turn has used."""
    turn = len(request.messages)
    made = tuple(
        ToolCall(id=f"call-{turn}-{number}", name=name, arguments=json.dumps(arguments))
        for number, (name, arguments) in enumerate(wanted, start=1)
    )
    return Completion(text="", tool_calls=made)


def report(
    request: Request, status: ReportStatus, summary: str, evidence: Iterable[str] = ()
) -> Completion:
    """The call that ends an assignment."""
    named = [name for name in dict.fromkeys(evidence) if name]
    return calls(request, ("report", {"status": status, "summary": summary, "evidence": named}))


def decision(**parts: Json) -> str:
    """A lead's reply; flags that are not given have their good values."""
    flags = {"request_satisfied": False, "in_loop": False, "making_progress": True}
    return json.dumps({**flags, **parts}, ensure_ascii=False)


def no_way_on(reason: str) -> str:
    """The reply of a lead that sees no way on: a bad verdict, and nobody is given work."""
    return decision(making_progress=False, reason=reason)
