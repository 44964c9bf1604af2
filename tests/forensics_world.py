"""A programme of partners as evidence: honest ones, one for each way to cheat, and others that look
the same and are innocent. Made from a seed; nobody real is in it."""

from __future__ import annotations

import csv
import itertools
import json
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from sandbox.inside.forensics.columns import Column as Seen
from sandbox.inside.forensics.columns import typed
from tasks.forensics.intake import Column, Examined, Intake, Link, Place, Table

START = datetime(2026, 5, 1, tzinfo=UTC)
SALES = 20
Row = dict[str, object]


@dataclass
class World:
    """The tables so far."""

    chance: random.Random
    tables: dict[str, list[Row]] = field(default_factory=dict)
    count: int = 0

    def add(self, table: str, **row: object) -> None:
        self.tables.setdefault(table, []).append(row)

    def new(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}_{self.count:06}"

    def address(self) -> str:
        return ".".join(str(number) for number in (240, *self.chance.choices(range(1, 255), k=3)))

    def moment(self) -> datetime:
        return START + timedelta(seconds=self.chance.randrange(30 * 86400))


@dataclass
class Sale:
    """How one sale came about."""

    partner: str
    kind: str = "review"
    referer: bool = True
    browsed_before: bool = False
    to_signup_s: int = 0
    dest: str = "document"
    goes_on: bool = True
    clicked: bool = True
    came_before: bool = False
    how: str = "last_click"
    device: str = ""
    address: str = ""
    card: str = ""
    status: str = "paid"
    used: bool = True


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def sell(world: World, sale: Sale) -> None:
    """One sale with everything that it leaves behind."""
    user, visitor = world.new("usr"), world.new("v")
    address = sale.address or world.address()
    device = sale.device or world.new("dev")
    moment = world.moment()
    if sale.browsed_before:
        for before in (900, 600, 300):
            browse(world, visitor, moment - timedelta(seconds=before), address)
    if sale.came_before:
        click(world, sale.partner, visitor, address, device, moment - timedelta(days=3), sale)
    clicked = ""
    if sale.clicked:
        clicked = click(world, sale.partner, visitor, address, device, moment, sale)
    if sale.goes_on:
        browse(world, visitor, moment + timedelta(seconds=20), address)
    signed = moment + timedelta(seconds=sale.to_signup_s or world.chance.randrange(600, 4000))
    world.add("signups", user=user, at=stamp(signed), visitor=visitor, ip=address, device=device)
    paid, payment = signed + timedelta(minutes=9), world.new("pay")
    card = sale.card or world.new("card")
    world.add("payments", payment=payment, at=stamp(paid), user=user, card=card, status=sale.status)
    row = {"sale": world.new("cnv"), "at": stamp(paid), "user": user, "partner": sale.partner}
    world.add("sales", **row, click=clicked, how=sale.how, payment=payment, commission="44.10")
    if sale.used:
        for day in (1, 2, 5):
            world.add("usage", day=str((paid + timedelta(days=day)).date()), user=user, minutes=30)


def click(
    world: World,
    partner: str,
    visitor: str,
    address: str,
    device: str,
    moment: datetime,
    sale: Sale,
) -> str:
    """A hit on a tracking link, with its line in the shop's log."""
    name = world.new("clk")
    referer = f"https://{partner.lower()}.example/post" if sale.referer else ""
    row = {"click": name, "at": stamp(moment), "partner": partner, "visitor": visitor}
    world.add("clicks", **row, ip=address, device=device, referer=referer)
    browse(world, visitor, moment, address, f"/r/{partner}?c={name}", sale.dest)
    return name


def browse(
    world: World,
    visitor: str,
    moment: datetime,
    address: str,
    path: str = "/pricing",
    dest: str = "document",
) -> None:
    row = {"at": stamp(moment), "visitor": visitor, "ip": address, "path": path, "dest": dest}
    world.add("requests", **row)


def partner(
    world: World, name: str, kind: str = "review", device: str = ""
) -> tuple[str, str, str]:
    """A partner with its own device, address and paid account."""
    own = (device or world.new("dev"), world.address(), world.new("card"))
    world.add("partners", partner=name, kind=kind, payout=own[2])
    for _ in range(3):
        world.add("logins", at=stamp(world.moment()), partner=name, ip=own[1], device=own[0])
    return own


