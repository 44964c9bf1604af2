"""Computes the demo's answer from its material, in its own way: cents, no shared code.

Reads the workbook with openpyxl, the PDF's text commands, and the pages' table cells.
"""

from __future__ import annotations

import html
import re
from fractions import Fraction
from pathlib import Path

import openpyxl

CELL = re.compile(r"<td>(.*?)</td>")


def cheapest(folder: Path, part: str = "HX-4420", units: int = 240) -> tuple[str, str] | None:
    """The supplier and the total such as "1,486.50"; None when nobody qualifies."""
    approved, steps, waived = _terms(folder / "terms.pdf")
    stock = _table(folder / "site" / "parts" / f"{part.lower()}.html")
    shipping = _table(folder / "site" / "shipping.html")
    offers = []
    for name, pack, price, least in _prices(folder / "catalogue.xlsx", part):
        packs = -(-max(units, least) // pack)
        count = packs * pack
        if name not in approved or int(stock[name].replace(",", "")) < count:
            continue
        goods = _round(count * price)
        reached = [rate for who, start, rate in steps if who == name and start <= count]
        goods -= _round(goods * max(reached, default=Fraction(0)) / 100)
        free = waived is not None and goods >= waived
        offers.append((goods + (0 if free else _cents(shipping[name])), name))
    if not offers:
        return None
    total, name = min(offers)
    return name, f"{total // 100:,}.{total % 100:02}"


def _prices(path: Path, part: str) -> list[tuple[str, int, Fraction, int]]:
    sheet = openpyxl.load_workbook(path).active
    assert sheet is not None
    found = []
    for row in sheet.iter_rows(min_row=4, values_only=True):
        number, _, name, pack, price, least = row[:6]
        if number == part:
            found.append((str(name), int(str(pack)), Fraction(str(price)) * 100, int(str(least))))
    return found


def _terms(path: Path) -> tuple[set[str], list[tuple[str, int, Fraction]], int | None]:
    text = path.read_bytes().decode("cp1252")
    said = [re.sub(r"\\(.)", r"\1", words) for words in re.findall(r"Td \((.*)\) Tj", text)]
    approved = {said[n - 1] for n, words in enumerate(said) if words == "approved"}
    steps = [
        (said[n - 2], int(said[n - 1]), Fraction(words.removesuffix(" %")))
        for n, words in enumerate(said)
        if words.endswith(" %")
    ]
    waived = next((re.search(r"EUR ([\d,.]*\d)", w) for w in said if "waived" in w), None)
    return approved, steps, _cents(waived[1]) if waived else None


def _table(path: Path) -> dict[str, str]:
    rows = path.read_text(encoding="utf-8").split("<tr>")
    cells = [[html.unescape(cell) for cell in CELL.findall(row)] for row in rows]
    return {row[0]: row[1] for row in cells if row}


def _cents(text: str) -> int:
    return int(Fraction(text.replace(",", "")) * 100)


def _round(amount: Fraction | int) -> int:
    return int(amount + Fraction(1, 2))
