"""What a run is doing, as lines: pure descriptions of events, and the watchers that write them.

A watcher sees every event with its number, 0 where it is old; on a resume those only update what is
known, and are not told again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from orchestrator import events as ev
from tasks.cli.ending import count_text, money_text
from tasks.cli.streams import Records, one_line

SILENCE_S = 30.0
Say = Callable[[str], None]


class Watcher(Protocol):
    """Something that shows events."""

    def event(self, key: str, event: ev.Event, seq: int) -> None:
        """Show one event."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """A step that is going on."""

    key: str
    what: str
    began: float

    def text(self) -> str:
        """Where it is and what it does."""
        return f"{place(self.key)} {self.what}"

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


@dataclass(slots=True)
class Steps:
    """The steps that have begun and not ended, in order."""

    running: dict[str, Step] = field(default_factory=dict)

    def event(self, key: str, event: ev.Event, seq: int) -> None:
        """Keep count."""
        match event:
            case ev.StepIntended():
                self.running[key] = Step(key, _what(event), time.monotonic())
            case ev.StepFailed():
                self.running.pop(key.rpartition("/fault/")[0], None)
            case ev.Reported() | ev.LeadReplied() | ev.LeadUnusable():
                for begun in [name for name in self.running if name.startswith(f"{key}/")]:
                    del self.running[begun]
            case _:
                pass

    def ended(self, key: str) -> Step:
        """Take out a step that has ended."""
        return self.running.pop(key, Step(key, "step", time.monotonic()))


@dataclass(slots=True)
class Lines:
    """One line per finished step and per decision; a heartbeat after a long silence."""

    say: Say
    steps: Steps
    spoke: float = field(default_factory=time.monotonic)

    def event(self, key: str, event: ev.Event, seq: int) -> None:
        """Write what is worth a line."""
        self.steps.event(key, event, seq)
        step = self.steps.ended(key) if isinstance(event, ev.StepDone | ev.StepUnknown) else None
        if not seq:
            return
        for text in describe(key, event, step):
            self.line(text)

    def line(self, text: str) -> None:
        """One line with the time of day."""
        self.spoke = time.monotonic()
        self.say(f"{datetime.now(UTC).astimezone():%H:%M:%S} {text}")

    async def heartbeat(self) -> None:
        """Say now and then that a long step is still going on."""
        while True:
            await asyncio.sleep(1)
            if time.monotonic() - self.spoke < SILENCE_S:
                continue
            steps = list(self.steps.running.values())
            doing = ", ".join(f"{step.text()} for {step.seconds:.0f} s" for step in steps[:3])
            self.line(f"still working: {doing}" if doing else "still working")


@dataclass(slots=True)
class JsonLines:
    """New events as JSON records."""

    records: Records

    def event(self, key: str, event: ev.Event, seq: int) -> None:
        """One record."""
        if seq:
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            told = {"event": event.kind, "seq": seq, "time": now, "path": key}
            self.records.write({**told, **ev.body_of(event)})


def describe(key: str, event: ev.Event, step: Step | None) -> Iterator[str]:
    """The lines that an event is worth; most are worth none."""
    where = place(key)
    match event:
        case ev.StepDone() if step is not None:
            yield f"{where} {step.what} {_result(event)} {step.seconds:.1f}s{_cost(event)}"
        case ev.StepUnknown() if step is not None:
            yield f"{where} {step.what} unknown: it may or may not have happened before the crash"
        case ev.StepFailed(fault=fault, message=message):
            yield f"{where} {event.step} failed ({fault}): {one_line(message)}"
        case ev.WorkAssigned(assignments=assignments):
            for work in assignments:
                yield f"{place(work.path)}: {one_line(work.instruction)}"
        case ev.Reported(report=report):
            yield f"{where} {report.status}: {one_line(report.summary)}"
        case ev.Replanned(reason=reason):
            yield f"{where} new plan: {one_line(reason)}"
        case ev.QuestionAsked(id=name, question=question):
            yield f"{where} asks ({name}): {one_line(question.text)}"
        case ev.QuestionAnswered(id=name, answer=answer):
            yield f"{where} {name} {answer.status} by {answer.by or 'nobody'}"
        case _:
            yield from _describe_rest(where, event)


def _describe_rest(where: str, event: ev.Event) -> Iterator[str]:
    match event:
        case ev.RoundOpened(notes=notes):
            for note in notes:
                yield f"{where} lead reads the note of {note.by}: {one_line(note.text, 80)}"
        case ev.LeadReplied(reply=reply) if reply.is_bad_verdict:
            verdict = "in a loop" if reply.in_loop else "no progress"
            yield f"{where} {verdict}: {one_line(reply.reason or 'no reason given')}"
        case ev.LeadUnusable(problems=problems):
            yield f"{where} reply unusable: {one_line(problems[0] if problems else '')}"
        case ev.EndpointTroubled(troubles=troubles):
            for trouble in troubles:
                yield f"{where} {trouble.model}: {one_line(trouble.what)}; {one_line(trouble.then)}"
        case ev.VoteCast(verdict=verdict, words=words):
            yield one_line(": ".join([f"{where} the answer is {verdict}", *words]))
        case ev.Compacted(upto_round=upto):
            yield f"the conversation up to round {upto} was folded into the ledger"
        case _:
            return


def place(key: str) -> str:
    """`round/3/2.WebSurfer/act/4` as `r3 WebSurfer`."""
    parts = key.split("/")
    if parts[0] != "round" or len(parts) < 2:
        return parts[0]
    who = parts[2].partition(".")[2] or parts[2] if len(parts) > 2 else ""
    return f"r{parts[1]} {who}".strip()


def path_text(key: str) -> str:
    """The same with the step: `r3/WebSurfer/act/4`."""
    return "/".join([place(key).replace(" ", "/"), *key.split("/")[3:]])


def _what(event: ev.StepIntended) -> str:
    request: Any = event.request
    if event.step == "tool" and isinstance(request, dict):
        return one_line(str(request.get("tool", "tool")), 40)
    return event.step


def _result(event: ev.StepDone) -> str:
    value = event.value if isinstance(event.value, dict) else {}
    if value.get("failed"):
        return "failed"
    if "needs_approval" in value:
        return "needs approval"
    return f"fault {value['fault']}" if "fault" in value else "ok"


def _cost(event: ev.StepDone) -> str:
    if event.usage is None:
        return ""
    tokens = count_text(event.usage.prompt_tokens + event.usage.completion_tokens)
    money = f" {money_text(event.usage.usd_micros)}" if event.usage.usd_micros else ""
    return f" {tokens} tokens{money}"
