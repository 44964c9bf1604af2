"""A programme of partners as evidence: honest ones, one for each way to cheat, and others that look
the same and are innocent. Made from a seed; nobody real is in it."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

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


def many_clicks(world: World, name: str, *, one_address: bool, lands: bool) -> None:
    """Hundreds of hits that sell nothing."""
    shared = world.address()
    for _ in range(600):
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


def write(world: World, folder: Path) -> None:
    """One CSV per table."""
    folder.mkdir(parents=True)
    for name, rows in world.tables.items():
        rows.sort(key=lambda row: str(row.get("at", "")))
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
