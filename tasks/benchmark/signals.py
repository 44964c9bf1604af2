"""Counts what the events of a run show about how it went: no gold, no verdict, no model's opinion.

The names are those of `UnitResult.signals`; `outcomes.py` turns them into published failure codes.
Who failed first, and where, is named as in Who&When (arXiv 2505.00212): the agent and its step.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.coder import Coder
from agents.file_surfer.agent import FileSurfer
from agents.web_surfer.closing import CLOSED
from orchestrator import events as ev
from orchestrator.blobs import Blobs
from orchestrator.journal import Record
from orchestrator.state import State
from tasks.benchmark.contamination import names_in
from tasks.benchmark.scorers.lenient import would_accept
from tasks.benchmark.scorers.score import Json, text_of
from tasks.history import state_of

LEAD = "lead"
REPEATED = 3
"""So often the same instruction to the same agent is a loop."""
TELLING = 4
"""Characters that a gold answer must have before finding it somewhere says anything."""
RUNS_CODE = frozenset({"run", "run_program", "execute"})
WALLS = frozenset({"login_wall", "paywall", "error_page"})
CAPTCHA = "captcha"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was counted, and the agent and step that failed first ("" when none did)."""

    signals: Mapping[str, int]
    failed_agent: str = ""
    failed_step: str = ""


@dataclass(slots=True)
class _Counting:
    signals: Counter[str] = field(default_factory=Counter)
    tools: dict[str, str] = field(default_factory=dict)
    first: tuple[str, str] = ("", "")
    wrote_code: bool = False
    ran_code: bool = False


def seen_in(records: Sequence[Record], blobs: Blobs) -> Seen:
    """Count over all records of a run, in commit order. Purged records are passed over."""
    counting = _Counting()
    for record in records:
        if record.body is not None:
            _count(counting, record, blobs)
    state = state_of(records)
    if counting.wrote_code and not counting.ran_code:
        counting.signals["code_never_ran"] = 1
    counting.signals += _of_state(state)
    answered = _answered(records)
    if answered is not None:
        counting.signals["open_steps"] = len(state.ledger.open_steps)
        counting.signals["unsupported"] = len(answered.unsupported)
    elif counting.first == ("", "") and state.turns:
        counting.first = (LEAD, f"round/{len(state.turns)}/lead")
    return Seen(dict(counting.signals), *counting.first)


def answer_was_shown(records: Sequence[Record], blobs: Blobs, gold: Json) -> bool:
    """Whether some evidence of the run holds the gold answer, all its words together."""
    if isinstance(gold, dict) or len(text_of(gold).strip()) < TELLING:
        return False
    evidence = state_of(records).evidence.values()
    texts = (blobs.get(item.sha256).decode("utf-8", "replace") for item in evidence)
    return any(would_accept(text, gold) for text in texts)


def last_page(records: Sequence[Record], blobs: Blobs) -> str | None:
    """The address at which the browser stood at the end, or None."""
    page = None
    for record in records:
        if record.kind != "StepDone" or record.body is None or record.body["step"] != "tool":
            continue
        value = _value(record.body, blobs)
        if isinstance(value, dict) and isinstance(value.get("snapshot"), dict):
            page = value["snapshot"].get("url") or page
    return page


def _count(counting: _Counting, record: Record, blobs: Blobs) -> None:
    body = record.body
    match record.kind:
        case "StepIntended" if body["step"] == "tool":
            request = body.get("request")
            named = request.get("tool") if isinstance(request, dict) else ""
            counting.tools[record.key] = str(named)
        case "StepDone" if body["step"] == "tool":
            _count_tool(counting, record.key, _value(body, blobs))
        case "Reported":
            _count_report(counting, record.key, body)
        case "VoteCast" if body["verdict"] == "unproven":
            counting.signals["unproven"] += 1
        case "QuestionAnswered" if body["answer"]["status"] == "denied":
            counting.signals["denied"] += 1
        case _ if record.kind in _ONE_EACH:
            counting.signals[_ONE_EACH[record.kind]] += 1


_ONE_EACH = {
    "Replanned": "replans",
    "LoopDetected": "loops",
    "StepUnknown": "unknown_steps",
    "Withheld": "filtered",
    "EndpointTroubled": "endpoint_troubles",
}


def _count_tool(counting: _Counting, key: str, value: Any) -> None:
    if not isinstance(value, dict):
        return
    name, agent = counting.tools.get(key, ""), _agent_of(key)
    counting.ran_code |= name in RUNS_CODE
    text, failed = str(value.get("text") or ""), bool(value.get("failed"))
    snapshot = value.get("snapshot")
    wall = snapshot.get("wall") if isinstance(snapshot, dict) else ""
    if failed:
        counting.signals[f"tool_error:{name}"] += 1
        counting.signals["parse_failure"] += agent == FileSurfer.name
    counting.signals["page_captcha"] += wall == CAPTCHA
    counting.signals["blocked_page"] += wall in WALLS
    counting.signals["contamination"] += _closed(text)
    if name == "search":
        # A provider that asks for a person keeps the search away until it answers again.
        refused = failed and CAPTCHA in text.lower()
        counting.signals["captcha"] = counting.signals["captcha"] + 1 if refused else 0


def _closed(text: str) -> int:
    """Lines of our own that say so: a failure, a note above the page, the end of a result list."""
    lines = text.partition("\n---\n")[0].splitlines()
    return sum(line.removeprefix("note: ").startswith(CLOSED) for line in lines)


def _count_report(counting: _Counting, key: str, body: Mapping[str, Any]) -> None:
    report = body["report"]
    counting.wrote_code |= bool(report.get("code")) and body["agent"] == Coder.name
    if report["status"] != "done" and not counting.first[0]:
        counting.first = (body["agent"], key)


def _of_state(state: State) -> Counter[str]:
    found = Counter[str]()
    works = [work for turn in state.turns for work in turn.assignments]
    told = Counter((work.agent, work.instruction) for work in works)
    found["loops"] = sum(count >= REPEATED for count in told.values())
    urls = {item.source.ref for item in state.evidence.values() if item.source.kind == "url"}
    found["benchmark_named"] = sum(names_in(urls).values())
    return found


def _answered(records: Iterable[Record]) -> ev.Outcome | None:
    ends = [record.body for record in records if record.kind == "RunEnded" and record.body]
    if not ends or ends[-1]["outcome"]["outcome"] != "answered":
        return None
    return ev.Outcome.model_validate(ends[-1]["outcome"])


def _value(body: Mapping[str, Any], blobs: Blobs) -> Any:
    if body.get("blob") is None:
        return body.get("value")
    return json.loads(blobs.get(body["blob"]).decode("utf-8", "surrogatepass"))


def _agent_of(key: str) -> str:
    """`round/3/2.WebSurfer/act/4` is of the WebSurfer."""
    parts = key.split("/")
    return parts[2].partition(".")[2] if len(parts) > 2 else ""