def many_clicks(
    world: World, name: str, *, one_address: bool, lands: bool, count: int = 600
) -> None:
    """Hits that sell nothing."""
    shared = world.address()
    for _ in range(count):
        visitor, moment = world.new("v"), world.moment()
        address = shared if one_address else world.address()
        click(world, name, visitor, address, world.new("dev"), moment, Sale(name))
        if lands:
            browse(world, visitor, moment + timedelta(seconds=30), address)


def _sales(world: World, name: str, odd: int, change: Callable[[Sale], None], kind: str) -> None:
    partner(world, name, kind)
    for number in range(SALES):
        sale = Sale(name, kind=kind)
        if number < odd:
            change(sale)
        sell(world, sale)


def _set(**values: object) -> Callable[[Sale], None]:
    def change(sale: Sale) -> None:
        for name, value in values.items():
            setattr(sale, name, value)

    return change


HIJACK = {"referer": False, "browsed_before": True, "to_signup_s": 3}
FRAUDS = {
    "F-HIJACK-1": "last-click-hijack",
    "F-FLOOD-1": "click-flooding",
    "F-STUFF-1": "cookie-stuffing",
    "F-SELF-1": "self-referral",
    "F-FAKE-1": "fake-signups",
    "F-BACK-1": "payment-fraud",
    "F-CODE-1": "coupon-abuse",
    "F-RING-1": "ring",
}
"""Partners that cheat, with how."""
DECOYS = (
    "D-CHECKOUT-1",
    "D-VIRAL-1",
    "D-MONITOR-1",
    "D-WIDGET-1",
    "D-FAMILY-1",
    "D-COMPANY-1",
    "D-UNHAPPY-1",
    "D-READERS-1",
    "D-AGENCY-1",
    "H-0",
    "H-1",
)
"""Partners that look odd, or are plain honest."""


def world_of(seed: int = 7) -> World:
    """The whole programme."""
    world = World(random.Random(seed))
    for number in range(8):
        _sales(world, f"H-{number}", 0, _set(), "review")
    _sales(world, "F-HIJACK-1", 16, _set(**HIJACK), "review")
    _sales(world, "D-CHECKOUT-1", 16, _set(**HIJACK, how="coupon"), "coupon")
    _sales(
        world, "F-STUFF-1", 20, _set(dest="iframe", goes_on=False, to_signup_s=200_000), "review"
    )
    _sales(world, "D-WIDGET-1", 20, _set(dest="iframe"), "review")
    _sales(world, "D-COMPANY-1", 14, _set(used=False), "review")
    _sales(world, "F-BACK-1", 12, _set(status="chargeback", used=False), "review")
    _sales(world, "D-UNHAPPY-1", 12, _set(status="refunded"), "review")
    _sales(world, "F-CODE-1", 16, _set(clicked=False, how="coupon"), "review")
    _sales(world, "D-READERS-1", 16, _set(clicked=False, how="coupon", came_before=True), "review")
    for name, one, lands in (
        ("F-FLOOD-1", False, False),
        ("D-VIRAL-1", False, True),
        ("D-MONITOR-1", True, False),
    ):
        _sales(world, name, 0, _set(), "review")
        many_clicks(world, name, one_address=one, lands=lands)
    _own_purchases(world)
    return world


def small_world(seed: int) -> World:
    """A programme with one partner who cheats, one who only looks so, and a few others."""
    world = World(random.Random(seed))
    for number in range(4):
        _sales(world, f"H-{number}", 0, _set(), "review")
        many_clicks(world, f"H-{number}", one_address=False, lands=True, count=40)
    _sales(world, "F-HIJACK-1", 16, _set(**HIJACK), "review")
    _sales(world, "D-CHECKOUT-1", 16, _set(**HIJACK, how="coupon"), "coupon")
    return world


