"""The scripted lead and Looker of the durability suite: they read what they are shown."""

from __future__ import annotations

import json
import re

from orchestrator.models.llm import Completion, Request, ToolCall


def policy(request: Request) -> Completion | str:
    """Two looks at the same time, then the sum, then the answer with its evidence."""
    system = request.messages[0].content
    if "answer" in system.partition("\n")[0]:
        return verifier(request)
    return lead(request) if "You lead a small team" in system else looker(request)


def verifier(request: Request) -> str:
    """Quotes the sum when the evidence shows the one that the answer names."""
    prompt = request.messages[1].content
    total = re.search(r"in all (\d+)\n</answer>", prompt)
    shown = re.search(r"the sum is (\d+)", prompt)
    proven = bool(total and shown and total[1] == shown[1])
    quotes = [{"quote": shown[0], "evidence": "2.1.1"}] if shown and proven else []
    return json.dumps({"quotes": quotes, "supported": proven, "unproven": ["the sum"][proven:]})


def lead(request: Request) -> str:
    told = "\n".join(message.content for message in request.messages if message.role == "user")
    values = dict(re.findall(r"(apple|pear) has the value (\d+)", told))
    total = re.search(r"the sum is (\d+)", told)
    if total:
        evidence = re.findall(r"evidence (\d+\.\d+\.\d+)", told)
        answer = f"{values['apple']} and {values['pear']}, in all {total[1]}"
        quote = {"quote": total[0], "evidence": sorted(set(evidence))}
        return decision(request_satisfied=True, answer=answer, citations=[quote])
    if len(values) == 2:
        return decision(work=[("Counter", f"add {values['apple']} and {values['pear']}")])
    return decision(work=[("Looker", "look up the apple"), ("Looker", "look up the pear")])


def looker(request: Request) -> Completion:
    thing = re.search(r"look up the (\w+)\n</instruction>", request.messages[1].content)
    assert thing
    shown = [message.content for message in request.messages if message.role == "tool"]
    found = next((m for text in shown if (m := re.search(r"\w+ has the value \d+", text))), None)
    if found is None:
        return call("look", thing=thing[1])
    if not any("posted" in text or "may or may not" in text for text in shown):
        return call("post", thing=thing[1])
    return call("report", status="done", summary=found[0])


def decision(work: list[tuple[str, str]] | None = None, **parts: object) -> str:
    assignments = [
        {"id": f"a{number}", "agent": agent, "instruction": instruction}
        for number, (agent, instruction) in enumerate(work or [], start=1)
    ]
    return json.dumps({"request_satisfied": False, "assignments": assignments, **parts})


def call(name: str, **arguments: object) -> Completion:
    return Completion(
        text="", tool_calls=(ToolCall(id="c1", name=name, arguments=json.dumps(arguments)),)
    )
