"""The atoms of a sentence: what in it can be wrong about the evidence and looked up there.

Numbers, times, addresses, identifiers, quoted words. Words that stand for a figure nobody can
look up ("most", "dozens") and words of guilt are found here too. Plain code, no opinion.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

Kind = Literal["number", "time", "address", "id", "words"]
SMALL = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
NUMBER_WORDS = {word: str(number) for number, word in enumerate(SMALL, start=2)}
VAGUE = re.compile(
    r"\b(half|most|majority|twice|double[ds]?|triple[ds]?|several|many|few|dozens?|hundreds?"
    r"|thousands?|millions?|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty"
    r"|thirty|forty|fifty|sixty|seventy|eighty|ninety|nearly all|almost all|a third|a quarter"
    r"|thirds|quarters|thrice|halve[ds]?|quadruple[ds]?|\w+fold|numerous|various|plenty|handful"
    r"|a couple|the bulk|yesterday|tonight|overnight|midnight|noon"
    r"|(?:last|this) (?:week|month|year))\b",
    re.IGNORECASE,
)
ABSENT = re.compile(
    r"\b(no|not|none|never|nothing|nobody|without|absent|lacks?|neither|nor|zero|all|every|each"
    r"|only|always|solely|exclusively|entirely|wholly|invariably|nowhere|exceptions?|both|any)\b"
    r"|n['\u2019]t\b|(?<![\w.,])0(?![\w.,])",
    re.IGNORECASE,
)
GUILT = re.compile(
    r"\b(guilty|fraudsters?|criminals?|crooks?|thief|thieves|scammers?|cheats?|cheaters?|culprits?"
    r"|stole|committed (?:a )?(?:fraud|crime))\b",
    re.IGNORECASE,
)
NAMED_DAYS = (
    "January February March April May June July August September October November December "
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
)
TYPOGRAPHY = frozenset(
    "\u2019\u2018\u201c\u201d\u00ab\u00bb\u2014\u2013\u2026\u20ac\u00a3\u00d7\u00b7\u00b0\u00a7"
)
WORD = re.compile(r"[^\s,;()\[\]]+")
TOKEN = re.compile(
    r"""(?P<time>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?)
    |(?P<address>(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?(?![\w.]*\d)
        |(?<![\w:])(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{0,4})
    |(?P<grouped>(?<![\w.,])[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w,]))
    |(?P<id>[A-Za-z0-9][\w.:/@#-]*[\w/])
    |(?P<number>[+-]?\d[\d,]*(?:\.\d+)?)""",
    re.VERBOSE,
)
ZONE = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$")
NUMBER = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?")
QUOTED = re.compile(r"[\"“”«»]([^\"“”«»]{2,200})[\"“”«»]|`([^`]{2,200})`")


@dataclass(frozen=True, slots=True)
class Atom:
    """A piece of a sentence. `number` is its value where it is one."""

    kind: Kind
    text: str
    number: Decimal | None = None


def atoms_of(text: str) -> tuple[Atom, ...]:
    """Every atom of a sentence, each once, in order."""
    found: dict[tuple[str, str], Atom] = {}
    for match in QUOTED.finditer(text):
        words = match[1] or match[2]
        found["words", words] = Atom("words", words)
    for atom in (*tokens_of(text), *_words_to_look_up(text)):
        found.setdefault((atom.kind, atom.text), atom)
    return tuple(found.values())


def tokens_of(text: str) -> tuple[Atom, ...]:
    """Numbers, times, addresses and ids in the order in which they stand there."""
    found = (_atom(match) for match in TOKEN.finditer(text))
    return tuple(atom for atom in found if atom is not None)


def _words_to_look_up(text: str) -> Iterator[Atom]:
    """Months and days by name, and words in other than Latin letters: they have to be in the
    evidence as they stand here."""
    for match in WORD.finditer(text):
        bare = match[0].strip(".:!?'\"\u201c\u201d\u2019")
        if bare in NAMED_DAYS.split() or any(not _is_latin(char) for char in bare):
            yield Atom("words", bare)


def _is_latin(char: str) -> bool:
    return char.isascii() or char in TYPOGRAPHY or unicodedata.name(char, "").startswith("LATIN")


def deceiving(text: str) -> str:
    """The first character that is not what it looks like (invisible, a digit or dash of another
    script), by its name, or ""."""
    for char in text:
        if char.isascii() or char in TYPOGRAPHY:
            continue
        if unicodedata.category(char) in (
            "Cf",
            "Cc",
            "Co",
            "Cn",
            "Cs",
            "Nd",
            "No",
            "Pd",
            "Mn",
            "Zs",
        ):
            return unicodedata.name(char, f"U+{ord(char):04X}")
    return ""


def _atom(match: re.Match[str]) -> Atom | None:
    text = match[0]
    if match["time"]:
        return Atom("time", text)
    if match["address"]:
        return Atom("address", text)
    bare = text.rstrip(".,:;/-")
    if bare.lower() in NUMBER_WORDS:
        return Atom("number", bare, Decimal(NUMBER_WORDS[bare.lower()]))
    if NUMBER.fullmatch(bare):
        return Atom("number", bare, Decimal(bare.replace(",", "")))
    if any(char.isdigit() for char in bare) or "_" in bare or "@" in bare:
        return Atom("id", bare)
    return Atom("id", bare) if re.fullmatch(r"[\w-]+(?:\.[\w-]+)*\.[a-z]{2,24}", bare) else None


class Support:
    """What a sentence may rest on: cells, lines, constants asked about, stated results."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._numbers: set[Decimal] = set()
        self._long: list[str] = []

    def add_cells(self, rows: Iterable[Sequence[Any]], without: Iterable[str] = ()) -> None:
        """Cells of a result, without the texts that the query itself wrote into it."""
        labels = set(without)
        for row in rows:
            for cell in row:
                if cell is not None and cell not in labels:
                    self._add(cell)

    def add_text(self, text: str) -> None:
        """A line of an exhibit, or a constant that a query asked about."""
        self._add(text)

    def add_passage(self, lines: Iterable[str]) -> None:
        """Lines that follow each other in a text: quoted words may run over their ends."""
        self._long.append(" ".join(" ".join(lines).split()))

    def add_number(self, number: Decimal) -> None:
        """A figure that a stated formula gives."""
        self._numbers.add(number)

    def holds(self, atom: Atom) -> bool:
        """Whether the atom is there."""
        if atom.kind == "words":
            words = " ".join(atom.text.split())
            return any(atom.text in text or words in text for text in self._long)
        if atom.number is not None:
            return self.has_number(atom.text.lower(), atom.number)
        if atom.kind == "time":
            return any(_same_time(atom.text, text) for text in self._texts)
        return atom.text in self._texts

    def has_number(self, text: str, number: Decimal) -> bool:
        """Whether a figure is there, or what is there rounds to it as it is written."""
        if number in self._numbers:
            return True
        places = len(text.partition(".")[2])
        if not places:
            return False
        step = Decimal(1).scaleb(-places)
        return any(
            known != known.to_integral_value() and _rounded(known, step) == number
            for known in self._numbers
        )

    def _add(self, value: Any) -> None:
        if isinstance(value, bool):
            return
        if isinstance(value, (int, float)):
            self._numbers.add(Decimal(str(value)))
            return
        if isinstance(value, (list, tuple)):
            self.add_cells([value])
            return
        text = str(value)
        self._long.append(text)
        self._texts.add(text)
        for atom in atoms_of(text):
            self._texts.add(atom.text)
            if atom.number is not None:
                self._numbers.add(atom.number)


def _rounded(known: Decimal, step: Decimal) -> Decimal | None:
    try:
        return known.quantize(step)
    except InvalidOperation:
        return None


def _same_time(said: str, known: str) -> bool:
    """The same moment, or the beginning of it: a day, a minute. A zone that is said has to be the
    one that is there."""
    if re.match(r"\d{4}-\d\d-\d\d", known) is None:
        return False
    mine, yours = (ZONE.sub("", text.replace(" ", "T")) for text in (said, known))
    return yours.startswith(mine) and (not _zone(said) or _zone(said) == _zone(known))


def _zone(text: str) -> str:
    found = ZONE.search(text)
    zone = found[0].replace(":", "") if found else ""
    return "+0000" if zone == "Z" else zone
