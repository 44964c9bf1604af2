"""The WorkContext that the loop hands to an agent, and the rules for asking a person."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from orchestrator import events as ev
from orchestrator.agent import (
    Answer,
    Approvals,
    Effect,
    Evidence,
    Json,
    Observation,
    Once,
    Question,
)
from orchestrator.calls import call_model, learn_window
from orchestrator.canonical import sha256_of
from orchestrator.context import CHARS_PER_TOKEN, window_chars
from orchestrator.errors import EndOfRecording, Waiting
from orchestrator.models.llm import LLM, Completion, Profile, Request
from orchestrator.recorder import Recorder

OBSERVATION_CHARS = 20_000
OBSERVATION_SHARE = 0.3
QUOTE_CHARS = 400
INBOX_POLL_S = 0.5
OnQuestion = Literal["stop", "deny"]
Desk = Callable[[str, Question], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Consent:
    """Who decides: the approval policy, what to do without a person, and the person's desk
    (None when nobody is at a terminal)."""

    approvals: Approvals = "ask-risky"
    on_question: OnQuestion = "stop"
    desk: Desk | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What an agent may do while it works on one assignment (see `agent.WorkContext`)."""

    path: str
    recorder: Recorder
    model: LLM
    consent: Consent

    @property
    def profile(self) -> Profile:
        return self.model.profile

    @property
    def approvals(self) -> Approvals:
        return self.consent.approvals

    @property
    def readers(self) -> frozenset[str]:
        return self.recorder.state.readers

    @property
    def said(self) -> str:
        return self.recorder.state.said

    @property
    def observation_chars(self) -> int:
        state = self.recorder.state
        window = window_chars(state)
        window = min(window, CHARS_PER_TOKEN * state.windows.get("worker", window))
        share = int(window * OBSERVATION_SHARE)
        return min(OBSERVATION_CHARS, share)

    async def complete(self, name: str, request: Request) -> Completion:
        return await call_model(self.recorder, self.model, f"{self.path}/{name}", request)

    async def once(
        self,
        name: str,
        fn: Callable[[], Awaitable[Json]],
        *,
        kind: str,
        fingerprint: Json,
        effect: Effect = "idempotent",
    ) -> Once:
        key = f"{self.path}/{name}"
        return await self.recorder.once(key, fn, step=kind, fingerprint=fingerprint, effect=effect)

    async def add_evidence(self, name: str, observation: Observation) -> Evidence:
        if observation.source is None:
            raise ValueError("evidence needs a source")
        key = f"{self.path}/{name}"
        evidence = Evidence(
            id=evidence_id(key),
            sha256=self.put_blob(observation.text.encode("utf-8", "replace")),
            media_type=observation.media_type,
            source=observation.source,
            locator=observation.locator,
            quote=" ".join(observation.text.split())[:QUOTE_CHARS],
            step=key,
        )
        await self.recorder.emit(key, ev.EvidenceFound(evidence=evidence))
        return evidence

    async def learn_window(self, name: str, request: Request) -> None:
        await learn_window(self.recorder, self.model, f"{self.path}/{name}", "worker", request)

    async def withhold(self, name: str, evidence: tuple[str, ...]) -> None:
        await self.recorder.emit(f"{self.path}/{name}", ev.Withheld(what=evidence))

    async def stop_loop(self, name: str, what: str) -> None:
        event = ev.LoopDetected(where=self.path, what=what)
        await self.recorder.emit(f"{self.path}/{name}", event)

    async def ask(self, name: str, question: Question) -> Answer:
        key = f"{self.path}/{name}"
        asked = ev.QuestionAsked(
            id=question_id(self.recorder.run, key), asked_by=self.path, question=question
        )
        await self.recorder.emit(key, asked)
        known = self.recorder.recorded(key, "QuestionAnswered")
        if known is not None:
            answered = ev.QuestionAnswered.model_validate(known)
        elif self.recorder.epoch is None:
            raise EndOfRecording(key)
        else:
            answer = await self._answer(asked.id, question)
            answered = ev.QuestionAnswered(id=asked.id, answer=answer)
        await self.recorder.emit(key, answered)
        return answered.answer

    async def record(self, name: str, schema: str, body: Json) -> None:
        event = ev.Recorded(schema_name=schema, body=body)
        await self.recorder.emit(f"{self.path}/{name}", event)

    def put_blob(self, content: bytes) -> str:
        return self.recorder.blobs.put(content)

    def get_blob(self, sha256: str) -> bytes:
        return self.recorder.blobs.get(sha256)

    async def _answer(self, asked_id: str, question: Question) -> Answer:
        by_policy = decided_by_policy(question, self.consent)
        if by_policy is not None:
            return by_policy
        waiting = self._posted(asked_id)
        if waiting is not None:
            return waiting
        if self.consent.desk is None:
            raise Waiting(asked_id, question.text)
        try:
            async with asyncio.timeout(question.timeout_s):
                return await self._first(asked_id, question, self.consent.desk)
        except TimeoutError:
            return Answer(status="unanswered", text=question.default or "", by="timeout")

    def _posted(self, asked_id: str) -> Answer | None:
        for row in self.recorder.journal.messages(self.recorder.run):
            if row.kind == "answer" and row.body["question"] == asked_id:
                return Answer.model_validate({**row.body["answer"], "by": row.by})
        return None

    async def _first(self, asked_id: str, question: Question, desk: Desk) -> Answer:
        """The answer given here, or by `quaestor answer` from elsewhere, whichever is first."""
        here = asyncio.ensure_future(desk(asked_id, question))
        try:
            while not here.done():
                elsewhere = await asyncio.to_thread(self._posted, asked_id)
                if elsewhere is not None:
                    return elsewhere
                await asyncio.wait({here}, timeout=INBOX_POLL_S)
            return here.result()
        finally:
            here.cancel()


def decided_by_policy(question: Question, consent: Consent) -> Answer | None:
    """The answer that needs no person, or None."""
    if question.kind == "approve":
        if consent.approvals == "allow-all":
            return Answer(status="approved", by="policy allow-all")
        if consent.approvals == "deny-risky":
            return Answer(status="denied", by="policy deny-risky")
    if consent.desk is None and consent.on_question == "deny":
        status: Literal["denied", "unanswered"]
        status = "denied" if question.kind == "approve" else "unanswered"
        return Answer(status=status, text=question.default or "", by="policy on-question deny")
    return None


def evidence_id(key: str) -> str:
    """`round/3/2.WebSurfer/act/1` is evidence 3.2.1."""
    parts = key.split("/")
    return ".".join([parts[1], parts[2].split(".")[0], *[p for p in parts[3:] if p.isdigit()]])


def question_id(run: str, key: str) -> str:
    """A short id that is the same on every replay."""
    return f"q{run[:4]}{sha256_of(key)[:4]}"
