"""Takes personal data and secrets out of text: for a copy that is handed on, or for a model.

The same value gets the same pseudonym in a whole batch, so that links survive; the key and the map
stay where they were made. Renderings are redacted, never evidence and never hashes. Finds what has
a form (mail, cards, accounts, phones, keys, addresses) and what is named to it, also where it is
written in an encoding (percent, entities, escapes, base64, hex); it does not know people's names.
"""

from __future__ import annotations

import hmac
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Literal

from orchestrator.canonical import canonical
from orchestrator.errors import UsageError
from tasks.forensics.encodings import PIECES, readings
from tasks.forensics.reporting.content import CaseReport

Kind = Literal[
    "private-key", "token", "key", "mail", "iban", "card", "phone", "ip", "name", "encoded"
]
ALL: tuple[Kind, ...] = ("private-key", "token", "key", "mail", "iban", "card", "phone", "ip")
BEFORE_NAMES, AFTER_NAMES = ALL[:4], ALL[4:]
"""An address that holds a name is one address."""
KEY_FILE = "redaction.key"
KEY_BYTES = 32
KEPT = frozenset(
    {"sha256", "playbook_sha256", "head", "run", "image", "schema_name"}
    | {"id", "case_id", "also", "claims"}
)
"""Fields that are hashes or names of ours: redacting them would break what they point at."""
EDGE, END = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
FORMS: Mapping[Kind, re.Pattern[str]] = {
    "private-key": re.compile(
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.{0,20000}?(?:-----END [A-Z ]{0,40}KEY-----|\Z)"
        # Lines of one whose first line is elsewhere: long, and of more than hexadecimal digits.
        r"|(?<![\w+/=.-])(?=[A-Z0-9+/]{0,80}[a-z])(?=[a-z0-9+/]{0,80}[A-Z])(?=[A-Za-z+/]{0,80}\d)"
        r"[A-Za-z0-9+/]{60,}={0,2}(?![\w+/=.-])",
        re.DOTALL,
    ),
    "token": re.compile(rf"{EDGE}eyJ[\w-]{{8,}}\.eyJ[\w-]{{4,}}\.[\w-]{{8,}}"),
    "key": re.compile(
        rf"{EDGE}(?:(?:AKIA|ASIA)[A-Z0-9]{{16}}|gh[pousr]_[A-Za-z0-9]{{30,}}|github_pat_\w{{40,}}"
        rf"|sk-[A-Za-z0-9_-]{{20,}}|xox[abprs]-[A-Za-z0-9-]{{10,}}|AIza[\w-]{{35}}"
        rf"|[rs]k_(?:live|test)_[A-Za-z0-9]{{16,}}|glpat-[\w-]{{20,}})"
    ),
    "mail": re.compile(
        r"(?<![\w.+-])[\w.!#$&'*+/=?^`{|}~-]{1,64}(?:@|%40)(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}"
    ),
    "iban": re.compile(
        rf"{EDGE}[A-Z]{{2}}\d{{2}}(?: ?[A-Z0-9]{{4}}){{2,7}}(?: ?[A-Z0-9]{{1,3}})?{END}"
    ),
    "card": re.compile(rf"{EDGE}(?<![.\d-])[2-6]\d{{3}}(?:[ -]?\d){{9,15}}{END}(?![.]\d)"),
    "phone": re.compile(
        rf"(?<![\w+])(?:\+|00)[1-9]\d{{0,2}}(?:[ ()./-]{{0,2}}\d){{6,13}}{END}"
        rf"|{EDGE}\(?0[1-9]\d{{1,4}}\)?[ /-]\d{{3,8}}(?:[ -]\d{{2,6}})?{END}"
        rf"|(?<![\w.-])(?:\([2-9]\d\d\) ?|[2-9]\d\d[ -])\d{{3}}[ -]\d{{4}}(?![\w-])"
    ),
    "ip": re.compile(
        r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)"
        r"|(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])"
    ),
}


PSEUDONYM = re.compile(r"\[(?:[a-z]+|private-key) [a-z]{10}(?:-[a-z]{4})?\]")
MAIL_STARTS = re.compile(r".*[/=?&#|{}*!$^~`]|'+", re.DOTALL)
"""What stands before an address: a query, a quotation mark. Few addresses hold one of these."""
PART_LETTERS = 3
PARTICLES = frozenset({"von", "van", "der", "den", "del", "dos", "bin", "ibn", "the", "and", "mac"})
WHOLE_LETTERS = 7
"""A name of so many letters is found inside of other words as well (`mail=janedoe85`)."""
BETWEEN_WORDS = r"""[\s._+,;:/'"-]"""
FIRST_CARD_FLOAT = 10**12
EXACT_FLOAT = 10**15


