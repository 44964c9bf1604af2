"""Takes personal data and secrets out of text: for a copy that is handed on, or for a model.

The same value gets the same pseudonym in a whole batch, so that links survive; the key and the map
stay where they were made. Renderings are redacted, never evidence and never hashes. Finds what has
a form (mail, cards, accounts, phones, keys, addresses) and what is named to it; it does not know
people's names.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

from orchestrator.canonical import canonical
from orchestrator.errors import UsageError
from tasks.forensics.reporting.content import CaseReport

Kind = Literal["private-key", "token", "key", "mail", "iban", "card", "phone", "ip", "name"]
ALL: tuple[Kind, ...] = ("private-key", "token", "key", "mail", "iban", "card", "phone", "ip")
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
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.{0,20000}?(?:-----END [A-Z ]{0,40}KEY-----|\Z)",
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
    ),
    "ip": re.compile(
        r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)"
        r"|(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])"
    ),
}


@dataclass(slots=True)
class Redactor:
    """Redacts with one key. `known` is what each pseudonym stands for; it is not handed on.
    `names` are further values, exactly as the evidence writes them."""

    key: bytes
    kinds: tuple[Kind, ...] = ALL
    names: tuple[str, ...] = ()
    known: dict[str, str] = field(default_factory=dict)

    def text(self, text: str) -> str:
        """The text with pseudonyms in the place of what was found."""
        for name in sorted(filter(None, self.names), key=len, reverse=True):
            form = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
            text = form.sub(lambda found: self._pseudonym("name", found[0].casefold()), text)
        for kind in ALL:
            if kind in self.kinds:
                text = FORMS[kind].sub(self._replacing(kind), text)
        return text

    def value(self, value: Any) -> Any:
        """The same in every text of a JSON value; a number that is a card is one as well."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {
                name: item if name in KEPT and _is_plain(item) else self.value(item)
                for name, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        if isinstance(value, int) and not isinstance(value, bool) and value >= 10**12:
            shown = self.text(str(value))
            return value if shown == str(value) else shown
        return value

    def report(self, report: CaseReport) -> CaseReport:
        """A report that can be handed on. Hashes stay those of what was redacted."""
        shown = self.value(report.model_dump(mode="json"))
        return CaseReport.model_validate_json(canonical(shown))

    def _replacing(self, kind: Kind) -> Callable[[re.Match[str]], str]:
        def replaced(found: re.Match[str]) -> str:
            plain = _normal(kind, found[0])
            return found[0] if plain is None else self._pseudonym(kind, plain)

        return replaced

    def _pseudonym(self, kind: Kind, plain: str) -> str:
        """Letters only after the kind, so that no pseudonym is taken for a number or an address."""
        digest = hmac.new(self.key, f"{kind}\0{plain}".encode("utf-8", "surrogatepass"), sha256)
        letters = "".join(chr(ord("a") + byte % 26) for byte in digest.digest()[:10])
        name = f"[{kind} {letters}]"
        self.known[name] = plain
        return name


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
    try:
        fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = place.read_bytes()
        if len(key) != KEY_BYTES:
            raise UsageError(
                f"{place} is no key of {KEY_BYTES} bytes", fix="remove it to make a new one"
            ) from None
        return key
    with os.fdopen(fd, "wb") as file:
        key = os.urandom(KEY_BYTES)
        file.write(key)
    return key
