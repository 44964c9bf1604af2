"""Whether a figure is in the unit that was measured, and whether nothing was really found. Pure.

Words of a unit are looked for in what the query measured and in the columns that it read, in the
lines cited, and in stated formulas: 70 % needs `70 = 100 * 35 / 50`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import combinations

from tasks.forensics.atoms import NUMBER_WORDS
from tasks.forensics.claims import Query, Result

UNIT = (
    r"(?P<millisecond>milliseconds?|ms)|(?P<second>seconds?|secs?|s)|(?P<minute>minutes?|mins?)"
    r"|(?P<hour>hours?|hrs?|h)|(?P<day>days?)|(?P<week>weeks?)|(?P<month>months?)"
    r"|(?P<year>years?)|(?P<percent>%|percent|per\s?cent)"
    r"|(?P<eur>EUR|euros?|\u20ac)|(?P<usd>USD|(?:US )?dollars?|\$)|(?P<gbp>GBP|pounds?|\u00a3)"
)
WORDS = "|".join(NUMBER_WORDS)
MEASURED = re.compile(
    rf"(?<![\w.,])(?P<figure>[+-]?\d[\d,]*(?:\.\d+)?|{WORDS})[\s-]*(?:{UNIT})(?!\w)", re.IGNORECASE
)
BEFORE = re.compile(
    r"(?P<eur>\u20ac|EUR)\s?(?P<figure>\d[\d,.]*\d|\d)"
    r"|(?P<usd>\$|USD)\s?(?P<figure2>\d[\d,.]*\d|\d)"
)
TIMES = ("millisecond", "second", "minute", "hour", "day", "week", "month", "year")
NONE = re.compile(
    r"\b(none|nobody|nothing|neither|nor|all|every|each|only|always|solely|exclusively|entirely"
    r"|wholly|invariably|nowhere|exceptions?|both|any)\b",
    re.IGNORECASE,
)
DENIED = re.compile(r"\b(no|not|never|without|absent|lacks?|zero)\b|n['\u2019]t\b", re.IGNORECASE)
CLAUSE = re.compile(r"[;,]| and | but | while | whereas ")
FIGURE = re.compile(rf"(?<![\w.,:-])(\d[\d,]*(?:\.\d+)?)(?![\w:-]|\.\d)|\b({WORDS})\b")


def unmeasured(text: str, results: Sequence[Result], formulas: Sequence[str]) -> str:
    """A unit that nothing says was measured, or ""."""
    computed = {formula.partition("=")[0].strip(): formula for formula in formulas}
    for figure, unit, said in measured_in(text):
        if not _is_measured(unit, said, results, computed.get(figure, "")):
            return f"{said!r}: what it cites is not in that unit"
    return ""


def measured_in(text: str) -> Iterator[tuple[str, str, str]]:
    """Every figure with a unit: the figure, the unit by its name, and both as they stand there."""
    for match in (*MEASURED.finditer(text), *BEFORE.finditer(text)):
        groups = match.groupdict()
        figure = groups.pop("figure") or groups.pop("figure2", "")
        unit = next(name for name, found in groups.items() if found and name != "figure2")
        yield str(figure), unit, match[0]


def _is_measured(unit: str, said: str, results: Sequence[Result], formula: str) -> bool:
    if formula:
        return unit != "percent" or "100" in formula
    lines = [r for r in results if not isinstance(r.citation, Query)]
    if any(said in str(row[-1]) for result in lines for row in result.rows):
        return True
    queries = [result for result in results if result not in lines]
    if unit == "percent":
        return any("100" in result.units for result in queries)
    if unit in TIMES:
        return any(unit in word.lower() for result in queries for word in result.units)
    cells = {str(cell).lower() for r in queries for row in r.rows for cell in row}
    words = {word.lower() for r in queries for word in (*r.asked, *r.units)}
    return unit in cells | words or any(unit in word for word in words)


def bounds_in(text: str, results: Sequence[Result]) -> frozenset[str]:
    """Figures that are a limit in time of the query, in the unit that it was asked in."""
    limits = [(set(result.narrowed) | set(result.asked), result) for result in results]
    return frozenset(
        figure
        for figure, unit, said in measured_in(text)
        for constants, result in limits
        if figure in constants and unit in TIMES and _is_measured(unit, said, [result], "")
    )


def unshown(text: str, whole: Sequence[Result]) -> str:
    """Why what was found does not show that something is absent, or that all are so, or ""."""
    if not NONE.search(text) and all(_is_counted(c, whole) for c in CLAUSE.split(text)):
        return ""
    shown = [result for result in whole if _found_nothing(text, result)]
    if not shown:
        return "absence, or all, needs a result of nothing, or of all, and every figure beside it"
    unsaid = sorted(
        {part for r in shown for part in (*r.asked, *r.narrowed) if not _is_said(part, text)}
    )
    return f"it was asked of {unsaid[0]!r} only, which the sentence does not say" if unsaid else ""


def _is_counted(clause: str, whole: Sequence[Result]) -> bool:
    """Nothing is denied in it but of those that it counts first: `16 sales name no click`."""
    denied = DENIED.search(clause)
    if denied is None:
        return True
    cells = {str(cell) for result in whole for row in result.rows for cell in row}
    before = [
        match[1] or NUMBER_WORDS[match[2]] for match in FIGURE.finditer(clause[: denied.start()])
    ]
    return any(figure.replace(",", "") in cells and figure != "0" for figure in before)


def _found_nothing(text: str, result: Result) -> bool:
    if not result.rows:
        return True
    if len(result.rows) != 1:
        return False
    numbers = [cell for cell in result.rows[0] if isinstance(cell, (int, float))]
    said = {Decimal((m[1] or NUMBER_WORDS[m[2]]).replace(",", "")) for m in FIGURE.finditer(text)}
    others = [number for number in numbers if number and Decimal(str(number)) not in said]
    same = any(one == other for one, other in combinations([n for n in numbers if n], 2))
    return not others and (0 in numbers or same)


def _is_said(constant: str, text: str) -> bool:
    """Whether the sentence names what the query asks of."""
    bare = constant.strip("%_").strip()
    if not bare or bare in ("0", "1"):
        return True
    return bare.lower() in text.lower() or (
        re.match(r"\d{4}-\d\d-\d\d", bare) is not None and bare[:10] in text
    )
