"""The model <-> tool loop that every tool-using agent shares.

One assignment in, one Report out. Each model call and each tool call is a recorded step of its
own, so a crash in the middle costs nothing twice. The lead is not consulted in here.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.circles import repetition, settled
from agents.hands import Device, Hands
from agents.toolkit import Tool
from orchestrator.agent import (
    Artifact,
    Assignment,
    CodeArtifact,
    Json,
    Observation,
    Report,
    ReportStatus,
    WorkContext,
)
from orchestrator.basis import strange_figures
from orchestrator.canonical import canonical, sha256_of, storable
from orchestrator.context import WITHHELD, fence, one_line
from orchestrator.errors import ModelFault, ToolFailed
from orchestrator.models.llm import Completion, Message, Request, ToolCall, ToolSpec

MAX_STEPS = 40
MAX_NUDGES = 2
SMALLER_TRIES = 4
OLD_OBSERVATION_CHARS = 1_200
LISTED_EVIDENCE = 8
EVIDENCE = re.compile(r"\[evidence ([\d.]+)\]")
STATUSES: tuple[ReportStatus, ...] = ("done", "failed", "blocked", "needs_human")
REPORT = ToolSpec(
    name="report",
    description=(
        "Hand back your result and end the assignment. status: done, failed, blocked (a wall such "
        "as a login or CAPTCHA) or needs_human. summary: what you found or did, with the exact "
        "figures and names, complete in itself. evidence: the ids of the evidence it rests on. "
        "as_shown: true, in the same turn right after another tool call, when what that call shows "
        "is the whole result; the summary may then be empty. If the call fails, you go on."
    ),
    parameters={
        "type": "object",
        "properties": {
            "status": {"type": "string", "enum": list(STATUSES)},
            "summary": {"type": "string"},
            "evidence": {"type": "array", "items": {"type": "string"}},
            "as_shown": {"type": "boolean"},
        },
        "required": ["status", "summary"],
    },
)


@dataclass(slots=True)
class ToolLoop:
    """The run of one assignment: its conversation and what it has gathered. `result` is what the
    newest call of this turn has shown: None before any, "" where it cannot be a result."""

    assignment: Assignment
    ctx: WorkContext
    tools: Mapping[str, Tool]
    prompt: str
    device: Device | None = None
    max_steps: int = MAX_STEPS
    messages: list[Message] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)
    done: list[tuple[str, str]] = field(default_factory=list)
    withheld: tuple[str, ...] = ()
    heard: dict[str, str] = field(default_factory=dict)
    code: CodeArtifact | None = None
    result: str | None = None
    acts: int = 0
    seen: list[str] = field(default_factory=list)
    has_seen_pictures: bool = False
    was_sent_back: bool = False
    needed: frozenset[int] = frozenset()

    async def work(self) -> Report:
        """Let the model use the tools until it reports. Raises what the context raises."""
        if self.assignment.tool is not None:
            return await self._direct(self.assignment.tool.name, self.assignment.tool.arguments)
        self.messages = [
            Message(role="system", content=self.prompt),
            Message(role="user", content=self._instruction()),
        ]
        nudges = 0
        for step in range(1, self.max_steps + 1):
            completion = await self._think(f"think/{step}")
            if completion.tool_calls:
                report = await self._act_on(completion.text, completion.tool_calls)
                report = report or await self._stopped() or self._handed_back()
                if report is not None:
                    return report
                continue
            if completion.text.strip() and completion.finish == "stop":
                report = self._text_report(completion.text.strip())
                if report is not None:
                    return report
                continue
            nudges += 1
            if nudges > MAX_NUDGES:
                return self._report("failed", f"the model gave no result ({completion.finish})", [])
            self._nudge(completion.finish)
        return self._report("failed", f"no result after {self.max_steps} steps", [])

    async def _think(self, name: str) -> Completion:
        """One model call; when a content filter refuses the prompt, again without the newest
        observation, then without any. The same prompt is never sent twice."""
        request = self._request()
        try:
            return await self.ctx.complete(name, request)
        except ModelFault as fault:
            if fault.kind == "context_too_long" and name.count("/small") < SMALLER_TRIES:
                return await self._think_smaller(name, request)
            shown = [n for n, m in enumerate(self.messages) if _is_shown(m)]
            if fault.kind != "content_filter" or not shown:
                raise
        places = shown if name.endswith("/less") else shown[-1:]
        evidence = tuple(found[1] for n in places if (found := EVIDENCE.match(self._said(n))))
        await self.ctx.withhold(name, evidence)
        self.withheld += evidence
        for number in places:
            stub = f"{WITHHELD} {' '.join(evidence)}".strip()
            changed = {"content": stub, "images": ()}
            self.messages[number] = self.messages[number].model_copy(update=changed)
        return await self._think(f"{name}/less")

    async def _think_smaller(self, name: str, request: Request) -> Completion:
        """The same question in a prompt that fits: every observation is cut, the older the more."""
        await self.ctx.learn_window(name, request)
        places = [n for n, message in enumerate(self.messages) if message.role == "tool"]
        for number in places:
            room = self.ctx.observation_chars if number == places[-1] else OLD_OBSERVATION_CHARS
            room = min(room, self.ctx.observation_chars) // (1 + name.count("/small"))
            self._cut_message(number, room)
        return await self._think(f"{name}/small")

    def _said(self, number: int) -> str:
        return self.messages[number].content

    async def _stopped(self) -> Report | None:
        """The end of an agent that repeats itself, found by plain code."""
        what = repetition(self.done)
        if what is None:
            return None
        await self.ctx.stop_loop(f"act/{self.acts}/loop", f"{self.assignment.agent}: {what}")
        return self._report("failed", f"stopped, because it went in circles: {what}", [])

    def _handed_back(self) -> Report | None:
        """The report of an agent with one turn only: what its tools have just shown."""
        if not self.assignment.one_turn:
            return None
        own = max(n for n, message in enumerate(self.messages) if message.role == "assistant")
        shown = [message.content for message in self.messages[own + 1 :]]
        failed = all(text.startswith("failed: ") for text in shown)
        return self._report("failed" if failed else "done", "\n\n".join(shown), [])

    def _instruction(self) -> str:
        return (
            f"{self.assignment.brief}\n<instruction>\n{self.assignment.instruction}\n</instruction>"
        )

    def _request(self) -> Request:
        role = self.assignment.agent
        specs = (*(tool.spec for tool in self.tools.values()), REPORT)
        self._shorten_old()
        return Request(role=role, messages=tuple(self.messages), tools=specs)

    def _nudge(self, finish: str) -> None:
        self.messages.append(Message(role="assistant", content="(no usable reply)"))
        said = f"Your reply was empty or unusable ({finish}). Call a tool, or call report."
        self.messages.append(Message(role="user", content=said))

    async def _act_on(self, text: str, calls: tuple[ToolCall, ...]) -> Report | None:
        self.messages.append(Message(role="assistant", content=text, tool_calls=calls))
        self.result = None
        for call in calls:
            if self._bare(call.name) == REPORT.name:
                report = self._read_report(call)
                if report is not None:
                    return report
                continue
            shown, images = await self._act(call.name, call.arguments)
            self.messages.append(
                Message(role="tool", content=shown, tool_call_id=call.id, images=images)
            )
        return None

    def _read_report(self, call: ToolCall) -> Report | None:
        """The report, or None after telling the model what is wrong with it."""
        problem: str | None
        try:
            given = storable(json.loads(call.arguments or "{}"))
            shown = _as_result(self.result) if given.get("as_shown") is True else ""
            if shown:
                given = {"summary": "", **given}
            status, summary = given["status"], f"{given['summary'] or ''}\n{shown}".strip()
            if status not in STATUSES or not summary:
                raise ValueError(f"status must be one of {', '.join(STATUSES)}, summary not empty")
        except KeyError as error:
            problem = f"{error.args[0]} is missing"
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            problem = str(error)
        else:
            own = EVIDENCE.match(shown)
            named = [*_names(given.get("evidence")), *(own.groups() if own else ())]
            problem = self._sent_back(summary)
            if problem is None:
                return self._report(status, summary, named)
        said = f"failed: report: {problem}"
        self.messages.append(Message(role="tool", content=said, tool_call_id=call.id))
        return None

    def _text_report(self, text: str) -> Report | None:
        """A reply without a tool call is a report too, once nothing speaks against it."""
        problem = self._sent_back(text)
        if problem is None:
            return self._report("done", text, [])
        self.messages.append(Message(role="assistant", content=text))
        self.messages.append(Message(role="user", content=f"Not yet a report: {problem}"))
        return None

    def _sent_back(self, summary: str) -> str | None:
        """What is wrong with a report, said once: a figure that nothing has shown."""
        strange = [] if self.was_sent_back else self._strange(summary)
        if not strange:
            return None
        self.was_sent_back = True
        return (
            f"no observation of yours holds {', '.join(strange[:5])}. Report figures exactly as "
            "they were shown, or look again; arithmetic is for programs"
        )

    def _strange(self, summary: str) -> list[str]:
        if self.has_seen_pictures:
            return []  # what a picture shows cannot be looked up in a text
        told = (self.assignment.brief, self.assignment.instruction)
        return strange_figures(summary, (*self.seen, *told))

    async def _direct(self, name: str, arguments: dict[str, Any]) -> Report:
        tool = self.tools.get(name)
        if tool is None or not tool.marks.direct:
            direct = [tool.name for tool in self.tools.values() if tool.marks.direct]
            return self._report("failed", f"{name} is no direct tool; those are {direct}", [])
        shown, _images = await self._act(name, canonical(arguments))
        failed = shown.startswith("failed: ")
        return self._report("failed" if failed else "done", shown, [])

    async def _act(self, name: str, arguments: str) -> tuple[str, tuple[str, ...]]:
        """Do one tool call; what the model is shown comes back."""
        self.acts += 1
        key, self.result = f"act/{self.acts}", ""
        tool = self.tools.get(name) or self._like(name)
        if tool is None:
            there = ", ".join((*self.tools, REPORT.name))
            return f"failed: there is no tool {name!r:.80}; the tools are {there}", ()
        try:
            parsed = tool.parse(arguments)
        except ToolFailed as error:
            return f"failed: {error.message}", ()
        observation = await self._hands().do(key, tool, parsed)
        self.seen += [observation.text, arguments]
        self.has_seen_pictures = self.has_seen_pictures or bool(observation.images)
        if observation.view:
            kept = self.needed if observation.view == "changes" else ()
            self.needed = frozenset((*kept, len(self.messages)))
        told = sha256_of([tool.name, arguments, observation.page, settled(observation.text)])
        if not tool.name.startswith("wait"):  # waiting brings the same until it is over
            self.trace.append(told)
            self.done.append((told, f"{tool.name}({arguments[:120]})"))
        shown = await self._shown(key, observation)
        self.result = shown if observation.conclusive and not observation.failed else ""
        return shown, observation.images

    def _hands(self) -> Hands:
        return Hands(self.assignment.agent, self.ctx, self.device, self.heard)

    async def _shown(self, key: str, observation: Observation) -> str:
        self.artifacts.update({item.path: item for item in observation.artifacts})
        self.code = observation.code or self.code
        text = _cut(observation.text, self.ctx.observation_chars)
        if observation.failed:
            return f"failed: {text}"
        if observation.source is None:
            return text
        evidence = await self.ctx.add_evidence(key, observation)
        self.evidence.append(evidence.id)
        if observation.untrusted:
            text = fence(text, observation.source.ref)
        head = f"[evidence {evidence.id}] {one_line(evidence.locator)}".rstrip()
        return f"{head}\n{text}"

    def _report(self, status: ReportStatus, summary: str, named: list[str]) -> Report:
        strange = self._strange(summary) if self.assignment.tool is None else []
        if strange:
            summary += f"\n[no observation holds: {', '.join(strange[:9])}]"
        known = [name for name in dict.fromkeys(named) if name in self.evidence]
        if self.withheld:
            summary += f"\n[a content filter refused evidence {', '.join(self.withheld)}]"
        return Report(
            status=status,
            summary=summary,
            evidence=tuple(known or self.evidence[-LISTED_EVIDENCE:]),
            artifacts=tuple(self.artifacts.values()),
            code=self.code,
            trace=tuple(self.trace),
        )

    def _like(self, name: str) -> Tool | None:
        """The tool that a slightly wrong name must mean (`WebSurfer_click`), or None."""
        known = {tool.lower(): tool for tool in self.tools}
        close = difflib.get_close_matches(self._bare(name), list(known), n=1, cutoff=0.85)
        return self.tools[known[close[0]]] if close else None

    def _bare(self, name: str) -> str:
        agent = self.assignment.agent.lower()
        return name.lower().rsplit(".", 1)[-1].removeprefix(f"{agent}_")

    def _shorten_old(self) -> None:
        """Cut old observations, in one batch when they are too long, but no view that is needed."""
        places = [n for n, message in enumerate(self.messages) if message.role == "tool"]
        if sum(len(self.messages[n].content) for n in places) <= 3 * self.ctx.observation_chars:
            return
        for number in sorted(set(places[:-1]) - self.needed):
            self._cut_message(number, min(OLD_OBSERVATION_CHARS, self.ctx.observation_chars))

    def _cut_message(self, number: int, room: int) -> None:
        message = self.messages[number]
        short = _cut(message.content, room)
        self.messages[number] = message.model_copy(update={"content": short, "images": ()})


def _as_result(shown: str | None) -> str:
    """What the newest call of the turn has shown. Raises ValueError when it is no result."""
    if shown is None:
        raise ValueError("as_shown needs a call of another tool before it in the same turn")
    if not shown:
        raise ValueError("the call before it failed, so it shows no result yet")
    return shown


def _names(given: Json) -> list[str]:
    many = given if isinstance(given, list) else [given] if given else []
    return [str(name) for name in many]


def _is_shown(message: Message) -> bool:
    return message.role == "tool" and not message.content.startswith(WITHHELD)


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n[cut: {len(text) - limit} more characters]"