def _own_purchases(world: World) -> None:
    """Partners whose buyers share something with their own, or each other's, logins."""
    device, _, card = partner(world, "F-SELF-1")
    _, home, _ = partner(world, "D-FAMILY-1")
    other, _, _ = partner(world, "F-RING-2")
    partner(world, "F-RING-1")
    office = world.new("dev")
    partner(world, "D-AGENCY-1", device=office)
    partner(world, "D-AGENCY-2", device=office)
    few = [world.new("dev") for _ in range(4)]
    partner(world, "F-FAKE-1")
    for number in range(SALES):
        odd = number < 6
        sell(world, Sale("F-SELF-1", device=device if odd else "", card=card if odd else ""))
        sell(world, Sale("D-FAMILY-1", address=home if odd else ""))
        sell(world, Sale("F-RING-1", device=other if odd else ""))
        sell(world, Sale("F-RING-2"))
        sell(world, Sale("D-AGENCY-1"))
        sell(world, Sale("D-AGENCY-2"))
        sell(world, Sale("F-FAKE-1", device=few[number % 4], used=number > 14))
    world.chance.shuffle(world.tables["logins"])


@dataclass(frozen=True)
class Form:
    """How a programme is written down: what kind of files, how times are, whether names say
    anything, and what is added or left out; a second clock of clicks runs `clock_s` ahead."""

    files: str = "csv"
    times: str = "iso"
    named: bool = True
    more: bool = False
    without: tuple[str, ...] = ()
    clock_s: int = 0


FORMS = {
    "as it is": Form(),
    "JSON lines, no names, milliseconds": Form("jsonl", "ms", named=False),
    "SQLite, no names, zoned, more": Form("sqlite", "zoned", named=False, more=True),
    "CSV, no names, more": Form(named=False, more=True),
    "no request log": Form(without=("requests",)),
    "no devices": Form(without=("clicks.device", "signups.device", "logins.device")),
    "clicks in two tables": Form(without=("half of clicks",)),
    "few partners": Form(without=("peers",)),
    "a clock that fits as well": Form(named=False, clock_s=-300),
    "a clock that cannot be": Form(named=False, clock_s=7290),
}
"""Worlds of another form, and of another shape."""


FEW = ("H-0", "H-1", "F-HIJACK-1", "D-CHECKOUT-1")
"""Who is left of a programme of few partners."""


def shaped(world: World, form: Form) -> World:
    """The programme as it is written down."""
    tables = {name: [dict(row) for row in rows] for name, rows in world.tables.items()}
    for rows in tables.values():
        rows.sort(key=lambda row: str(row.get("at", "")))
    for left_out in form.without:
        _leave_out(tables, left_out)
    if form.more:
        _add_more(tables, world.chance)
    for row in tables["clicks"] if form.clock_s else ():
        moment = datetime.fromisoformat(str(row["at"])) + timedelta(seconds=form.clock_s)
        row["other"] = stamp(moment)
    for rows in tables.values():
        for row in rows:
            row.update({name: _other_time(cell, form.times) for name, cell in row.items()})
    if not form.named:
        tables = _without_names(tables, world.chance)
    return World(world.chance, tables)


def _leave_out(tables: dict[str, list[Row]], what: str) -> None:
    table, _, column = what.partition(".")
    if what == "half of clicks":
        tables["older"] = [row for row in tables["clicks"] if str(row["at"]) < "2026-05-16"]
        tables["clicks"] = [row for row in tables["clicks"] if str(row["at"]) >= "2026-05-16"]
    elif what == "peers":
        for rows in tables.values():
            rows[:] = [row for row in rows if row.get("partner", "H-0") in FEW]
    elif column:
        for row in tables[table]:
            del row[column]
    else:
        del tables[table]


def _add_more(tables: dict[str, list[Row]], chance: random.Random) -> None:
    """Tables and columns that mean nothing here."""
    for row in tables["sales"]:
        row["batch"] = f"b{chance.randrange(9)}"
        row["rate"] = round(chance.uniform(0.8, 1.2), 3)
    for row in tables["signups"]:
        row["mail"] = f"{chance.getrandbits(40):010x}"
        row["lang"] = chance.choice(["de", "en", "fr"])
    for row in tables["clicks"]:
        row["spot"] = chance.choice(["top", "side", "foot"])
    tables["weather"] = [
        {"day": f"2026-05-{day:02}", "town": town, "rain": chance.randrange(40)}
        for day in range(1, 31)
        for town in ("north", "south")
    ]
    tables["tickets"] = [
        {"ticket": f"t_{n:05}", "at": stamp(START + timedelta(hours=n)), "user": row["user"]}
        for n, row in enumerate(tables["signups"][::7])
    ]


