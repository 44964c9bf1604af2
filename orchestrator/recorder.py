"""Between the loop and the journal: `emit` folds and stores events, `once` does a step once.

Both are keyed by logical path. A key that is recorded returns what is recorded; a different
body under it is a Divergence; a missing key goes live. Resume and replay are this and nothing
else: the loop runs from the top and finds its past here.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from orchestrator import events as ev
from orchestrator.agent import Effect, Json, Once
from orchestrator.blobs import Blobs
from orchestrator.canonical import canonical, sha256_of
from orchestrator.errors import Divergence, EndOfRecording, LimitReached, ModelFault
from orchestrator.journal import Journal, Record, run_digest
from orchestrator.journal_writer import Draft
from orchestrator.models.llm import Usage
from orchestrator.state import State, fold

INLINE_BYTES = 8_192
Watch = Callable[[str, ev.Event, int], None]
"""Sees each event with its key and its number in the journal, 0 where it was known before."""


@dataclass(slots=True)
class Recorder:
    """One run's events. With `epoch` None nothing is ever written: an offline replay.

    `trust_history` lets steps whose request changed (an upgrade, a new prompt) keep their
    recorded results. `watch` sees every event. `paid` counts all
    recorded steps from the start, also those that the loop has not come to again yet;
    `running` is what steps that have not settled have used by now.
    """

    journal: Journal
    run: str
    epoch: int | None
    records: list[Record]
    trust_history: bool = False
    watch: Watch | None = None
    state: State = field(default_factory=State)
    before_step: Callable[[Usage], Awaitable[None]] | None = None
    paid: Usage = field(default_factory=Usage)
    running: dict[str, Usage] = field(default_factory=dict)
    reserved: dict[str, Usage] = field(default_factory=dict)
    settled: asyncio.Condition = field(default_factory=asyncio.Condition)
    _recorded: dict[tuple[str, str], Any] = field(default_factory=dict)
    _emitted: dict[tuple[str, str], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._recorded = {(record.key, record.kind): record.body for record in self.records}
        for record in self.records:
            paid = record.kind in ("StepDone", "StepFailed") and record.body is not None
            if paid and record.body["usage"] is not None:
                self.paid += Usage.model_validate(record.body["usage"])

    @property
    def spent(self) -> Usage:
        """What was used up to now."""
        return sum(self.running.values(), self.paid)

    @property
    def blobs(self) -> Blobs:
        """Where bytes are stored."""
        return self.journal.blobs

    def recorded(self, key: str, kind: str) -> Any:
        """The recorded body under a key, or None."""
        return self._recorded.get((key, kind))

    def digest(self) -> str:
        """The run digest over what was emitted so far, without lifecycle events."""
        return run_digest(
            (key, kind, body)
            for (key, kind), body in self._emitted.items()
            if kind not in ev.LIFECYCLE
        )

    def recorded_digest(self) -> str:
        """The same over what the journal held when it was opened."""
        return run_digest(
            (record.key, record.kind, record.body)
            for record in self.records
            if record.kind not in ev.LIFECYCLE
        )

    async def emit(self, key: str, event: ev.Event, *, duration_s: float = 0.0) -> None:
        """Record an event and fold it. Raises Divergence, EndOfRecording, Fenced,
        JournalUnavailable."""
        body = ev.body_of(event)
        known, seq = self._recorded.get((key, event.kind)), 0
        if known is None:
            if self.epoch is None:
                raise EndOfRecording(key)
            draft = Draft(key, event.kind, ev.VERSION, body, duration_s)
            seq = (await self.journal.append(self.run, self.epoch, draft)).seq
            self._recorded[key, event.kind] = body
        elif canonical(known) != canonical(body):
            self._diverged(key, event, known, body)
            event, body = ev.read_event(event.kind, known), known
        self._emitted[key, event.kind] = body
        self.state = fold(self.state, event, key)
        if self.watch is not None:
            self.watch(key, event, seq)

    async def once(
        self,
        key: str,
        fn: Callable[[], Awaitable[Json]],
        *,
        step: str,
        fingerprint: Json,
        effect: Effect = "idempotent",
        usage_of: Callable[[Json], tuple[Usage, str]] | None = None,
        reserve: Usage | None = None,
    ) -> Once:
        """Do a step once. What `fn` returns must be JSON; large results become blobs. `reserve`
        is what the step may cost, held back from the limits until it has settled."""
        begun = self.recorded(key, "StepIntended") is not None
        intended = ev.StepIntended(
            step=step, effect=effect, fingerprint=sha256_of(fingerprint), request=fingerprint
        )
        await self.emit(key, intended)
        done = self.recorded(key, "StepDone")
        if done is not None:
            event = ev.StepDone.model_validate(done)
            await self.emit(key, event)
            return Once(self._value(event), live=False)
        if self.recorded(key, "StepUnknown") is not None or (begun and effect == "ambiguous"):
            await self.emit(key, ev.StepUnknown(step=step))
            return Once(None, live=False, unknown=True)
        if self.epoch is None or self._closed(key):
            raise EndOfRecording(key)
        reserve = reserve or Usage()
        if self.before_step is not None:
            await self.before_step(reserve)
        self.reserved[key] = reserve
        try:
            return await self._live(key, fn, step, usage_of)
        finally:
            del self.reserved[key]
            self.running.pop(key, None)
            async with self.settled:
                self.settled.notify_all()

    async def _live(
        self,
        key: str,
        fn: Callable[[], Awaitable[Json]],
        step: str,
        usage_of: Callable[[Json], tuple[Usage, str]] | None,
    ) -> Once:
        started = time.monotonic()
        value = json.loads(canonical(await fn()))  # as a resume will read it: keys in order
        usage, model = usage_of(value) if usage_of else (None, None)
        event = self._done(step, value, usage, model)
        self.running.pop(key, None)
        self.paid += usage or Usage()
        await asyncio.shield(self.emit(key, event, duration_s=time.monotonic() - started))
        return Once(value, live=True)

    async def note_failure(self, key: str, fault: ModelFault) -> None:
        """Record what a failed call cost. It is no part of history: a resume tries it again."""
        number = 1
        while self.recorded(f"{key}/fault/{number}", "StepFailed") is not None:
            number += 1
        failed = ev.StepFailed(
            step="model", fault=fault.kind, message=fault.message, usage=fault.usage
        )
        self.running.pop(key, None)
        self.paid += fault.usage or Usage()
        await self.emit(f"{key}/fault/{number}", failed)

    async def has_room(self, key: str, used: Usage) -> bool:
        """Whether a step that has used this much may go on to use more."""
        self.running[key] = used
        if self.before_step is None:
            return True
        try:
            await self.before_step(Usage())
        except LimitReached:
            return False
        return True

    def expected(self) -> Usage:
        """What is spent once every call in flight has come back, as far as one can tell."""
        pending = sum(self.reserved.values(), Usage())
        tokens = self.spent.prompt_tokens + self.spent.completion_tokens
        price = (self.spent.usd_micros or 0) / tokens if tokens else 0.0
        money = int(price * (pending.prompt_tokens + pending.completion_tokens))
        return self.spent + pending.model_copy(update={"usd_micros": money})

    def _closed(self, key: str) -> bool:
        """Whether the work that this step belongs to has already handed in its report."""
        path = "/".join(key.split("/")[:3])
        return self.recorded(path, "Reported") is not None

    def _done(self, step: str, value: Json, usage: Usage | None, model: str | None) -> ev.StepDone:
        text = canonical(value)
        if len(text) <= INLINE_BYTES:
            return ev.StepDone(step=step, value=value, usage=usage, model=model)
        blob = self.blobs.put(text.encode("utf-8", "surrogatepass"))
        return ev.StepDone(step=step, blob=blob, usage=usage, model=model)

    def _value(self, event: ev.StepDone) -> Json:
        if event.blob is None:
            return event.value
        return json.loads(self.blobs.get(event.blob).decode("utf-8", "surrogatepass"))

    def _diverged(self, key: str, event: ev.Event, known: Any, body: Any) -> None:
        if self.trust_history and event.kind == "StepIntended":
            return
        where = first_difference(known, body, self.blobs)
        raise Divergence(
            f"run {self.run} diverges at {key} ({event.kind}): {where}",
            key=key,
            fix="use the prompts and version that made the run, or resume with --trust-history",
        )


def first_difference(known: Any, now: Any, blobs: Blobs, path: str = "") -> str:
    """The first place where two JSON values differ, in words. Named blobs are opened."""
    if isinstance(known, dict) and isinstance(now, dict):
        for name in sorted({*known, *now}, key=lambda n: (n == "fingerprint", n)):
            if known.get(name) != now.get(name):
                inner = f"{path}.{name}" if path else name
                return first_difference(known.get(name), now.get(name), blobs, inner)
    if isinstance(known, list) and isinstance(now, list):
        for number, (one, other) in enumerate(zip(known, now, strict=False)):
            if one != other:
                return first_difference(one, other, blobs, f"{path}[{number}]")
        return f"{path} has {len(known)} items in the journal, {len(now)} now"
    one, other = _opened(known, blobs), _opened(now, blobs)
    at = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    start = max(0, at - 30)
    return (
        f"{path or 'the body'} differs at character {at}: "
        f"recorded {one[start : at + 40]!r}, now {other[start : at + 40]!r}"
    )


def _opened(value: Any, blobs: Blobs) -> str:
    text = value if isinstance(value, str) else canonical(value)
    if len(text) == 64 and all(char in "0123456789abcdef" for char in text) and blobs.has(text):
        return blobs.get(text).decode("utf-8", "replace")
    return text
