"""`why`: from an answer to its facts, to the evidence, to the step and the stored bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from orchestrator.agent import Evidence
from orchestrator.attempt import is_over
from orchestrator.blobs import Blobs
from orchestrator.errors import JournalDamaged, UsageError
from orchestrator.state import State
from tasks.cli.exits import ANSWERED
from tasks.cli.opening import open_journal
from tasks.cli.progress import path_text
from tasks.cli.streams import Streams, clean, one_line
from tasks.history import state_of

AROUND = 160


def explain(prefix: str, claim: str | None, home: Path | None, streams: Streams) -> int:
    """Write what an answer, or the claim that is given, rests on."""
    with open_journal(home, os.environ) as journal:
        run = journal.find(prefix)
        records = journal.verify(run)
        state, ended = state_of(records), is_over(records)
        answer = ended.outcome.answer if ended else None
        lines = list(_lines(state, claim, journal.blobs))
    streams.out.line(f"answer: {one_line(answer, 400)}" if answer else "answer: none yet")
    if ended is not None and ended.outcome.basis:
        streams.out.line(f"basis: {ended.outcome.basis}")
    for item in ended.outcome.unsupported if ended else ():
        streams.out.line(f"nothing supports: {one_line(item)}")
    if claim is not None and not lines:
        raise UsageError(
            f"no fact, citation or stored evidence of this run speaks of {claim!r}",
            fix=f"quaestor why {prefix} shows all of them",
        )
    for line in lines:
        streams.out.line(line)
    return ANSWERED


def _lines(state: State, claim: str | None, blobs: Blobs) -> Iterator[str]:
    shown: set[str] = set()
    for fact in state.ledger.facts:
        if claim is None or _speaks_of(fact.text, claim):
            yield f"fact {fact.id} ({fact.kind}): {one_line(fact.text, 300)}"
            yield from _evidence(state, fact.evidence, claim, blobs)
            shown.update(fact.evidence)
    reply = state.turn.reply if state.turn else None
    for citation in reply.citations if reply else ():
        if claim is None or _speaks_of(citation.quote, claim):
            yield f'cited: "{one_line(citation.quote, 300)}"'
            yield from _evidence(state, citation.evidence, claim, blobs)
            shown.update(citation.evidence)
    rest = [item for item in state.evidence.values() if item.id not in shown]
    for item in rest:
        if claim is None or _speaks_of(_text(item, blobs), claim):
            yield "seen, but not used by a fact:"
            yield from _evidence(state, (item.id,), claim, blobs)


def _evidence(state: State, ids: tuple[str, ...], claim: str | None, blobs: Blobs) -> Iterator[str]:
    for name in ids:
        item = state.evidence.get(name)
        if item is None:
            yield f"  [{name}] is not in the journal"
            continue
        place = f", {item.locator}" if item.locator else ""
        yield clean(f"  [{item.id}] {item.source.kind} {item.source.ref}{place}")
        yield f"      step {path_text(item.step)}, sha256 {item.sha256}"
        yield f'      "{_passage(item, claim, blobs)}"'


def _passage(item: Evidence, claim: str | None, blobs: Blobs) -> str:
    """The stored words around the claim, else the beginning."""
    text = " ".join(_text(item, blobs).split())
    at = text.lower().find(claim.lower()) if claim else -1
    if at < 0:
        return one_line(item.quote, 2 * AROUND)
    return one_line(text[max(0, at - AROUND) : at + len(claim or "") + AROUND], 3 * AROUND)


def _text(item: Evidence, blobs: Blobs) -> str:
    try:
        return blobs.get(item.sha256).decode("utf-8", "replace")
    except JournalDamaged:
        return item.quote


def _speaks_of(text: str, claim: str) -> bool:
    return " ".join(claim.lower().split()) in " ".join(text.lower().split())
