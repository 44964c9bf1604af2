"""The lead that the scripted model plays: it delegates, puts figures together, and cites them.

Everything it decides on is in the conversation: the task, the roster, and the reports. It answers
only when no figure is missing; with one missing it tries one other way and then says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.agent import Json
from orchestrator.models.llm import Request
from tasks.demo.figures import NEEDED, Figures, gather, supplier
from tasks.demo.reading import Told, quoted, section, told, written
from tasks.demo.speaking import decision, no_way_on

TASK = re.compile(
    r"approved supplier.*?\b(\d[\d,]*) units of part ([A-Z0-9][\w-]*\d\w*)", re.DOTALL
)
SITE = re.compile(r"https?://[^\s\"',;)]+[^\s\"',;).]")
CHEAPEST = re.compile(r"^cheapest: (.+), (?:total (EUR [\d.,]+)|no approved .*)$", re.MULTILINE)
MEMBER = re.compile(r"^- (\w+): ", re.MULTILINE)
ONLY_THE_DEMO = (
    "the scripted model only plays the demo's procurement question and cannot work on this task; "
    "name a language model with --model"
)
COMPUTING = "c"


@dataclass(frozen=True, slots=True)
class Source:
    """Where figures come from: the tables it has, who reads it, and two ways to ask."""

    id: str
    agent: str
    step: str
    words: tuple[str, ...]
    first: str
    other: str


@dataclass(frozen=True, slots=True)
class Question:
    """The task as the lead understood it, and who is there to work on it."""

    units: str
    part: str
    sources: tuple[Source, ...]
    roster: tuple[str, ...]


def lead(request: Request) -> str:
    """The reply to the newest round."""
    said = [message.content for message in request.messages if message.role == "user"]
    question = _question(said[0])
    if question is None:
        return no_way_on(ONLY_THE_DEMO)
    reports = list(told(said))
    found = [item for item in reports if not item.assignment.startswith(COMPUTING)]
    figures = gather([item.text for item in found], question.part)
    computed = [item for item in reports if CHEAPEST.search(item.text) and item not in found]
    if computed and not figures.missing:
        return _finish(question, figures, found, computed[-1])
    if not reports:
        return _open(question)
    return _go_on(question, figures, reports)


def _question(head: str) -> Question | None:
    match = TASK.search(section(head, "task"))
    site = SITE.search(section(head, "task"))
    files = [line.rpartition(" (")[0] for line in section(head, "attachments").splitlines()]
    sheets = [path for path in files if path.endswith((".xlsx", ".xls", ".csv", ".ods"))]
    texts = [path for path in files if path.endswith((".pdf", ".docx", ".md", ".txt"))]
    if match is None or site is None or not sheets or not texts:
        return None
    sources = _sources(match[2], sheets[0], texts[0], site[0])
    roster = tuple(MEMBER.findall(section(head, "roster")))
    return Question(match[1], match[2], sources, roster)


def _sources(part: str, sheet: str, text: str, site: str) -> tuple[Source, ...]:
    offers = f'Report every row of part {part} in the tables with the column "price".'
    terms = (
        'Report every row of the tables with the columns "status" and "discount", '
        'and the sentence that says when shipping is "waived".'
    )
    stock = (
        f'Report every row of the tables with the columns "stock" (of part {part}; it may have to '
        'be shown first) and "shipping".'
    )
    return (
        Source(
            "prices",
            "FileSurfer",
            f"read the prices of part {part} in {sheet}",
            ("price",),
            f"Read {sheet}. {offers}",
            f"Look for the part in every file, however its number is written. {offers}",
        ),
        Source(
            "terms",
            "FileSurfer",
            f"read suppliers, discounts and the shipping rule in {text}",
            ("status", "discount"),
            f"Read {text}. {terms}",
            f"Look for these words in every file. {terms}",
        ),
        Source(
            "site",
            "WebSurfer",
            f"look up the stock of part {part} and the shipping rates on {site}",
            ("stock", "shipping"),
            f"Open {site} and search for part {part}. {stock}",
            f"Open {site} and find part {part} without the search, from link to link. {stock}",
        ),
    )


def _open(question: Question) -> str:
    part, units = question.part, question.units
    facts: list[Json] = [
        {"id": "wanted", "kind": "given", "text": f"wanted: {units} units of part {part}"}
    ]
    facts += [
        {"id": word, "kind": "to_look_up", "text": text.format(part=part)}
        for word, text in NEEDED.items()
    ]
    total = f"the total of each approved supplier for {units} units of part {part}, delivered"
    facts.append({"id": "totals", "kind": "to_derive", "text": total})
    present = [source for source in question.sources if source.agent in question.roster]
    steps = [(source.id, source.step, source.agent) for source in present]
    steps.append((COMPUTING, "compute the totals and name the cheapest", "Coder"))
    plan = [
        {"id": name, "text": text, "agent": agent, "state": "doing"} for name, text, agent in steps
    ]
    return decision(facts=facts, plan=plan, assignments=_assignments(question, present, ""))


def _assignments(question: Question, sources: Sequence[Source], known: str) -> list[Json]:
    """The sources at the same time, the first way unless figures are known; then the Coder."""
    tries: list[Json] = [
        {
            "id": f"{source.id}-again" if known else source.id,
            "agent": source.agent,
            "instruction": source.other if known else source.first,
        }
        for source in sources
    ]
    instruction = _computing(question) + (f" Known so far:\n\n{known}" if known else "")
    computing: Json = {
        "id": f"{COMPUTING}-again" if known else COMPUTING,
        "agent": "Coder",
        "instruction": instruction,
        "after": [item["id"] for item in tries],
    }
    return [*tries, computing]


def _computing(question: Question) -> str:
    return (
        f"Compute what {question.units} units of part {question.part} cost at each approved "
        "supplier that has them in stock: whole packs, minimum order, discount, shipping. "
        "Name the cheapest."
    )


def _go_on(question: Question, figures: Figures, reports: list[Told]) -> str:
    """Another way for what is missing, once; after that there is no way on."""
    tried = {item.assignment for item in reports}
    lacking = [
        source
        for source in question.sources
        if _wanting(figures) & set(source.words)
        and source.agent in question.roster
        and f"{source.id}-again" not in tried
    ]
    if f"{COMPUTING}-again" in tried or "Coder" not in question.roster:
        lacking = []
    elif not figures.missing:
        return decision(assignments=_assignments(question, [], _known(figures)))
    if not lacking:
        return no_way_on(_why_not(question, figures, reports))
    complete = [s for s in question.sources if not _wanting(figures) & set(s.words)]
    return decision(
        facts=_found(figures, reports),
        plan=[{"id": source.id, "state": "done"} for source in complete],
        making_progress=any(figures.tables.values()),
        reason="missing: " + "; ".join(figures.missing),
        assignments=_assignments(question, lacking, _known(figures)),
    )


def _wanting(figures: Figures) -> set[str]:
    """The tables that are missing, or that lack the row of an approved supplier."""
    return {
        word
        for word, text in NEEDED.items()
        if any(gap.startswith(text.format(part=figures.part)) for gap in figures.missing)
    }


def _why_not(question: Question, figures: Figures, reports: list[Told]) -> str:
    if figures.missing:
        return "missing after two ways of looking: " + "; ".join(figures.missing)
    last = next((item.text for item in reversed(reports) if item.agent == "Coder"), "")
    return f"the total of part {question.part} could not be computed: {last or 'no Coder'}"


def _known(figures: Figures) -> str:
    """The figures as tables, for an agent that does not see the earlier reports."""
    rows = [row for table in figures.tables.values() for row in table]
    waived = figures.waived_from
    rule = f"Shipping is waived when the goods after discount reach EUR {waived}." if waived else ""
    return "\n\n".join(filter(None, [written(rows), rule])) or "nothing"


def _found(figures: Figures, reports: list[Told]) -> list[Json]:
    """A `found` fact for each table, in the words of its rows, with the evidence of its report."""
    facts: list[Json] = []
    for word, table in figures.tables.items():
        evidence = _evidence(reports, quoted(table[0])) if table else []
        if evidence:
            rows = "; ".join(quoted(row) for row in table)
            text = f"{NEEDED[word].format(part=figures.part)}: {rows}"
            facts.append({"id": word, "kind": "found", "text": text, "evidence": evidence})
    return facts


def _evidence(reports: list[Told], words: str) -> list[str]:
    holders = [item for item in reports if words in item.text and item.evidence]
    return list(holders[0].evidence) if holders else []


def _finish(question: Question, figures: Figures, found: list[Told], computed: Told) -> str:
    cheapest = CHEAPEST.findall(computed.text)
    names = [name for name, _ in cheapest]
    lines = computed.text.splitlines()
    left_out = [line.replace("left out, ", "") for line in lines if ": left out, " in line]
    shown = [line for line in lines if line.partition(":")[0] in names]
    wanted = f"{question.units} units of part {question.part}"
    if names == ["nobody"]:
        answer = f"No approved supplier can deliver {wanted} from stock."
    else:
        verb = "is the cheapest approved supplier" if len(names) == 1 else "are equally cheap"
        answer = f"{' and '.join(names)} {verb} for {wanted}, delivered: {cheapest[0][1]} in total."
        answer += "".join(f"\n{line}" for line in shown)
    if left_out:
        answer += "\nLeft out: " + "; ".join(left_out) + "."
    total = "the totals were computed: " + "; ".join(lines)
    facts = _found(figures, found)
    facts.append(
        {"id": "totals", "kind": "found", "text": total, "evidence": list(computed.evidence)}
    )
    steps = [*(source.id for source in question.sources), COMPUTING]
    return decision(
        facts=facts,
        plan=[{"id": name, "state": "done"} for name in steps],
        request_satisfied=True,
        answer=answer,
        citations=_citations(figures, found, computed, names),
    )


def _citations(
    figures: Figures, found: list[Told], computed: Told, names: Sequence[str]
) -> list[Json]:
    rows = [row for table in figures.tables.values() for row in table if supplier(row) in names]
    cited: list[Json] = [
        {"quote": quoted(row), "evidence": _evidence(found, quoted(row))} for row in rows
    ]
    lines = [line for line in computed.text.splitlines() if line.startswith("cheapest: ")]
    cited += [{"quote": line, "evidence": list(computed.evidence)} for line in lines]
    return cited
