"""What the agents of a case share: the results that may be cited, the claims, who looked at them.

Filled by tools while they run, and again from recorded steps when a run goes on: every change is
a record that an observation carries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.agent import Json, Observation, Source
from orchestrator.errors import ToolFailed
from orchestrator.models.llm import Frozen
from tasks.forensics.claims import (
    CLAIM,
    LOOKED,
    REVIEWED,
    ROLES,
    SUMMARY,
    Claim,
    Looked,
    Query,
    Sentence,
)
from tasks.forensics.intake import Intake
from tasks.forensics.manifest import Case
from tasks.forensics.masking import PSEUDONYMS, Mask
from tasks.forensics.playbook import Playbook

PLOT = "forensics.plot/1"


class Noted(Frozen):
    """A claim as it was made, with what was found when it was checked at once."""

    claim: Claim
    state: str
    why: str = ""


@dataclass(slots=True)
class Board:
    """The shared state of one case. `intake` is what code works on; `shown` is what of it a model
    may see, through the `mask`."""

    case: Case
    intake: Intake
    playbook: Playbook
    mask: Mask = field(default_factory=Mask)
    shown: Intake = field(init=False)
    queries: dict[str, Query] = field(default_factory=dict)
    noted: dict[str, Noted] = field(default_factory=dict)
    reviewed: set[str] = field(default_factory=set)
    roles: dict[str, dict[str, str]] = field(default_factory=dict)
    summary: tuple[Sentence, ...] = ()
    looked: dict[str, Looked] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shown = self.mask.intake(self.intake)

    def take(self, records: Json) -> None:
        """Take over the records of an observation."""
        for schema, body in records or ():
            self._take(str(schema), body)

    def query(self, name: str) -> Query:
        """A result by the id under which it was shown. Raises ToolFailed."""
        found = self.queries.get(name.strip().upper())
        if found is None:
            raise ToolFailed(
                f"there is no result {name!r}; cite what sql has shown, such as Q12AB34"
            )
        return found

    def _take(self, schema: str, body: Mapping[str, Any]) -> None:
        if schema == "query":
            query = Query.model_validate(body)
            self.queries[query.id] = query
        elif schema == PSEUDONYMS:
            self.mask.learn(body)
        elif schema == CLAIM:
            noted = Noted.model_validate(body)
            self.noted[noted.claim.id] = noted
        elif schema == LOOKED:
            looked = Looked.model_validate(body)
            self.looked[looked.id] = looked
        elif schema == REVIEWED:
            self.reviewed |= set(body["claims"])
        elif schema == ROLES:
            self.roles[body["by"]] = dict(body["roles"])
        elif schema == SUMMARY:
            self.summary = tuple(Sentence.model_validate(item) for item in body["sentences"])

    def claims(self) -> list[Noted]:
        """Every claim in the order of the ids."""
        return [self.noted[name] for name in sorted(self.noted, key=order_of)]


def order_of(name: str) -> tuple[int, ...]:
    """C3.1.10 comes after C3.1.9."""
    return tuple(int(part) for part in name.strip("C").split(".") if part.isdigit())


def observed(text: str, locator: str, *records: tuple[str, Json]) -> Observation:
    """An observation that carries records."""
    snapshot = {"forensics": [[schema, body] for schema, body in records]} if records else None
    source = Source(kind="tool", ref="the lab")
    return Observation(text=text, source=source, locator=locator, snapshot=snapshot)
