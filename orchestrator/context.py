"""What the lead's prompt contains: a static head, then one pair of messages per round.

The conversation only ever grows at its end, so that consecutive prompts share their prefix.
Past a threshold the older rounds are folded into the ledger, once, in a batch. Raw observations
never come here; the lead reads digests and evidence ids.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from orchestrator.agent import Assignment, Evidence, Report
from orchestrator.canonical import canonical
from orchestrator.events import TaskReceived
from orchestrator.ledger import Fact, LeadReply, PlainReply
from orchestrator.models.llm import Message, OutputSchema, Request
from orchestrator.models.schema_words import as_type, lean
from orchestrator.policy import is_without, tried
from orchestrator.prompt_files import render
from orchestrator.state import State, Turn

CHARS_PER_TOKEN = 4
DIGEST_CHARS = 1_800
"""Measured on public runs: metadata out, then 1,800 characters from the top keep 95 % of the
facts that the lead goes on to use."""
PASSED_ON_CHARS = 600
"""Of a report that another agent went on with: the report of that one follows."""
WORDS_CHARS = 1_200
DEFAULT_WINDOW = 64_000
COMPACT_AT = 0.55
KEPT_TURNS = 2
ECHO_CHARS = 2_000
NAME_CHARS = 300
FACT_CHARS = 300
FACT_MARKS = 45
"""Characters of a fact's line beside its text: id, kind, evidence."""
LEAST_FACT_CHARS = 60
BRIEF_FACTS = 40
"""An agent is told 31 to 40 of the newest facts."""
WITHHELD = "[withheld: the provider's content filter refused this text; its evidence is kept]"
METADATA = re.compile(
    r"<(script|style)\b[^>]*>.*?</\1\s*>"
    r"|</?(?:script|style|meta|link)\b[^>]*>"
    r'|^\{"@context"[^\n]*\}[ \t]*$',
    re.I | re.M | re.S,
)
INNER_FENCE = re.compile(r'^</?untrusted(?: source="[^"]*")?>(?:\n|\Z)', re.M)
"""Around what a tool has shown, where this is the report: the report has a fence of its own."""
OUR_TAGS = re.compile(
    r"<(\s*/?\s*)(untrusted|report|task|answer|attachments|roster|earlier|ledger|facts|note|ask"
    r"|instructions?|tools?|tool_call|tool_result|schema)\b",
    re.I,
)
SCHEMA = OutputSchema(name="lead_reply", json_schema=lean(LeadReply.model_json_schema()))
PLAIN = OutputSchema(name="lead_reply", json_schema=lean(PlainReply.model_json_schema()))
"""Without the ledgers: who does what next, or the answer."""


def lead_request(state: State, retries: Iterable[tuple[str, tuple[str, ...]]] = ()) -> Request:
    """The request for the newest round; `retries` are unusable replies with their problems."""
    messages = conversation(state)
    for text, problems in retries:
        messages.append(Message(role="assistant", content=text[:ECHO_CHARS] or "(empty)"))
        said = render("retry", problems="\n".join(f"- {problem}" for problem in problems))
        messages.append(Message(role="user", content=said))
    return Request(role="lead", messages=tuple(messages), output=_schema(state))


def conversation(state: State) -> list[Message]:
    """System, task, and every round since the last compaction, up to the newest ask."""
    task = _task(state)
    name = "lead_plain" if is_without(state, "ledger") else "lead"
    system = render(name, schema=as_type(_schema(state).json_schema))
    messages = [Message(role="system", content=system)]
    opening = [_head(task)]
    turns = state.turns
    if state.compacted_upto:
        opening.append(state.compacted)
        turns = turns[state.compacted_upto :]
    before: Turn | None = None
    for turn in turns:
        parts = [*opening, *_reports(state, before), *_notes(turn), _ask(state, turn)]
        messages.append(Message(role="user", content="\n".join(parts)))
        opening = []
        if turn.judged and turn is not state.turn:
            said = canonical(_spoken(turn.reply)) if turn.reply else "(no usable reply)"
            messages.append(Message(role="assistant", content=said))
        before = turn
    return messages


def compaction_due(state: State) -> int:
    """Up to which round the conversation should be folded into the ledger now; 0 for none."""
    if is_without(state, "compaction"):
        return 0
    chars = sum(len(message.content) for message in conversation(state))
    upto = len(state.turns) - KEPT_TURNS
    if chars <= COMPACT_AT * window_chars(state) or upto <= state.compacted_upto:
        return 0
    return upto


