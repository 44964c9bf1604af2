"""The seam between the loop and a way of leading: what to do next, what to ask, how to read it.

A strategy has no state of its own; everything it looks at is in the fold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from orchestrator.context import lead_request
from orchestrator.lead_reply import Reading, read_reply
from orchestrator.ledger import LeadReply
from orchestrator.models.llm import Completion, Request
from orchestrator.policy import Move, magentic, objections
from orchestrator.state import State


@dataclass(frozen=True, slots=True)
class Strategy:
    """Four pure functions. `request` takes the unusable replies of this round with what was
    wrong with them; `objections` says why a well-formed reply is still sent back once."""

    next_move: Callable[[State], Move]
    request: Callable[[State, Iterable[tuple[str, tuple[str, ...]]]], Request]
    read: Callable[[Completion, State, Sequence[str]], Reading]
    objections: Callable[[State, LeadReply], tuple[str, ...]]


def _read_magentic(completion: Completion, _state: State, roster: Sequence[str]) -> Reading:
    return read_reply(completion, roster)


MAGENTIC = Strategy(magentic, lead_request, _read_magentic, objections)


def strategy_of(_state: State) -> Strategy:
    """The strategy that the run was started with."""
    return MAGENTIC
