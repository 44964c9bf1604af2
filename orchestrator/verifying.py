"""A fresh look at an answer: the task, the answer, and the evidence itself, by a call that has
seen nothing else of the run.

What the reader claims is checked in plain code: words that it quotes must stand in the stored
bytes, and must hold something of the answer. Reports are not shown, since they may be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import Field

from orchestrator import events as ev
from orchestrator.agent import Evidence
from orchestrator.basis import atoms, holds
from orchestrator.calls import call_model
from orchestrator.context import fence, one_line, window_chars
from orchestrator.errors import ModelFault
from orchestrator.lead_reply import as_flag, objects_in
from orchestrator.ledger import LeadReply, Reply
from orchestrator.models.llm import LLM, Message, OutputSchema, Request
from orchestrator.models.schema_words import as_type, lean
from orchestrator.prompt_files import render
from orchestrator.recorder import Recorder
from orchestrator.state import State, Turn

ROLE = "verifier"
SHOWN_CHARS = 8_000
SHOWN_SHARE = 8
"""At most an eighth of the window is evidence."""
LEAST_CHARS = 300
HEAD_CHARS = 240
AROUND = 240
NEWEST = 6
MAX_WORDS = 6
PROMPTS = ("verify", "verify_again")


class Quote(Reply):
    """Literal words of one evidence."""

    quote: str
    evidence: str = ""


class Verdict(Reply):
    """What the reader says. `unproven` names each part of the answer that is not shown."""

    quotes: tuple[Quote, ...] = Field(default=())
    supported: bool
    unproven: tuple[str, ...] = ()


SCHEMA = OutputSchema(name="verdict", json_schema=lean(Verdict.model_json_schema()))


async def cast_vote(recorder: Recorder, model: LLM, number: int, ballot: int) -> ev.VoteCast:
    """Ask a fresh reader once. A refusal is an `unclear` vote. Raises
    ModelFault for an outage, LimitReached."""
    key = f"round/{number}/verify/{ballot}"
    turn = recorder.state.turns[-1]
    shown = {
        item.id: recorder.blobs.get(item.sha256).decode("utf-8", "replace")
        for item in _looked_at(recorder.state, turn)
    }
    request = verification(recorder.state, shown, ballot)
    try:
        completion = await call_model(recorder, model, key, request)
    except ModelFault as fault:
        if fault.kind not in ("content_filter", "context_too_long"):
            raise
        return ev.VoteCast(round=number, ballot=ballot, verdict="unclear", words=(fault.message,))
    answer = (turn.reply.answer or "") if turn.reply else ""
    verdict, quotes, words = judge(completion.text, answer, shown)
    return ev.VoteCast(
        round=number, ballot=ballot, verdict=verdict, quotes=tuple(quotes), words=tuple(words)
    )


def verification(state: State, shown: dict[str, str], ballot: int) -> Request:
    """The request of a ballot. The second one is worded the other way round, and is told why the
    first could not be used."""
    turn, task = state.turns[-1], state.task
    if turn.reply is None or task is None:
        raise ValueError("there is no answer to verify")
    room = min(SHOWN_CHARS, window_chars(state) // SHOWN_SHARE)
    room = max(LEAST_CHARS, room // max(1, len(shown)) // (3 if _was_too_much(turn) else 1))
    evidence = "\n".join(
        _block(state.evidence[name], excerpts(text, _marks(turn.reply), room))
        for name, text in shown.items()
    )
    unclear = [word for vote in turn.votes if vote.verdict == "unclear" for word in vote.words]
    system = render(PROMPTS[ballot - 1], schema=as_type(SCHEMA.json_schema))
    user = render(
        "verify_ask",
        task=task.task,
        answer=turn.reply.answer or "",
        evidence=evidence or "(none)",
        problems="\n".join(f"An earlier check could not be used: {word}" for word in unclear),
    )
    messages = (Message(role="system", content=system), Message(role="user", content=user))
    return Request(role=ROLE, messages=messages, output=SCHEMA)


def judge(
    text: str, answer: str, shown: dict[str, str]
) -> tuple[Any, Iterable[str], Iterable[str]]:
    """The vote that a reply counts as: (verdict, quotes, words)."""
    found = [item for item in objects_in(text) if "supported" in item]
    supported = as_flag(found[-1]["supported"]) if found else None
    if supported is None:
        return "unclear", (), ("the reply was no JSON object with `supported` true or false",)
    quotes = list(_quotes(found[-1].get("quotes")))
    if not supported:
        words = [word for word in _texts(found[-1].get("unproven")) if word.strip()]
        return "unproven", quotes, words[:MAX_WORDS] or ["a fresh check found it not supported"]
    strange = [quote for quote in quotes if not any(holds(t, quote) for t in shown.values())]
    if strange:
        return "unclear", quotes, [f"this quote is in no evidence: {strange[0][:120]}"]
    if not _speak_of(quotes, answer):
        return "unclear", quotes, ["no quote holds anything of the answer"]
    return "proven", quotes, ()


def excerpts(text: str, marks: Iterable[str], room: int) -> str:
    """The beginning of a text, which tells what it is about, and what stands around the marks."""
    if len(text) <= room:
        return text
    spans = [(0, HEAD_CHARS)]
    for mark in marks:
        for found in re.finditer(_pattern(mark), text, re.IGNORECASE):
            spans.append((max(0, found.start() - AROUND), found.end() + AROUND))
            break
    shown, end = "", 0
    for start, stop in sorted(spans):
        start = max(start, end)
        if stop <= start or len(shown) >= room:
            continue
        shown += ("\n[...]\n" if start > end else "") + text[start:stop]
        end = stop
    if len(spans) == 1:
        return text[:room]
    return shown[: room + 2 * AROUND] + ("\n[...]" if end < len(text) else "")


def _looked_at(state: State, turn: Turn) -> list[Evidence]:
    """What the answer cites or rests on; without that, the newest things that were seen."""
    cited = [name for citation in _reply(turn).citations for name in citation.evidence]
    held = turn.check.evidence if turn.check else ()
    names = [name for name in dict.fromkeys((*cited, *held)) if name in state.evidence]
    return [state.evidence[name] for name in names or list(state.evidence)[-NEWEST:]]


def _reply(turn: Turn) -> LeadReply:
    return turn.reply or LeadReply()


def _marks(reply: LeadReply) -> list[str]:
    quotes = [citation.quote for citation in reply.citations if citation.quote.strip()]
    return [*quotes, *atoms(reply.answer or "")]


def _pattern(mark: str) -> str:
    return r"\s+".join(re.escape(word) for word in mark.split())


def _was_too_much(turn: Turn) -> bool:
    return any(vote.verdict == "unclear" and not vote.quotes for vote in turn.votes)


def _block(item: Evidence, text: str) -> str:
    place = f" {one_line(item.locator)}" if item.locator else ""
    return f"evidence {item.id}{place}\n{fence(text, item.source.ref)}"


def _quotes(given: Any) -> Iterable[str]:
    for item in given if isinstance(given, list) else [given] if given else []:
        quote = item.get("quote") if isinstance(item, dict) else item
        if isinstance(quote, str) and quote.strip():
            yield quote.strip()


def _texts(given: Any) -> Iterable[str]:
    many = given if isinstance(given, list) else [given] if given else []
    return [str(item)[:400] for item in many]


def _speak_of(quotes: Iterable[str], answer: str) -> bool:
    pieces = atoms(answer) or re.findall(r"\w{4,}", answer)
    said = " ".join(quotes)
    return bool(said) and (not pieces or any(holds(said, piece) for piece in pieces))