def window_chars(state: State) -> int:
    """The context window in characters, by the usual four per token."""
    window = _task(state).window or DEFAULT_WINDOW
    return min(window, state.windows.get("lead", window)) * CHARS_PER_TOKEN


@lru_cache(maxsize=128)
def digest(text: str, words: str, limit: int = DIGEST_CHARS) -> str:
    """A report cut to size: metadata out, then the top; for a small limit the lines that share
    words with the instruction and the task, in their order. Each prompt of a run shows the same
    reports, so that what was cut once is kept."""
    text = METADATA.sub("", text).strip()
    if len(text) <= limit:
        return text
    if limit >= WORDS_CHARS:
        return text[:limit] + f"\n[cut: {len(text) - limit} more characters]"
    wanted = set(re.findall(r"\w{4,}", words.lower()))
    lines = text.splitlines()
    ranked = sorted(
        range(len(lines)),
        key=lambda n: (-len(wanted & set(re.findall(r"\w{4,}", lines[n].lower()))), n),
    )
    kept, room = set[int](), limit
    for number in ranked:
        if len(lines[number]) + 1 <= room:
            kept.add(number)
            room -= len(lines[number]) + 1
    chosen = "\n".join(lines[number] for number in sorted(kept)) or text[:limit]
    return f"{chosen}\n[cut: {len(text) - len(chosen)} more characters]"


