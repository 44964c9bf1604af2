"""The figures of the procurement question: which were found, which are missing, what to compute.

The program is what the scripted Coder writes. Its figures are the texts that were reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pprint import pformat
from string import Template

from tasks.demo.reading import Record, column, records, sentences

NEEDED: Mapping[str, str] = {
    "price": "the prices of part {part}",
    "status": "which suppliers are approved",
    "discount": "the quantity discounts",
    "stock": "the stock of part {part}",
    "shipping": "the shipping rates",
}
"""A table is known by the word in one of its column names."""
WAIVED = re.compile(r"waived\D*?(\d[\d,.]*\d)", re.IGNORECASE)
PLAIN = 'Decimal(text.rstrip(" %"))'
TOLERANT = r'Decimal(re.search(r"\d[\d,]*(?:\.\d+)?", text)[0].replace(",", ""))'
PROGRAM = Template('''\
"""Compare the suppliers of part $part for $units units, delivered, in EUR."""
import math
import re
from decimal import ROUND_HALF_UP, Decimal

UNITS = "$units"
OFFERS = $offers
STATUS = $status
DISCOUNTS = $discounts
STOCK = $stock
SHIPPING = $shipping
WAIVED_FROM = $waived


def number(text):
    return $reading


def cents(amount):
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


totals = {}
for supplier, pack, price, least in OFFERS:
    status = STATUS.get(supplier, "not on the list")
    if status.lower() != "approved":
        print(f"{supplier}: left out, status {status}")
        continue
    packs = math.ceil(max(number(UNITS), number(least)) / number(pack))
    units = packs * number(pack)
    stock = number(STOCK[supplier])
    if stock < units:
        print(f"{supplier}: left out, only {stock} of {units} in stock")
        continue
    goods = cents(units * number(price))
    steps = [(number(start), number(rate)) for name, start, rate in DISCOUNTS if name == supplier]
    rate = max([step for step in steps if step[0] <= units], default=(0, Decimal(0)))[1]
    discount = cents(goods * rate / 100)
    waived = WAIVED_FROM is not None and goods - discount >= number(WAIVED_FROM)
    shipping = Decimal("0.00") if waived else cents(number(SHIPPING[supplier]))
    total = goods - discount + shipping
    totals[supplier] = min(total, totals.get(supplier, total))
    print(
        f"{supplier}: {packs} packs of {pack} = {units} units, goods {goods:,}, "
        f"discount {rate} % = {discount:,}, shipping {shipping:,}, total {total:,}"
    )
for supplier, total in totals.items():
    if total == min(totals.values()):
        print(f"cheapest: {supplier}, total EUR {total:,}")
if not totals:
    print("cheapest: nobody, no approved supplier can deliver")
''')


@dataclass(frozen=True, slots=True)
class Figures:
    """The rows that were reported, by the word that their table is known by."""

    part: str
    tables: Mapping[str, tuple[Record, ...]]
    waived_from: str | None

    @property
    def lacking(self) -> tuple[str, ...]:
        """The words of the tables that nobody found."""
        return tuple(word for word in NEEDED if not self.tables[word])

    @property
    def missing(self) -> tuple[str, ...]:
        """What cannot be computed without: whole tables, then rows of approved suppliers."""
        gaps = [NEEDED[word].format(part=self.part) for word in self.lacking]
        for word in ("stock", "shipping"):
            known = {supplier(row) for row in self.tables[word]}
            gaps += [
                f"{NEEDED[word].format(part=self.part)} at {name}"
                for name in self._usable
                if known and name not in known
            ]
        return tuple(gaps)

    @property
    def _usable(self) -> tuple[str, ...]:
        approved = {
            supplier(row)
            for row in self.tables["status"]
            if (column(row, "status") or "").lower() == "approved"
        }
        sellers = dict.fromkeys(supplier(row) for row in self.tables["price"])
        return tuple(name for name in sellers if name in approved)

    def program(self, units: str, *, tolerant: bool) -> str:
        """A Python program over these figures; `tolerant` also reads 1,200 as a number."""
        offers = [
            (
                supplier(row),
                column(row, "pack") or "1",
                column(row, "price") or "",
                column(row, "minimum") or "0",
            )
            for row in self.tables["price"]
        ]
        steps = [
            (supplier(row), column(row, "from") or "0", column(row, "discount") or "0")
            for row in self.tables["discount"]
        ]
        return PROGRAM.substitute(
            part=self.part,
            units=units,
            offers=_literal(offers),
            status=_literal(self._by_supplier("status")),
            discounts=_literal(steps),
            stock=_literal(self._by_supplier("stock")),
            shipping=_literal(self._by_supplier("shipping")),
            waived=_literal(self.waived_from),
            reading=TOLERANT if tolerant else PLAIN,
        )

    def _by_supplier(self, word: str) -> dict[str, str]:
        return {supplier(row): column(row, word) or "" for row in self.tables[word]}


def gather(texts: Iterable[str], part: str) -> Figures:
    """The figures in reports, each row once. Later reports do not replace earlier rows."""
    text = "\n\n".join(texts)
    tables: dict[str, dict[tuple[str, ...], Record]] = {word: {} for word in NEEDED}
    for row in records(text):
        word = next((word for word in NEEDED if column(row, word) is not None), None)
        if word is not None:
            tables[word].setdefault(tuple(row.values()), row)
    waived = [WAIVED.search(line) for line in sentences(text, "waived")]
    return Figures(
        part=part,
        tables={word: tuple(rows.values()) for word, rows in tables.items()},
        waived_from=next((match[1] for match in waived if match), None),
    )


def supplier(row: Record) -> str:
    """Whom a row is about."""
    return column(row, "supplier") or ""


def _literal(value: object) -> str:
    return pformat(value, width=96, sort_dicts=False)
