"""Lets a case look things up on the hosts that its manifest names, and archives what was seen.

The browser may follow links of pages and addresses that a person wrote: the manifest's hosts, and
what the question spells out. Whatever else a run says counts as evidence and may not be told to
anybody. A look-up can tip off the subject, so every page is listed in the report.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, cast

from orchestrator.agent import Agent, Assignment, Evidence, Observation, Report, WorkContext
from orchestrator.canonical import sha256_bytes
from orchestrator.settings import Settings
from tasks.forensics.board import Board
from tasks.forensics.claims import LOOKED, Looked
from tasks.forensics.manifest import Case

ADDRESS = re.compile(r"https?://[^\s<>\"'`]+", re.IGNORECASE)
REF = re.compile(r"^([\s+-]*)\[\d+\] ", re.MULTILINE)
"""The number by which the browser's outline names an element: nothing that a page says."""
EVIDENCE_OF_THE_CASE = "the evidence of the case"
MAX_ARCHIVED = 200_000


def with_hosts(settings: Settings, case: Case) -> Settings:
    """The settings of a case's run: no browser, or one that reaches the manifest's hosts only."""
    if case.network == "none":
        return settings.model_copy(update={"without": (*settings.without, "websurfer")})
    # What is allowed to the browser by name is reached whatever list it is restricted to.
    private = [name for name in settings.web.allow_hosts if _host_of(name) in case.network]
    web = {"enabled": True, "only_hosts": case.network, "tell_hosts": ()}
    web |= {"allow_hosts": tuple(private)}
    return settings.model_copy(update={"web": settings.web.model_copy(update=web)})


def _host_of(place: str) -> str:
    host, _, port = place.rpartition(":")
    return host.lower() if host and port.isdigit() else place.lower()


def hosts_text(case: Case) -> str:
    """What the lead is told of look-ups, or ""."""
    if case.network == "none":
        return ""
    return (
        f"The WebSurfer may look up pages on {', '.join(case.network)} and nowhere else: it opens "
        "addresses that the question names, and links of pages. A look-up can tip off the subject: "
        "ask for one only where the evidence does not say it. The Examiner reads what was looked "
        "up with page() and cites it."
    )


class Looker:
    """The WebSurfer as a case uses it."""

    def __init__(self, surfer: Agent, board: Board) -> None:
        self.name = surfer.name
        self.description = (
            "looks up pages on the hosts that the case names, and archives what it sees so that "
            "claims can cite it. Direct tools: fetch(url)."
        )
        self._surfer = surfer
        self._board = board

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        watched = _Watched(ctx, _written_by_people(self._board.case))
        try:
            return await self._surfer.work(assignment, cast("WorkContext", watched))
        finally:
            for number, looked in enumerate(watched.looked, start=1):
                body = looked.model_dump(mode="json")
                self._board.take([(LOOKED, body)])
                await ctx.record(f"looked/{number}", LOOKED, body)

    async def close(self) -> None:
        """The team closes its browser."""


def _written_by_people(case: Case) -> str:
    """The addresses that somebody wrote down for this case, and no other word of it."""
    hosts = case.network if case.network != "none" else ()
    return "\n".join([*hosts, *ADDRESS.findall(case.question)])


@dataclass(slots=True)
class _Watched:
    """A context in which everything but a few addresses is private, and pages are kept."""

    ctx: WorkContext
    said: str
    looked: list[Looked] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ctx, name)

    @property
    def readers(self) -> frozenset[str]:
        """Somebody has read the case, also before an agent does: it is in the task."""
        return self.ctx.readers | {EVIDENCE_OF_THE_CASE}

    async def add_evidence(self, name: str, observation: Observation) -> Evidence:
        """Record the evidence, and keep a page as it was seen."""
        evidence = await self.ctx.add_evidence(name, observation)
        source = observation.source
        if source is not None and source.kind == "url":
            text = REF.sub(r"\1", observation.text)[:MAX_ARCHIVED]
            digest = sha256_bytes(text.encode("utf-8", "surrogatepass"))
            name = f"W{evidence.id}"
            self.looked.append(Looked(id=name, url=source.ref, sha256=digest, text=text))
        return evidence