def brief(state: State, done: Iterable[tuple[Assignment, Report]]) -> str:
    """What an agent is told besides its instruction: the task, its files, facts, and the
    reports that it was to wait for."""
    task = _task(state)
    parts = [f"<task>\n{task.task}\n</task>"]
    if task.attachments:
        parts.append(f"<attachments>\n{attachment_lines(task)}\n</attachments>")
    facts = [fact for fact in state.ledger.facts if fact.kind in ("given", "found", "refuted")]
    if facts:
        # The oldest go ten at a time: so the briefs of one assignment after the other begin alike.
        shown = facts[max(0, len(facts) - BRIEF_FACTS + 9) // 10 * 10 :]
        parts.append("<facts>\n" + "\n".join(_fact_line(f) for f in shown) + "\n</facts>")
    parts += [report_block(state, work, report, _room(state)) for work, report in done]
    return "\n".join(parts)


def attachment_lines(task: TaskReceived) -> str:
    """The attached files as agents find them in the workspace."""
    return "\n".join(
        f"inputs/{item.name} ({item.media_type}, {item.size} bytes)" for item in task.attachments
    )


def roster_lines(task: TaskReceived) -> str:
    """The agents with what they can do."""
    return "\n".join(f"- {member.name}: {member.description}" for member in task.roster)


def fence(text: str, source: str) -> str:
    """Untrusted text as data: no tag inside it can end the fence or open another."""
    named = html.escape(" ".join(source.split())[:NAME_CHARS], quote=True)
    safe = OUR_TAGS.sub(r"&lt;\1\2", text)
    return f'<untrusted source="{named}">\n{safe}\n</untrusted>'


def one_line(text: str) -> str:
    """A name that comes from outside (a path, a URL, a sheet), fit to stand outside of a fence."""
    return " ".join(text.split())[:NAME_CHARS].replace("<", "&lt;")


def _head(task: TaskReceived) -> str:
    return render(
        "task",
        task=task.task,
        attachments=attachment_lines(task) or "none",
        roster=roster_lines(task),
        earlier=_earlier(task),
    )


def _earlier(task: TaskReceived) -> str:
    if task.earlier is None:
        return ""
    facts = "\n".join(_fact_line(fact) for fact in task.earlier.with_own_ids().facts)
    files = "\n".join(
        f"{one_line(item.path)} ({item.size} bytes)" for item in task.earlier.artifacts
    )
    return (
        f"<earlier>\nThis follows a run whose task was:\n{task.earlier.task}\n"
        f"Its answer:\n{task.earlier.answer or '(none)'}\nIts facts:\n{facts or '(none)'}\n"
        f"Its files, still in the workspace:\n{files or '(none)'}\n</earlier>"
    )


def _reports(state: State, turn: Turn | None) -> list[str]:
    if turn is None:
        return []
    limit = min(DIGEST_CHARS, _room(state) // max(1, len(turn.assignments)))
    passed_on = _passed_on(turn)
    return [
        report_block(
            state, work, report, min(limit, PASSED_ON_CHARS) if work.id in passed_on else limit
        )
        for work, report in turn.ordered_reports()
    ]


def _passed_on(turn: Turn) -> set[str]:
    """The assignments whose reports another agent has waited for, and made something of."""
    done = {work.id for work, report in turn.ordered_reports() if report.status == "done"}
    given = turn.reply.assignments if turn.reply else ()
    return {name for work in given if work.id in done for name in work.after}


def _room(state: State) -> int:
    return min(8 * DIGEST_CHARS, window_chars(state) // 8)


def report_block(state: State, work: Assignment, report: Report, limit: int) -> str:
    """A report as the lead sees it, cut to so many characters."""
    said = INNER_FENCE.sub("", report.summary).strip()
    cut = digest(said, f"{work.instruction} {_task(state).task}", limit)
    lines = [f'<report assignment="{work.id}" agent="{work.agent}" status="{report.status}">']
    withheld = work.path in state.withheld
    lines.append(WITHHELD if withheld else fence(cut, work.agent))
    known = [state.evidence[name] for name in report.evidence if name in state.evidence]
    lines += [_evidence_line(item) for item in known]
    lines += [f"file: {one_line(item.path)} ({item.size} bytes)" for item in report.artifacts]
    if report.code is not None:
        lines.append(f"program: {report.code.id} ({report.code.language}) by {report.code.author}")
    lines.append("</report>")
    return "\n".join(lines)


def _evidence_line(item: Evidence) -> str:
    place = f" {one_line(item.locator)}" if item.locator else ""
    return f"evidence {item.id}: {item.source.kind} {one_line(item.source.ref)}{place}"


def withholdable(state: State) -> list[str]:
    """The reports in the lead's newest prompt that are still shown, the newest first."""
    shown = [
        work.path
        for turn in state.turns[state.compacted_upto : -1]
        for work, _report in turn.ordered_reports()
    ]
    return [path for path in reversed(shown) if path not in state.withheld]


def _notes(turn: Turn) -> list[str]:
    return [f'<note by="{html.escape(note.by)}">{note.text}</note>' for note in turn.notes]


def _schema(state: State) -> OutputSchema:
    return PLAIN if is_without(state, "ledger") else SCHEMA


def _ask(state: State, turn: Turn) -> str:
    if turn.ask in ("opening", "round"):
        return render("next" if is_without(state, "ledger") else turn.ask)
    return render(turn.ask, detail="\n".join(f"- {line}" for line in turn.detail) or "- nothing")


def _spoken(reply: LeadReply) -> dict[str, object]:
    said = reply.model_dump(mode="json", exclude_defaults=True)
    return {"request_satisfied": reply.request_satisfied, **said}


def compacted_text(state: State, upto: int) -> str:
    """The ledger as it stands, in place of the rounds up to this one."""
    room = window_chars(state) // 4
    facts = _fact_lines(state.ledger.facts, room)
    plan = _newest(
        [f"- {s.id} [{s.state}] {s.agent or '?'}: {s.text[:160]}" for s in state.ledger.plan],
        room // 3,
    )
    folded = [line[:200] for line in tried(state)]
    return render(
        "compacted",
        round=str(upto),
        facts=facts or "(none)",
        plan=plan or "(none)",
        tried=_newest(folded, room // 3) or "(nothing)",
    )


def _fact_lines(facts: Sequence[Fact], room: int) -> str:
    """Facts within so many characters: what was found is kept before anything else, each fact cut
    shorter before one is left out."""
    shares = [FACT_CHARS, room // max(1, len(facts)) - FACT_MARKS]
    length = max(LEAST_FACT_CHARS, min(shares))
    found = [fact for fact in facts if fact.kind in ("found", "refuted")]
    kept = _newest([_fact_line(fact, length) for fact in found], room)
    others = [_fact_line(fact, length) for fact in facts if fact not in found]
    rest = _newest(others, room - len(kept))
    return "\n".join(filter(None, [rest, kept]))


def _newest(lines: list[str], room: int) -> str:
    kept: list[str] = []
    for line in reversed(lines):
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join(reversed(kept))


def _fact_line(fact: Fact, length: int = FACT_CHARS) -> str:
    evidence = f" (evidence {', '.join(fact.evidence)})" if fact.evidence else ""
    return f"- {fact.id} [{fact.kind}] {fact.text[:length]}{evidence}"


def _task(state: State) -> TaskReceived:
    if state.task is None:
        raise ValueError("a prompt was asked for before the task was received")
    return state.task
