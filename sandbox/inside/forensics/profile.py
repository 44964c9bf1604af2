"""What a case's tables hold, and how they hang together: counts, extremes, links, clocks.

Asks our own Parquet in SQL of our own. Column names only ever come out of the tables themselves.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

TOP = 5
SHOWN = 120
LINKED = ("id", "ip", "mail", "domain", "url", "category", "text")
MAX_VALUES = 200_000
MEASURES = 6
HELD_CELLS = 2_000_000
AT_ONCE_CELLS = 4_000_000
"""So many values at most are told apart in one query: it has to fit into memory."""
MIN_SHARED, MIN_SHARE = 2, 0.3
STEP_S, SLACK_S, MAX_SKEW_S = 900, 2, 15 * 3600
SPACE = r"(?:\s|%20|\+|_)+"
ORDERS = re.compile(
    rf"(ignore|disregard|forget){SPACE}((all|any|the|your|these){SPACE})*(previous|prior|above|earlier)"
    rf"|you{SPACE}are{SPACE}now\s|system{SPACE}?prompt|as{SPACE}an{SPACE}ai\b|\bassistant\s*:"
    r"|<\|im_start"
    r"|(mark|report|classify|treat|conclude)\b.{0,60}\b(legitimate|innocent|not\s+fraud|clean|guilty)"
    rf"|(call|use|run){SPACE}the{SPACE}\w+{SPACE}tool",
    re.IGNORECASE,
)
"""What text in evidence looks like when it speaks to whoever reads it."""
ORDERS_IN = re.compile(ORDERS.pattern, re.IGNORECASE | re.DOTALL)
UNPRINTED = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
"""Characters without a shape, with which words are kept from being found."""
NAMED = 20


def hold(base: Any, table: dict[str, Any]) -> None:
    """Keep a small table in memory while it is compared: each look at a file takes longer."""
    if table["rows"] * len(table["columns"]) <= HELD_CELLS:
        base.execute(f"CREATE TEMP TABLE {table['name']} AS SELECT * FROM {table['name']}")  # noqa: S608 - our name


def describe(base: Any, table: dict[str, Any]) -> None:
    """Add counts and extremes to each column of a table."""
    name, columns = table["name"], table["columns"]
    at_once = max(1, AT_ONCE_CELLS // max(1, table["rows"]))
    for start in range(0, len(columns), at_once):
        some = columns[start : start + at_once]
        measures = ", ".join(_measures(some, table["rows"]))
        row = base.execute(f"SELECT {measures} FROM {name}").fetchone()  # noqa: S608 - quoted
        for place, column in enumerate(some):
            _tell(column, row[place * MEASURES : (place + 1) * MEASURES])
    for column in columns:
        found = _top(base, name, quote(column["name"]))
        column["top"] = [[_short(value), count] for value, count in found]


def _measures(columns: list[dict[str, Any]], rows: int) -> Iterator[str]:
    """What is asked of each column, six values each."""
    count = "approx_count_distinct" if rows > 2_000_000 else "count"
    for column in columns:
        one = quote(column["name"])
        distinct = one if count.startswith("approx") else f"DISTINCT {one}"
        utc = quote(column["utc"]) if column["utc"] else "NULL"
        yield f"count(*) - count({one}), {count}({distinct}), min({one}), max({one})"
        yield f"min({utc}), max({utc})"


def _tell(column: dict[str, Any], found: Sequence[Any]) -> None:
    column["missing"], column["distinct"] = found[0], found[1]
    column["min"], column["max"] = _short(found[2]), _short(found[3])
    if column["utc"]:
        column["first"], column["last"] = _moment(found[4]), _moment(found[5])


def _top(base: Any, name: str, quoted: str) -> list[tuple[Any, int]]:
    found = base.execute(
        f"SELECT {quoted}, count(*) AS n FROM {name} WHERE {quoted} IS NOT NULL GROUP BY 1 "  # noqa: S608 - quoted
        f"ORDER BY n DESC, 1 LIMIT {TOP}"
    ).fetchall()
    return [(value, count) for value, count in found]


def _moment(value: Any) -> str | None:
    return None if value is None else value.isoformat(timespec="milliseconds") + "Z"


def links(base: Any, tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pairs of columns of different tables that share values: how rows can be joined."""
    columns = [(table["name"], column) for table in tables for column in table["columns"]]
    wanted = [(name, c) for name, c in columns if c["looks"] in LINKED and _joins(c)]
    if len({name for name, _ in wanted}) < 2:
        return []
    parts = [
        f"SELECT DISTINCT {quote(column['name'])} AS v, {number} AS c FROM {name} "  # noqa: S608 - quoted
        f"WHERE {quote(column['name'])} IS NOT NULL AND length({quote(column['name'])}) > 3"
        for number, (name, column) in enumerate(wanted)
    ]
    base.execute(f"CREATE TEMP TABLE link_values AS {' UNION ALL '.join(parts)}")
    found = base.execute(
        "SELECT a.c, b.c, count(*) FROM link_values a JOIN link_values b "
        "ON a.v = b.v AND a.c < b.c GROUP BY ALL HAVING count(*) >= ?",
        [MIN_SHARED],
    ).fetchall()
    base.execute("DROP TABLE link_values")
    pairs = [_link(wanted[one], wanted[other], shared) for one, other, shared in found]
    kept = [pair for pair in pairs if pair is not None]
    return sorted(kept, key=lambda pair: (-pair["shared"], pair["tables"], pair["columns"]))[:200]


