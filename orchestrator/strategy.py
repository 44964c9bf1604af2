"""The seam between the loop and a way of leading: what to do next, what to ask, how to read it.

A strategy has no state of its own; everything it looks at is in the fold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from orchestrator import classic
from orchestrator.context import lead_request
from orchestrator.lead_reply import Reading, read_reply
from orchestrator.ledger import LeadReply
from orchestrator.models.llm import Completion, Request
from orchestrator.policy import Move, magentic, objections
from orchestrator.state import State


@dataclass(frozen=True, slots=True)
class Strategy:
    """Four pure functions. `request` takes the unusable replies of this round with what was
    wrong with them; `objections` says why a well-formed reply is still sent back once. With
    `one_turn` an agent hands back after one model call; `folds` is whether old rounds are folded
    into the ledger."""

    next_move: Callable[[State], Move]
    request: Callable[[State, Iterable[tuple[str, tuple[str, ...]]]], Request]
    read: Callable[[Completion, State, Sequence[str]], Reading]
    objections: Callable[[State, LeadReply], tuple[str, ...]]
    one_turn: bool = False
    folds: bool = True


def _read_magentic(completion: Completion, _state: State, roster: Sequence[str]) -> Reading:
    return read_reply(completion, roster)


MAGENTIC = Strategy(magentic, lead_request, _read_magentic, objections)
CLASSIC = Strategy(
    classic.next_move, classic.request, classic.read, classic.objections, one_turn=True, folds=False
)


def strategy_of(state: State) -> Strategy:
    """The strategy that the run was started with."""
    return CLASSIC if state.task and state.task.strategy == "classic" else MAGENTIC
