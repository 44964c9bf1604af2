"""Reads a LeadReply out of whatever a model wrote, or says in words what is wrong with it.

A reply is repaired only where there is one way to read it: prose or fences around the JSON,
Python literals, a trailing comma, missing closing brackets, "false" for false. Half a sentence,
two different decisions, or an unknown agent go back to the model. Nothing here raises.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from orchestrator.canonical import storable
from orchestrator.ledger import LeadReply
from orchestrator.models.llm import Completion

MAX_TEXT = 40_000
"""A longer reply that is not plain JSON is searched at its beginning and its end only."""
MAX_OBJECTS = 20
MAX_SCANNED = 4 * MAX_TEXT
DECISION_KEYS = frozenset(
    {"request_satisfied", "assignments", "answer", "plan", "facts", "in_loop", "making_progress"}
)
TRUE_WORDS = frozenset({"true", "yes", "1"})
FALSE_WORDS = frozenset({"false", "no", "0", "none", "null", ""})


@dataclass(frozen=True, slots=True)
class Reading:
    """A reply, or the problems that the model is told about. Never both empty."""

    reply: LeadReply | None
    problems: tuple[str, ...] = ()


def read_reply(completion: Completion, roster: Sequence[str]) -> Reading:
    """The decision in a completion. `roster` are the names that may be assigned."""
    problem = no_reply(completion)
    return problem or read_text(completion.text.strip(), roster)


def no_reply(completion: Completion) -> Reading | None:
    """Why a completion holds no reply at all, whatever its form; None when it does."""
    if completion.finish == "refusal":
        return _unreadable(
            "the reply was a refusal; if the task cannot be done, say so in `answer`"
        )
    if completion.finish == "content_filter":
        return _unreadable("the provider's content filter withheld the reply")
    if completion.finish == "length":
        return _unreadable("the reply was cut off by the length limit; answer more briefly")
    return None if completion.text.strip() else _unreadable("the reply was empty")


def read_text(text: str, roster: Sequence[str]) -> Reading:
    """As `read_reply`, from bare text."""
    found = [_unwrapped(item) for item in objects_in(text)]
    found = [item for item in found if DECISION_KEYS & item.keys()]
    if not found:
        return _unreadable("there is no JSON object of the asked shape in the reply")
    readings = _distinct([_validated(item, roster) for item in found])
    good = [reading for reading in readings if reading.reply is not None]
    if len(good) > 1:
        return _unreadable("the reply holds several different JSON objects; send exactly one")
    return good[0] if good else readings[-1]


def objects_in(text: str) -> list[dict[str, Any]]:
    """The JSON objects of a reply: the whole of it, or what stands in prose and fences."""
    return _whole(text) or _objects(_bounded(text))


def as_flag(value: Any) -> bool | None:
    """True or false in any of its spellings, or None."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)) and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        word = value.strip().lower()
        if word in TRUE_WORDS:
            return True
        if word in FALSE_WORDS:
            return False
    return None