def _other_time(cell: object, times: str) -> object:
    text = str(cell)
    if times == "iso" or len(text) != 20 or not text.endswith("Z"):
        return cell
    moment = datetime.fromisoformat(text)
    if times == "ms":
        return int(moment.timestamp() * 1000)
    return moment.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()


def _without_names(tables: Mapping[str, list[Row]], chance: random.Random) -> dict[str, list[Row]]:
    """Every table and column under a name that says nothing, in another order."""
    names: dict[str, str] = {}
    other: dict[str, list[Row]] = {}
    for number, table in enumerate(chance.sample(sorted(tables), len(tables))):
        columns = chance.sample(list(tables[table][0]), len(tables[table][0]))
        renamed = [(names.setdefault(f"{table}.{c}", f"k{len(names)}"), c) for c in columns]
        other[f"part{number}"] = [{new: row[old] for new, old in renamed} for row in tables[table]]
    return other


def write(world: World, folder: Path, files: str = "csv") -> None:
    """One file per table, or two databases."""
    folder.mkdir(parents=True)
    if files == "sqlite":
        names = list(world.tables)
        for part in (0, 1):
            tables = {name: world.tables[name] for name in names[part::2]}
            _database(World(world.chance, tables), folder / f"part{part}.bin")
        return
    for name, rows in world.tables.items():
        rows.sort(key=lambda row: str(row.get("at", "")))
        with (folder / f"{name}.{files}").open("w", newline="", encoding="utf-8") as file:
            if files == "jsonl":
                lines = ({k: cell for k, cell in row.items() if cell != ""} for row in rows)
                file.writelines(f"{json.dumps(line)}\n" for line in lines)
                continue
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def _database(world: World, file: Path) -> None:
    with closing(sqlite3.connect(file)) as base:
        for name, rows in world.tables.items():
            columns = ", ".join(f'"{column}"' for column in rows[0])
            base.execute(f'CREATE TABLE "{name}" ({columns})')
            marks = ", ".join("?" * len(rows[0]))
            cells = [[None if cell == "" else cell for cell in row.values()] for row in rows]
            base.executemany(f'INSERT INTO "{name}" VALUES ({marks})', cells)
        base.commit()


def taken_in(tables: Mapping[str, list[Row]], subject: str) -> Intake:
    """What an intake finds in the tables, as far as roles depend on it."""
    exhibits = []
    for number, (name, rows) in enumerate(tables.items(), start=1):
        columns = tuple(_column(column, rows) for column in rows[0])
        table = Table(name=name, rows=len(rows), columns=columns)
        exhibits.append(
            Examined(
                id=f"E{number:03}",
                path=name,
                kind="delimited text",
                size=1,
                sha256=str(number),
                whole=True,
                tables=(table,),
            )
        )
    places = [
        Place(table=name, column=column, rows=1)
        for name, rows in tables.items()
        for column in rows[0]
        if any(row[column] == subject for row in rows)
    ]
    return Intake(exhibits=tuple(exhibits), links=tuple(_links(tables)), subject=tuple(places))


def _column(name: str, rows: list[Row]) -> Column:
    seen = Seen(name)
    cells = [str(row[name]) for row in rows if str(row[name])]
    for row in rows:
        seen.add(str(row[name]) or None)
    found = typed(seen, "UTC", "test")
    return Column(
        name=name,
        type=found.type,
        looks=found.looks,
        utc=f"{name}_utc" if found.clock else "",
        missing=len(rows) - len(cells),
        distinct=len(set(cells)),
        top=tuple(sorted(Counter(cells).items(), key=lambda item: (-item[1], item[0]))[:5]),
    )


def _links(tables: Mapping[str, list[Row]]) -> Iterator[Link]:
    values = {
        (name, column): {str(row[column]) for row in rows if len(str(row[column])) > 3}
        for name, rows in tables.items()
        for column in rows[0]
    }
    for (one, a), (other, b) in itertools.combinations(values, 2):
        mine, yours = values[one, a], values[other, b]
        shared = len(mine & yours)
        if one != other and shared >= max(2, 0.3 * min(len(mine), len(yours))):
            yield Link(
                shared=shared,
                from_distinct=len(mine),
                to_distinct=len(yours),
                tables=(one, other),
                columns=(a, b),
            )
