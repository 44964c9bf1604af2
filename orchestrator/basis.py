"""Checks an answer against what was seen: which of its atoms does nothing hold?

Atoms are the numbers, dates, identifiers, names and URLs of the answer. Plain code; it can
tell that a number occurs nowhere, not that the right number belongs to the wrong thing.
Numbers of one or two digits count only near a word of the task or answer (within 200
characters), since on public runs they matched by chance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from orchestrator.events import AnswerCheck, Basis
from orchestrator.ledger import LeadReply

NEAR = 200
URL = re.compile(r"https?://[^\s)>\]\"'`]+")
ISO_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
MONTHS = "January February March April May June July August September October November December"
MONTH = "(?:" + "|".join(f"{name[:3]}(?:{name[3:]})?" for name in MONTHS.split()) + r")\.?"
LONG_DATE = re.compile(rf"\b(?:\d{{1,2}} {MONTH},? \d{{4}}|{MONTH} \d{{1,2}},? \d{{4}})\b")
IDENTIFIER = re.compile(r"\b(?=[\w-]*[A-Za-z])(?=[\w-]*\d)[A-Za-z0-9][\w-]*[A-Za-z0-9]\b")
NUMBER = re.compile(r"(?<![\w.,])[-+]?\d[\d,]*(?:\.\d+)?(?![\w])")
DOTTED = re.compile(r"\b\d+(?:\.\d+){2,}\b")
NAME = re.compile(r"\b[A-Z][\w'&]+(?:(?: (?:of|de|van|von|and|the|&))? [A-Z][\w'&]*)+")
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
UNABLE = re.compile(r"\b(unable|cannot|could not|can't|not possible|unknown|no answer)\b", re.I)


@dataclass(frozen=True, slots=True)
class SourceText:
    """The full text of one evidence. `computed` is true for the output of code."""

    evidence: str
    text: str
    computed: bool


def check_answer(
    reply: LeadReply, task: str, sources: Sequence[SourceText], cited: Iterable[str]
) -> AnswerCheck:
    """What the answer rests on. `cited` are the evidence ids of its citations and facts; with
    none, every source counts. Code output always counts."""
    answer = reply.answer or ""
    names = set(cited)
    usable = [s for s in sources if s.computed or not names or s.evidence in names]
    context = _words(f"{task} {answer}")
    held: dict[str, SourceText] = {}
    unsupported = []
    for atom in atoms(answer):
        holder = next((s for s in usable if _holds(s.text, atom, context, s.computed)), None)
        if holder is not None:
            held[atom] = holder
        elif not _holds(task, atom, context, exact=True):
            unsupported.append(atom)
    rests_on = list(held.values()) or [s for s in sources if s.evidence in names]
    claimed = set(atoms(" ".join(s for s in SENTENCE.split(answer) if not UNABLE.search(s))))
    return AnswerCheck(
        basis=_basis(rests_on),
        unsupported=tuple(atom for atom in unsupported if atom in claimed),
        misquoted=tuple(_misquoted(reply, sources)),
        evidence=tuple(dict.fromkeys(s.evidence for s in rests_on)),
    )


def atoms(text: str) -> list[str]:
    """The checkable pieces of a text, each once, in order of appearance."""
    found: list[tuple[int, str]] = []

    def taken(match: re.Match[str]) -> str:
        piece = match[0].rstrip(".,;:")
        if match.re is NAME and _starts_sentence(match.string, match.start()):
            piece = _without_opening(piece)
        found.append((match.start(), piece))
        return "\0" * len(match[0])

    for pattern in (URL, ISO_DATE, LONG_DATE, IDENTIFIER, NUMBER, NAME):
        text = pattern.sub(taken, text)
    return list(dict.fromkeys(piece for _, piece in sorted(found)))


def holds(text: str, piece: str) -> bool:
    """Whether a text literally holds a piece of another: a number by its value, a date by its
    day, words without regard to case, spacing and emphasis."""
    return _holds(text, piece, frozenset(), exact=True)


def strange_figures(text: str, known: Iterable[str]) -> list[str]:
    """The figures of a text (three digits or a decimal point, and more) that no known text
    holds. Smaller ones match by chance and are left alone."""
    figures = [
        atom
        for atom in atoms(DOTTED.sub(" ", text))
        if NUMBER.fullmatch(atom) and ("." in atom or len(re.sub(r"\D", "", atom)) > 2)
    ]
    known = list(known) if figures else []
    return [atom for atom in figures if not any(holds(other, atom) for other in known)]


def _basis(rests_on: Sequence[SourceText]) -> Basis:
    kinds = {source.computed for source in rests_on}
    if not kinds:
        return "model_memory"
    if len(kinds) > 1:
        return "mixed"
    return "computed" if kinds == {True} else "evidence"


def _misquoted(reply: LeadReply, sources: Sequence[SourceText]) -> Iterable[str]:
    texts = {source.evidence: _plain(source.text) for source in sources}
    for citation in reply.citations:
        quote = _plain(citation.quote)
        named = [texts[name] for name in citation.evidence if name in texts]
        if quote and not any(quote in text for text in named or texts.values()):
            yield citation.quote[:120]


def _holds(text: str, atom: str, context: frozenset[str], exact: bool) -> bool:
    if ISO_DATE.fullmatch(atom) or LONG_DATE.fullmatch(atom):
        wanted = _date(atom)
        if wanted is None:
            return _plain(atom) in _plain(text)
        dates = [_date(m[0]) for p in (ISO_DATE, LONG_DATE) for m in p.finditer(text)]
        return wanted in dates
    if NUMBER.fullmatch(atom):
        return _holds_number(text, _number(atom), context, exact)
    plain = _plain(text)
    return _plain(atom.rstrip("/")) in plain


def _holds_number(text: str, wanted: float, context: frozenset[str], exact: bool) -> bool:
    short = abs(wanted) < 100 and wanted == int(wanted)
    for match in NUMBER.finditer(text.replace("\u00a0", " ")):
        if _number(match[0]) != wanted:
            continue
        around = text[max(0, match.start() - NEAR) : match.end() + NEAR]
        if exact or not short or context & _words(around):
            return True
    return False


def _number(text: str) -> float:
    return float(text.replace(",", "") or 0)


def _date(text: str) -> date | None:
    cleaned = text.replace(",", "").replace(".", "")
    for form in ("%Y-%m-%d", "%d %B %Y", "%d %b %Y", "%B %d %Y", "%b %d %Y"):
        try:
            return datetime.strptime(cleaned, form).date()  # noqa: DTZ007 - a bare calendar date
        except ValueError:
            continue
    return None


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[*_`|]", " ", text).lower().split())


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in re.findall(r"[a-z]{4,}", text.lower()))


def _without_opening(name: str) -> str:
    """A name at the start of a sentence without the sentence's own first word: `Ask the Bank of
    England` is about the Bank of England."""
    if name.count(" ") < 2:
        return name
    _, _, rest = name.partition(" ")
    while rest[:1].islower():
        _, _, rest = rest.partition(" ")
    return rest or name


def _starts_sentence(text: str, position: int) -> bool:
    before = text[max(0, position - NEAR) : position].rstrip()
    return not before or before[-1] in ".!?:\n-*#>|"