def plain_name(name: str) -> str:
    """A name without what a model gets wrong in it: case, spaces, punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _unreadable(problem: str) -> Reading:
    return Reading(None, (problem,))


def _whole(text: str) -> list[dict[str, Any]]:
    try:
        value = storable(json.loads(text))
    except (ValueError, RecursionError):
        return []
    return [value] if isinstance(value, dict) else []


def _bounded(text: str) -> str:
    if len(text) <= MAX_TEXT:
        return text
    return text[: MAX_TEXT // 2] + text[-MAX_TEXT // 2 :]


def _distinct(readings: Iterable[Reading]) -> list[Reading]:
    distinct: list[Reading] = []
    for reading in readings:
        if reading not in distinct:
            distinct.append(reading)
    return distinct


def _objects(text: str) -> list[dict[str, Any]]:
    """Every top-level JSON (or nearly JSON) object in the text."""
    found: list[dict[str, Any]] = []
    decoder = json.JSONDecoder()
    position, tries, room = 0, 0, MAX_SCANNED
    while (start := text.find("{", position)) >= 0 and tries < MAX_OBJECTS and room > 0:
        tries += 1
        room -= len(text) - start
        end = _balanced_end(text, start)
        value: Any = None
        try:
            value, stop = decoder.raw_decode(text, start)
            value = storable(value)
        except (ValueError, RecursionError):
            stop = end if end is not None else len(text)
            value = _repaired(text[start:stop], closed=end is not None)
        if isinstance(value, dict):
            found.append(value)
            position = stop
        else:
            position = start + 1
    return found


def _balanced_end(text: str, start: int) -> int | None:
    closers, _ = _scan(text, start)
    return closers if isinstance(closers, int) else None


def _scan(text: str, start: int) -> tuple[int | str, bool]:
    """The index after the object's end, or the closing brackets it lacks; and whether it
    stops inside a string."""
    stack: list[str] = []
    quote, escaped = "", False
    for index in range(start, len(text)):
        char = text[index]
        if quote:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == quote:
                quote = ""
            continue
        if char == '"':
            quote = char
        elif char in "{[":
            stack.append("}" if char == "{" else "]")
        elif char in "}]" and stack:
            stack.pop()
            if not stack:
                return index + 1, False
    return "".join(reversed(stack)), bool(quote)


def _repaired(text: str, *, closed: bool) -> Any:
    if not closed:
        missing, inside_string = _scan(text, 0)
        if inside_string or isinstance(missing, int) or text.rstrip()[-1:] in ":,":
            return None  # half a sentence must be asked again, not guessed
        text += missing
    for candidate in (text, re.sub(r",(\s*[}\]])", r"\1", text)):
        for read in (json.loads, _python_literal):
            try:
                return storable(read(candidate))
            except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
                continue
    return None


def _python_literal(text: str) -> Any:
    words = {"true": "True", "false": "False", "null": "None"}
    text = re.sub(r"(?<![\w\"'])(true|false|null)(?![\w\"'])", lambda m: words[m[1]], text)
    return ast.literal_eval(text)


def _unwrapped(item: dict[str, Any]) -> dict[str, Any]:
    """Peel {"reply": {...}} and {"key": {"answer": x, "reason": y}} down to plain values."""
    if len(item) == 1:
        (only,) = item.values()
        if isinstance(only, dict) and DECISION_KEYS & only.keys():
            item = only
    flags = ("request_satisfied", "in_loop", "making_progress")
    return {
        key: value["answer"]
        if key in flags and isinstance(value, dict) and "answer" in value
        else value
        for key, value in item.items()
    }


def _validated(item: dict[str, Any], roster: Sequence[str]) -> Reading:
    item, problems = _coerced(item)
    try:
        reply = LeadReply.model_validate(item)
    except ValidationError as error:
        return Reading(None, (*problems, *_words(error)))
    reply, more = _named(reply, roster)
    problems = [*problems, *more, *_contradictions(item, reply)]
    return Reading(None, tuple(problems)) if problems else Reading(reply)


def _coerced(item: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    item, problems = dict(item), []
    for flag in ("request_satisfied", "in_loop", "making_progress"):
        if flag not in item or item[flag] is None:
            item.pop(flag, None)
            continue
        value = as_flag(item[flag])
        if value is None:
            problems.append(f"{flag}: must be true or false, not {item[flag]!r:.60}")
            item.pop(flag)
        else:
            item[flag] = value
    for many in ("facts", "plan", "assignments", "citations"):
        item[many] = _as_list(item.get(many))
    item["facts"] = [
        {"text": fact, "kind": "guess"} if isinstance(fact, str) else fact for fact in item["facts"]
    ]
    item["plan"] = [{"text": step} if isinstance(step, str) else step for step in item["plan"]]
    item["assignments"] = [
        {"id": f"a{number}", **work, "after": _as_list(work.get("after"))}
        if isinstance(work, dict)
        else work
        for number, work in enumerate(item["assignments"], start=1)
    ]
    for part in (*item["facts"], *item["citations"]):
        if isinstance(part, dict) and isinstance(part.get("evidence"), str):
            part["evidence"] = [part["evidence"]]
    if isinstance(item.get("answer"), (int, float)) and not isinstance(item["answer"], bool):
        item["answer"] = str(item["answer"])
    return item, problems


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return list(value)
    return [value]


def _words(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
        for fault in error.errors()[:8]
    ]


def _named(reply: LeadReply, roster: Sequence[str]) -> tuple[LeadReply, list[str]]:
    known = {plain_name(name): name for name in roster}
    problems, assignments = [], []
    ids = [work.id for work in reply.assignments]
    for work in reply.assignments:
        agent = known.get(plain_name(work.agent))
        if agent is None:
            problems.append(f"unknown agent {work.agent!r:.60}; the agents are {', '.join(roster)}")
            continue
        if not work.instruction.strip() and work.tool is None:
            problems.append(f"assignment {work.id}: the instruction is empty")
        unknown = [other for other in work.after if other not in ids or other == work.id]
        if unknown:
            problems.append(
                f"assignment {work.id}: `after` names {', '.join(unknown)}, not another"
            )
        assignments.append(work.model_copy(update={"agent": agent}))
    if len(set(ids)) != len(ids):
        problems.append("two assignments have the same id")
    if _has_cycle(reply):
        problems.append("the assignments wait for each other in a circle")
    plan = tuple(
        step.model_copy(update={"agent": known.get(plain_name(step.agent or ""))})
        for step in reply.plan
    )
    return reply.model_copy(update={"assignments": tuple(assignments), "plan": plan}), problems


def _has_cycle(reply: LeadReply) -> bool:
    waiting = {work.id: set(work.after) for work in reply.assignments}
    while ready := [name for name, after in waiting.items() if not after & waiting.keys()]:
        for name in ready:
            del waiting[name]
    return bool(waiting)


def _contradictions(item: dict[str, Any], reply: LeadReply) -> list[str]:
    if reply.request_satisfied and reply.assignments:
        return ["request_satisfied is true, yet there are assignments: send one or the other"]
    if reply.request_satisfied and not (reply.answer or "").strip():
        return ["request_satisfied is true, but `answer` is missing or empty"]
    if reply.gives_up:
        return []
    if "request_satisfied" not in item and not reply.assignments:
        return ["request_satisfied: Field required"]
    if not reply.request_satisfied and not reply.assignments:
        return ["assignments: give at least one while request_satisfied is false"]
    return []
