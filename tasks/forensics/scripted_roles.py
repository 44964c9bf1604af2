"""Finds out which column plays which role, from a profile in words: by values and by links.

No column's name decides anything. What cannot be told stays without a role, and its tests are
then missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

TABLE = re.compile(r"^  (\w+) \((\d+) rows\): (.*)$", re.MULTILINE)
HIDDEN = r"\[[a-z-]+ [a-z]{10}(?:-[a-z]{4})?\]"
"""What stands for a value that is hidden from models."""
COLUMN = re.compile(
    rf"((?:{HIDDEN}|[^;\[])+?) \[([\w ]+), (\d+) distinct, (\d+) missing"
    rf"(?:: ((?:{HIDDEN}|[^\]])*?))?"
    r"(?:, UTC in (.+?), ([^\],]+))?\](?:; |$)"
)
LINK = re.compile(
    r"^link (\w+)\.(.+?) = (\w+)\.(.+?): (\d+) shared values, of (\d+) and (\d+)$", re.MULTILINE
)
SUBJECT = re.compile(r"^subject in (\w+)\.(.+): (\d+) rows$", re.MULTILINE)
PAID = ("paid", "settled", "refund", "chargeback", "captured", "succeeded")
CREDITED = ("click", "coupon", "code")


@dataclass(frozen=True)
class Column:
    """A column as the profile shows it."""

    name: str
    looks: str
    distinct: int
    values: str
    utc: str


@dataclass
class Table:
    """A table as the profile shows it."""

    name: str
    rows: int
    columns: dict[str, Column]

    def like(self, *looks: str) -> list[str]:
        """The names of the columns that look so, in order."""
        return [name for name, column in self.columns.items() if column.looks in looks]

    def is_key(self, name: str) -> bool:
        """Whether each row has a value of its own in this column."""
        return self.columns[name].distinct == self.rows

    def time(self) -> str:
        """The first column of times in UTC, or ""."""
        return next((c.utc for c in self.columns.values() if c.utc and c.looks == "time"), "")


@dataclass
class Exhibits:
    """Tables, links both ways, and where the subject is."""

    tables: dict[str, Table]
    links: set[tuple[str, str, str, str]] = field(default_factory=set)
    subject: dict[str, str] = field(default_factory=dict)

    def linked(self, table: str, other: str) -> Iterator[tuple[str, str]]:
        """Pairs of columns that join two tables."""
        yield from ((a, b) for one, a, two, b in sorted(self.links) if (one, two) == (table, other))

    def subject_value(self, text: str) -> str:
        """Whom the case is about, as the text says it."""
        found = re.search(r"^Subject: (.+?)\.", text, re.MULTILINE)
        return found[1] if found else ""


def read_exhibits(text: str) -> Exhibits:
    """What the text of the exhibits says."""
    tables = {}
    for name, rows, columns in TABLE.findall(text):
        found = {
            column.strip(): Column(column.strip(), looks, int(distinct), values or "", utc)
            for column, looks, distinct, _, values, utc, _ in COLUMN.findall(columns)
        }
        tables[name] = Table(name, int(rows), found)
    exhibits = Exhibits(tables)
    for one, a, other, b, *_ in LINK.findall(text):
        if a in tables[one].columns and b in tables[other].columns:
            exhibits.links |= {(one, a, other, b), (other, b, one, a)}
    for name, column, _ in SUBJECT.findall(text):
        exhibits.subject.setdefault(name, column)
    return exhibits


def roles_of(exhibits: Exhibits) -> dict[str, str]:
    """Role to column."""
    core = _core(exhibits)
    if core is None:
        return {}
    sale, click, by_click = core
    roles = {
        "conversion.click": f"{sale}.{by_click[0]}",
        "click.id": f"{click}.{by_click[1]}",
        "conversion.partner": f"{sale}.{exhibits.subject[sale]}",
        "click.partner": f"{click}.{exhibits.subject[click]}",
    }
    roles |= _own_parts(exhibits.tables[click], "click", {"ip": ("ip",), "agent": ("user agent",)})
    roles |= _own_parts(exhibits.tables[click], "click", {"referer": ("url",)})
    account = _signup(exhibits, sale, click, roles)
    _requests(exhibits, click, account, roles)
    _payments(exhibits, sale, account, roles)
    _partners(exhibits, (sale, click), account, roles)
    _sale_parts(exhibits.tables[sale], roles)
    for relation in {role.partition(".")[0] for role in roles}:
        table = next(p.partition(".")[0] for r, p in roles.items() if r.startswith(f"{relation}."))
        moment = exhibits.tables[table].time()
        if moment and relation in ("click", "conversion", "signup", "payment", "request"):
            roles[f"{relation}.time"] = f"{table}.{moment}"
    return roles


def _core(exhibits: Exhibits) -> tuple[str, str, tuple[str, str]] | None:
    """Sales and clicks: two tables with partners, where each sale names one click."""
    found = []
    for sale in exhibits.subject:
        for click in exhibits.subject:
            numbers = exhibits.tables[sale].like("number")
            for a, b in exhibits.linked(sale, click):
                key = exhibits.tables[click].is_key(b) and a != exhibits.subject[sale]
                larger = exhibits.tables[click].rows > exhibits.tables[sale].rows
                if key and larger and numbers:
                    found.append((exhibits.tables[click].rows, sale, click, (a, b)))
    if not found:
        return None
    _, sale, click, by = max(found)
    return sale, click, by


def _own_parts(table: Table, relation: str, parts: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {
        f"{relation}.{part}": f"{table.name}.{names[0]}"
        for part, looks in parts.items()
        if (names := table.like(*looks))
    }


def _signup(exhibits: Exhibits, sale: str, click: str, roles: dict[str, str]) -> str:
    """The table of accounts: one row each, with an address, and joined to sales and clicks."""
    for name, table in exhibits.tables.items():
        if name in exhibits.subject or not table.like("ip"):
            continue
        by_user = [(a, b) for a, b in exhibits.linked(sale, name) if table.is_key(b)]
        joined = list(exhibits.linked(click, name))
        if by_user and joined:
            roles["conversion.user"] = f"{sale}.{by_user[0][0]}"
            roles["signup.user"] = f"{name}.{by_user[0][1]}"
            roles |= _own_parts(table, "signup", {"ip": ("ip",)})
            return name
    return ""


def _requests(exhibits: Exhibits, click: str, account: str, roles: dict[str, str]) -> None:
    """The shop's own log: more rows than clicks, joined by the visitor, who is in no other way
    marked there; what else joins accounts and clicks is the device."""
    marks = {a for a, _ in exhibits.linked(click, account)} if account else set()
    ids = [name for name in exhibits.tables[click].like("id") if name in marks]
    for name, table in exhibits.tables.items():
        if name in (click, account) or name in exhibits.subject or not table.time():
            continue
        joined = [(a, b) for a, b in exhibits.linked(click, name) if a in ids]
        if not joined or table.rows <= exhibits.tables[click].rows:
            continue
        visitor, seen = joined[0]
        roles["click.visitor"] = f"{click}.{visitor}"
        roles["request.visitor"] = f"{name}.{seen}"
        paths = [table.columns[column] for column in table.like("text") or table.like("url")]
        for path in sorted(paths, key=lambda column: -column.distinct)[:1]:
            roles["request.path"] = f"{name}.{path.name}"
        kinds = [c.name for c in table.columns.values() if "document" in c.values]
        for dest in kinds[:1]:
            roles["request.dest"] = f"{name}.{dest}"
    known = roles.get("click.visitor", "").partition(".")[2]
    for other in [name for name in ids if known and name != known][:1]:
        roles["click.device"] = f"{click}.{other}"
    for a, b in exhibits.linked(click, account) if account else ():
        if a == known:
            roles["signup.visitor"] = f"{account}.{b}"
        elif roles.get("click.device") == f"{click}.{a}":
            roles["signup.device"] = f"{account}.{b}"


def _payments(exhibits: Exhibits, sale: str, account: str, roles: dict[str, str]) -> None:
    """Payments are joined to sales by an id of their own; use of the product by the account."""
    user = roles.get("conversion.user", "").partition(".")[2]
    for name, table in exhibits.tables.items():
        if name in (sale, account) or name in exhibits.subject or table.like("ip"):
            continue
        pairs = list(exhibits.linked(sale, name))
        own = [(a, b) for a, b in pairs if a != user and table.is_key(b)]
        of_user = [b for a, b in pairs if a == user]
        if own and table.like("category"):
            roles["conversion.payment"] = f"{sale}.{own[0][0]}"
            roles["payment.id"] = f"{name}.{own[0][1]}"
            roles["payment.status"] = f"{name}.{_holding(table, PAID)}"
            cards = [c for c in table.like("id") if c not in (own[0][1], *of_user)]
            for card in cards[:1]:
                roles["payment.card"] = f"{name}.{card}"
        elif of_user and table.rows > exhibits.tables[sale].rows and table.like("day"):
            roles["usage.user"] = f"{name}.{of_user[0]}"


def _partners(
    exhibits: Exhibits, known: tuple[str, str], account: str, roles: dict[str, str]
) -> None:
    for name, column in exhibits.subject.items():
        table = exhibits.tables[name]
        if name in known:
            continue
        if table.is_key(column):
            roles["partner.id"] = f"{name}.{column}"
            for kind in [c for c in table.like("category", "text") if not table.is_key(c)][:1]:
                roles["partner.kind"] = f"{name}.{kind}"
            for payout in [c for c in table.like("id") if c != column][:1]:
                roles["partner.payout"] = f"{name}.{payout}"
        elif table.like("ip") and table.time():
            roles["login.partner"] = f"{name}.{column}"
            roles |= _own_parts(table, "login", {"ip": ("ip",)})
            for device in [c for c in table.like("id") if c != column][:1]:
                roles["login.device"] = f"{name}.{device}"


def _sale_parts(table: Table, roles: dict[str, str]) -> None:
    taken = {place.partition(".")[2] for role, place in roles.items() if role.startswith("conv")}
    for own in [c for c in table.like("id") if table.is_key(c) and c not in taken][:1]:
        roles["conversion.id"] = f"{table.name}.{own}"
    for amount in table.like("number")[-1:]:
        roles["conversion.amount"] = f"{table.name}.{amount}"
    if table.like("category", "text"):
        roles["conversion.how"] = f"{table.name}.{_holding(table, CREDITED)}"


def _holding(table: Table, words: Iterable[str]) -> str:
    """The category whose values hold such a word, else the one with the fewest values."""
    categories = [table.columns[name] for name in table.like("category", "text")]
    for column in categories:
        if any(word in column.values.lower() for word in words):
            return column.name
    return min(categories, key=lambda column: column.distinct).name
