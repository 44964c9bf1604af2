"""One consultation of the lead: ask, read the reply, ask again with what was wrong with it.

Knows how often a round may ask and what to leave out when an endpoint refuses the prompt. What
a prompt contains and what a reply means belongs to the strategy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator import events as ev
from orchestrator.calls import call_model, learn_window
from orchestrator.context import KEPT_TURNS, compacted_text, withholdable
from orchestrator.errors import ModelFault
from orchestrator.lead_reply import Reading
from orchestrator.ledger import LeadReply
from orchestrator.models.llm import LLM, Completion, Request
from orchestrator.outcome import check_reply
from orchestrator.recorder import Recorder
from orchestrator.strategy import Strategy

LEAD_TRIES = 3
SMALLER_TRIES = 4
Retries = list[tuple[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Counsel:
    """The lead's seat: whoever sits there, and by which strategy."""

    recorder: Recorder
    lead: LLM
    strategy: Strategy
    roster: Sequence[str]

    async def consult(self, number: int) -> ev.LeadReplied | ev.LeadUnusable:
        """The reply to the newest round, or why there is none. Raises ModelFault, LimitReached."""
        retries: Retries = []
        for attempt in range(1, LEAD_TRIES + 1):
            completion = await self._ask(f"round/{number}/lead/{attempt}", retries)
            reading = self._read(completion, first=attempt == 1)
            if reading.reply is not None:
                return self._replied(number, reading.reply, attempt)
            retries.append((completion.text, reading.problems))
        return ev.LeadUnusable(round=number, problems=retries[-1][1])

    def _replied(self, number: int, reply: LeadReply, tries: int) -> ev.LeadReplied:
        state, blobs = self.recorder.state, self.recorder.blobs
        check = check_reply(reply, state, blobs) if reply.request_satisfied else None
        return ev.LeadReplied(round=number, reply=reply, tries=tries, check=check)

    async def _ask(self, key: str, retries: Retries) -> Completion:
        request = self.strategy.request(self.recorder.state, retries)
        try:
            return await call_model(self.recorder, self.lead, key, request)
        except ModelFault as fault:
            if fault.kind == "context_too_long" and key.count("/small") < SMALLER_TRIES:
                return await self._ask_smaller(key, request, retries)
            if fault.kind != "content_filter":
                raise
            shown = withholdable(self.recorder.state)
            if not shown:
                return Completion(text="", finish="content_filter")
        # Never the same prompt again: first without the newest report, then without any.
        what = shown if key.endswith("/less") else shown[:1]
        await self.recorder.emit(key, ev.Withheld(what=tuple(what)))
        return await self._ask(f"{key}/less", retries)

    async def _ask_smaller(self, key: str, request: Request, retries: Retries) -> Completion:
        """The same question in a prompt that fits: digests shrink with the window, and all but
        the newest round is folded into the ledger."""
        await learn_window(self.recorder, self.lead, key, "lead", request)
        state = self.recorder.state
        upto = len(state.turns) - KEPT_TURNS
        if upto > 0:
            folded = ev.Compacted(upto_round=upto, text=compacted_text(state, upto))
            await self.recorder.emit(key, folded)
        return await self._ask(f"{key}/small", retries)

    def _read(self, completion: Completion, *, first: bool) -> Reading:
        state = self.recorder.state
        reading = self.strategy.read(completion, state, self.roster)
        if reading.reply is None or not first:
            return reading
        against = self.strategy.objections(state, reading.reply)
        return Reading(None, against) if against else reading
