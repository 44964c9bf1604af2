"""A chain of models as one model: the next takes over while the one before it is out.

Knows faults, not endpoints. A model that came back is used again after a while; one that does
not exist, has no credit or no valid key is not tried again by this process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from orchestrator.errors import FaultKind, ModelFault
from orchestrator.models.llm import LLM, Completion, Profile, Request, Trouble, Usage, has_room

GONE: frozenset[FaultKind] = frozenset({"unknown_model", "quota", "bad_key"})
OUT: frozenset[FaultKind] = GONE | {
    "rate_limit", "overloaded", "unreachable", "timeout", "bad_reply"
}  # fmt: skip
OUT_FOR_S = 300.0


@dataclass(slots=True)
class FallbackModel:
    """The models of a chain, the preferred one first. `clock` counts seconds."""

    models: Sequence[LLM]
    clock: Callable[[], float] = time.monotonic
    out_until: dict[int, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return ",".join(model.name for model in self.models)

    @property
    def profile(self) -> Profile:
        return self.models[self._order()[0]].profile

    async def complete(self, request: Request) -> Completion:
        """The first answer. Raises the first model's ModelFault when all are out, else that of
        the model that must not be passed over (a prompt that is too long, a content filter)."""
        spent, troubles = Usage(), list[Trouble]()
        first: ModelFault | None = None
        for number in self._order():
            model = self.models[number]
            try:
                completion = await _counting(model, request, spent)
            except ModelFault as fault:
                spent += fault.usage or Usage()
                troubles += fault.troubles
                if fault.kind not in OUT:
                    raise _with(fault, fault.message, spent, troubles) from None
                first = _joined(first, fault)
                self._set_out(number, fault.kind)
                if not await _has_room(spent):
                    break
                troubles.append(self._taken_over(number, fault))
                continue
            told = (*troubles, *completion.troubles)
            return completion.model_copy(
                update={"usage": spent + completion.usage, "troubles": told}
            )
        if first is None:
            raise ValueError("a chain needs a model")
        lasting = [trouble for trouble in troubles if not trouble.lasting]
        raise _with(first, first.message, spent, lasting)

    async def close(self) -> None:
        for model in self.models:
            await model.close()

    def _order(self) -> list[int]:
        """Models that work before those that are out, each in the order of the chain."""
        now = self.clock()
        return sorted(range(len(self.models)), key=lambda n: (self.out_until.get(n, 0.0) > now, n))

    def _set_out(self, number: int, kind: FaultKind) -> None:
        until = float("inf") if kind in GONE else self.clock() + OUT_FOR_S
        self.out_until[number] = until

    def _taken_over(self, number: int, fault: ModelFault) -> Trouble:
        name = self.models[number].name
        following = self.models[self._order()[0]].name
        then = f"{following} took over" if following != name else "the chain ends here"
        return Trouble(model=name, fault=fault.kind, what=fault.message, then=then, lasting=True)


async def _counting(model: LLM, request: Request, spent: Usage) -> Completion:
    """A completion whose limits see what the models before have used."""
    outer = has_room.get()
    if outer is None or not spent.calls:
        return await model.complete(request)

    async def room(used: Usage) -> bool:
        return await outer(spent + used)

    token = has_room.set(room)
    try:
        return await model.complete(request)
    finally:
        has_room.reset(token)


async def _has_room(spent: Usage) -> bool:
    allowed = has_room.get()
    return allowed is None or await allowed(spent)


def _joined(first: ModelFault | None, fault: ModelFault) -> ModelFault:
    if first is None:
        return fault
    message = f"{first.message}; and {fault.message}"
    return ModelFault(first.kind, message, fix=first.fix, window=first.window)


def _with(fault: ModelFault, message: str, spent: Usage, troubles: Sequence[Trouble]) -> ModelFault:
    return ModelFault(
        fault.kind,
        message,
        fix=fault.fix,
        usage=spent,
        window=fault.window,
        troubles=tuple(troubles),
    )