def _joins(column: dict[str, Any]) -> bool:
    short = column["looks"] not in ("text",) or len(str(column["max"] or "")) <= 64
    return 2 <= column["distinct"] <= MAX_VALUES and short and column["type"] == "VARCHAR"


def _link(
    one: tuple[str, dict[str, Any]], other: tuple[str, dict[str, Any]], shared: int
) -> dict[str, Any] | None:
    if one[0] == other[0]:
        return None
    fewest = min(one[1]["distinct"], other[1]["distinct"])
    if shared < MIN_SHARE * fewest:
        return None
    return {
        "shared": shared,
        "from_distinct": one[1]["distinct"],
        "to_distinct": other[1]["distinct"],
        "tables": [one[0], other[0]],
        "columns": [one[1]["name"], other[1]["name"]],
    }


def skews(
    base: Any, tables: list[dict[str, Any]], linked: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Clocks that differ by a steady number of quarter hours, seen in rows that share an id."""
    clocks = {table["name"]: _clocks(table) for table in tables}
    seen: set[tuple[str, str]] = set()
    for link in linked:
        for one in clocks[link["tables"][0]]:
            for other in clocks[link["tables"][1]]:
                places = (f"{link['tables'][0]}.{one}", f"{link['tables'][1]}.{other}")
                if places in seen:
                    continue
                found = _skew(base, link, one, other)
                if found:
                    seen.add(places)
                    yield {"of": places[0], "against": places[1], **found}


def _clocks(table: dict[str, Any]) -> list[str]:
    return [c["utc"] for c in table["columns"] if c["utc"] and c["looks"] == "time"]


def _skew(base: Any, link: dict[str, Any], one: str, other: str) -> dict[str, Any] | None:
    """Ids that occur once on each side give a difference each; most have to agree."""
    sides = [
        f"SELECT {quote(column)} AS k, min({quote(clock)}) AS t FROM {table} "  # noqa: S608 - quoted
        f"WHERE {quote(clock)} IS NOT NULL GROUP BY 1 HAVING count(*) = 1"
        for table, column, clock in zip(link["tables"], link["columns"], (one, other), strict=True)
    ]
    rows = base.execute(
        f"SELECT date_diff('second', b.t, a.t) FROM ({sides[0]}) a JOIN ({sides[1]}) b USING (k) "  # noqa: S608 - quoted
        "LIMIT 20000"
    ).fetchall()
    apart = [seconds for (seconds,) in rows if seconds is not None and abs(seconds) <= MAX_SKEW_S]
    if len(apart) < 5:
        return None
    middle = sorted(apart)[len(apart) // 2]
    shift = round(middle / STEP_S) * STEP_S
    near = sum(abs(seconds - shift) <= SLACK_S for seconds in apart)
    if not shift or near < 0.8 * len(rows):
        return None
    return {"seconds": shift, "pairs": near, "of_pairs": len(rows)}


def subject_places(base: Any, tables: list[dict[str, Any]], subject: str) -> list[dict[str, Any]]:
    """The columns that hold the subject of the case as a whole cell, with how often."""
    found = []
    for table, quoted, column in _texts(tables):
        (count,) = base.execute(
            f"SELECT count(*) FROM {table['name']} WHERE {quoted} = ?",  # noqa: S608 - quoted
            [subject],
        ).fetchone()
        if count:
            found.append({"table": table["name"], "column": column["name"], "rows": count})
    return found


def orders(base: Any, tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cells that read like orders to whoever examines them."""
    found: list[dict[str, Any]] = []
    for table, quoted, column in _texts(tables):
        rows = base.execute(
            f"SELECT _line, {quoted} FROM {table['name']} "  # noqa: S608 - quoted
            f"WHERE regexp_matches({quoted}, ?, 'i') ORDER BY _line LIMIT 20",
            [ORDERS.pattern],
        ).fetchall()
        found += [
            {"table": table["name"], "column": column["name"], "line": line, "text": _short(text)}
            for line, text in rows
        ]
    return found[:50]


def named_in(base: Any, tables: list[dict[str, Any]], subject: str) -> list[dict[str, Any]]:
    """The documents that name the subject, with the lines; part of a longer name is none."""
    form = re.compile(rf"(?<!\w){re.escape(subject)}(?![\w-])")
    found = []
    for table in tables:
        lines = [line for line, _, text, _ in _lines(base, table) if form.search(text)]
        if lines:
            found.append({"table": table["name"], "count": len(lines), "lines": lines[:NAMED]})
    return found


def orders_in(base: Any, tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines of documents at which an order to the reader begins; it may run over several."""
    found: list[dict[str, Any]] = []
    for table in tables:
        lines = _lines(base, table)
        said = [UNPRINTED.sub("", text) for _, _, text, _ in lines]
        begins = list(itertools.accumulate((len(text) + 1 for text in said), initial=0))
        matches = itertools.islice(ORDERS_IN.finditer("\n".join(said)), 100)
        spans = {_rows_of(match, begins): None for match in matches}
        for first, last in list(spans)[:20]:
            line, place, _, hidden = lines[first]
            text = _short(" ".join(" ".join(said[first : last + 1]).split()))
            order = {"table": table["name"], "column": "text", "line": line, "text": text}
            found.append(order | {"place": place, "hidden": hidden or ""})
    return found[:50]


def _rows_of(match: re.Match[str], begins: list[int]) -> tuple[int, int]:
    """The rows that a match begins and ends in."""
    first, last = (bisect.bisect_right(begins, at) - 1 for at in (match.start(), match.end() - 1))
    return first, last


def _lines(base: Any, table: dict[str, Any]) -> list[tuple[int, str, str, str | None]]:
    asked = f"SELECT _line, place, text, hidden FROM {table['name']} ORDER BY _line"  # noqa: S608 - our name
    return [
        (line, place, text, hidden) for line, place, text, hidden in base.execute(asked).fetchall()
    ]


def _texts(tables: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str, dict[str, Any]]]:
    for table in tables:
        for column in table["columns"]:
            if column["type"] == "VARCHAR":
                yield table, quote(column["name"]), column


def quote(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def _short(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    text = str(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