@dataclass(slots=True)
class Redactor:
    """Redacts with one key. `known` is what each pseudonym stands for; it is not handed on.
    `names` are further values; the words of a name count as well. With `is_exact` each spelling of
    a value has a pseudonym of its own that begins alike, and `known` holds the spelling: what was
    taken out can be put back."""

    key: bytes
    kinds: tuple[Kind, ...] = ALL
    names: tuple[str, ...] = ()
    known: dict[str, str] = field(default_factory=dict)
    is_exact: bool = False

    def text(self, text: str) -> str:
        """The text with pseudonyms in the place of what was found."""
        for piece in PIECES:
            text = self._between(text, partial(piece.sub, self._without_codes))
        return self._between(text, self._without_forms)

    def value(self, value: Any) -> Any:
        """The same in every text of a JSON value; a number that is a card is one as well."""
        if isinstance(value, dict):
            return {
                name: item if name in KEPT and _is_plain(item) else self.value(item)
                for name, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return self.cell(value)

    def cell(self, value: Any) -> Any:
        """A single value: a text, or a number that is a card's. Numbers that are too long to be
        exact are taken for one when they begin like one."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return value
        if not FIRST_CARD_FLOAT <= value < 10**19:
            return value
        shown = self.text(str(int(value)))
        if shown != str(int(value)):
            return shown
        inexact = isinstance(value, float) and value >= EXACT_FLOAT and str(value)[0] in "23456"
        return self._pseudonym("card", str(value), str(value)) if inexact else value

    def report(self, report: CaseReport) -> CaseReport:
        """A report that can be handed on. Hashes stay those of what was redacted."""
        shown = self.value(report.model_dump(mode="json"))
        return CaseReport.model_validate_json(canonical(shown))

    def _between(self, text: str, change: Callable[[str], str]) -> str:
        """Change what stands between pseudonyms that are there already."""
        found, at = [], 0
        for match in PSEUDONYM.finditer(text):
            found += [change(text[at : match.start()]), match[0]]
            at = match.end()
        return "".join([*found, change(text[at:])])

    def _without_forms(self, text: str) -> str:
        for kind in BEFORE_NAMES:
            text = self._without(kind, text)
        for form, plain in _names(self.names) if _any_name(self.names).search(text) else ():
            text = self._between(text, partial(form.sub, self._naming(plain)))
        for kind in AFTER_NAMES:
            text = self._without(kind, text)
        return text

    def _without(self, kind: Kind, text: str) -> str:
        if kind not in self.kinds:
            return text
        return self._between(text, partial(FORMS[kind].sub, self._replacing(kind)))

    def _without_codes(self, found: re.Match[str]) -> str:
        """A piece of text that says more when it is decoded is taken out as a whole."""
        plain: set[str] | None = None
        for said in readings(found[0]):
            shown = self._without_forms(said)
            if shown == said:
                continue
            plain = _bases(self._without_forms(found[0])) if plain is None else plain
            if _bases(shown) <= plain:
                continue
            whole = PSEUDONYM.fullmatch(shown.strip())
            if whole is None:
                return self._pseudonym("encoded", found[0], found[0])
            return self._spelled(_base(whole[0]), found[0]) if self.is_exact else whole[0]
        return found[0]

    def _naming(self, plain: str) -> Callable[[re.Match[str]], str]:
        return lambda found: self._pseudonym("name", plain, found[0])

    def _replacing(self, kind: Kind) -> Callable[[re.Match[str]], str]:
        def replaced(found: re.Match[str]) -> str:
            start = _lead(found) if kind == "mail" else 0
            value = found[0][start:]
            plain = _normal(kind, value)
            return (
                found[0]
                if plain is None
                else found[0][:start] + self._pseudonym(kind, plain, value)
            )

        return replaced

    def _pseudonym(self, kind: Kind, plain: str, spelling: str) -> str:
        base = f"{kind} {self._letters(kind, plain, 10)}"
        if self.is_exact and spelling != plain:
            return self._spelled(base, spelling)
        self.known[f"[{base}]"] = plain
        return f"[{base}]"

    def _spelled(self, base: str, spelling: str) -> str:
        name = f"[{base}-{self._letters(base, spelling, 4)}]"
        self.known[name] = spelling
        return name

    def _letters(self, of: str, text: str, count: int) -> str:
        """Letters only, so that no pseudonym is taken for a number or an address."""
        content = f"{of}\0{text}".encode("utf-8", "surrogatepass")
        digest = hmac.new(self.key, content, sha256).digest()
        return "".join(chr(ord("a") + byte % 26) for byte in digest[:count])


def _bases(text: str) -> set[str]:
    return {_base(match[0]) for match in PSEUDONYM.finditer(text)}


def _base(pseudonym: str) -> str:
    """A pseudonym without what tells spellings apart: `mail abcdefghij`."""
    return re.sub(r"(?<= [a-z]{10})-[a-z]{4}|[\[\]]", "", pseudonym)


@lru_cache(maxsize=64)
def _names(names: tuple[str, ...]) -> tuple[tuple[re.Pattern[str], str], ...]:
    """What finds each name, however it is written, and each of its words; the longest first."""
    forms: list[tuple[re.Pattern[str], str]] = []
    parts: dict[str, str] = {}
    for name in sorted({*names}, key=lambda name: (-len(name), name)):
        words = name.split()
        if not words:
            continue
        plain = " ".join(words).casefold()
        forms.append((_name_form(words), plain))
        if len(words) == 2:
            forms.append((_name_form(words[::-1]), plain))
        if len(words) > 1:
            parts |= {word.casefold(): word for word in words if _is_telling(word)}
    return (*forms, *((_name_form([word]), plain) for plain, word in parts.items()))


@lru_cache(maxsize=64)
def _any_name(names: tuple[str, ...]) -> re.Pattern[str]:
    """Whether there is any of them; most texts hold none."""
    return re.compile("|".join(form.pattern for form, _ in _names(names)) or "(?!)", re.IGNORECASE)


def _is_telling(word: str) -> bool:
    letters = "".join(filter(str.isalnum, word))
    return len(letters) >= PART_LETTERS and letters.casefold() not in PARTICLES


def _name_form(words: list[str]) -> re.Pattern[str]:
    is_long = len(words) > 1 and sum(map(len, words)) >= WHOLE_LETTERS
    between = BETWEEN_WORDS + ("{0,3}" if is_long else "{1,3}")
    body = between.join(_word_form(word) for word in words)
    if is_long:
        return re.compile(body, re.IGNORECASE)
    first, last = (
        r"[^\W\d_]" if char.isalpha() else r"\d" for char in (words[0][0], words[-1][-1])
    )
    return re.compile(f"(?<!{first})(?:{body})(?!{last})", re.IGNORECASE)


def _word_form(word: str) -> str:
    """A word with its accents, without them, or with them as characters of their own."""
    apart = unicodedata.normalize("NFD", word)
    bare = "".join(char for char in apart if not unicodedata.combining(char))
    spellings = dict.fromkeys((unicodedata.normalize("NFC", word), apart, bare))
    return f"(?:{'|'.join(map(re.escape, spellings))})"


def _lead(found: re.Match[str]) -> int:
    """How much of a match stands before the address: of a query, of an encoded character."""
    at = found[0].index("@") if "@" in found[0] else found[0].index("%40")
    before = MAIL_STARTS.match(found[0][:at])
    if before:
        return before.end() if before.end() < at else 0
    coded = found.string[: found.start()].endswith("%") and re.match("[0-9A-Fa-f]{2}", found[0])
    return 2 if coded and at > 2 else 0


def _is_plain(item: Any) -> bool:
    """Whether it is a name or a list of names, not a value with fields of its own."""
    return not any(isinstance(one, dict) for one in (item if isinstance(item, list) else [item]))


def _normal(kind: Kind, found: str) -> str | None:
    """The one spelling of a value, or None when it is none of its kind."""
    match kind:
        case "mail":
            return found.replace("%40", "@").casefold()
        case "iban":
            bare = found.replace(" ", "")
            return bare if _is_iban(bare) else None
        case "card":
            digits = re.sub(r"\D", "", found)
            return digits if _is_card(digits) else None
        case "phone":
            digits = re.sub(r"\D", "", found)
            return re.sub(r"^00", "", digits) if 7 <= len(digits) <= 15 else None
        case "ip":
            return _address(found)
    return found


def _is_card(digits: str) -> bool:
    """Luhn's check (ISO/IEC 7812-1)."""
    doubled = [int(d) * (2 if at % 2 else 1) for at, d in enumerate(reversed(digits))]
    return 13 <= len(digits) <= 19 and sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _is_iban(bare: str) -> bool:
    """The remainder by 97 is 1 (ISO 13616)."""
    moved = bare[4:] + bare[:4]
    return 15 <= len(bare) <= 34 and int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def _address(found: str) -> str | None:
    try:
        return str(ip_address(found))
    except ValueError:
        return None


def found_in(text: str, kinds: Iterable[Kind] = ALL) -> tuple[Kind, ...]:
    """The kinds that are still in a text."""
    return tuple(
        kind
        for kind in kinds
        if any(_normal(kind, match[0]) is not None for match in FORMS[kind].finditer(text))
    )


def key_in(results: Path) -> bytes:
    """The key of a batch, made when there is none; it stays in the folder. Raises UsageError."""
    place = results / KEY_FILE
    results.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        _make_key(place)
    key = place.read_bytes()
    if len(key) != KEY_BYTES:
        raise UsageError(
            f"{place} is no key of {KEY_BYTES} bytes", fix="remove it to make a new one"
        )
    return key


def _make_key(place: Path) -> None:
    """Whole or not at all, and never over one that somebody else has just made."""
    with NamedTemporaryFile(dir=place.parent, prefix=f".{place.name}.") as file:
        file.write(os.urandom(KEY_BYTES))
        file.flush()
        with suppress(FileExistsError):
            os.link(file.name, place)
