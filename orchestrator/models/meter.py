"""Counts what one completion costs while it is asked for, perhaps several times."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.models.faults import Rejected
from orchestrator.models.llm import Trouble, Usage, has_room


@dataclass(slots=True)
class Meter:
    """What one completion has cost so far, refused and repeated requests included, and what
    went wrong on the way."""

    asked: int = 0
    usage: Usage = field(default_factory=Usage)
    troubles: list[Trouble] = field(default_factory=list)
    last: Rejected | None = None

    async def begin(self) -> None:
        """Count a request that is about to be sent. Raises what failed before it when the limits
        of the run allow no other."""
        if self.last is not None and not await self.has_room():
            self.last.final = True
            raise self.last
        self.asked += 1

    async def has_room(self) -> bool:
        """Whether the limits of the run allow another request."""
        allowed = has_room.get()
        return allowed is None or await allowed(self.usage)
