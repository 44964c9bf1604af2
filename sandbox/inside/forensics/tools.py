"""Answers an examiner's questions about a case that was taken in: rows, lines, look-ups, plots.

Every answer is bounded. Queries and patterns are a model's: they run in a child with limits.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.image.document import Unreadable, library
from sandbox.inside.forensics import database
from sandbox.inside.forensics.content import Flaws, lines_of
from sandbox.inside.forensics.places import INTAKE, PROSE, WORK, place_of, tables_in

QUERY_S, SEARCH_S = 60.0, 15.0
MAX_LINES, MAX_LINE = 200, 2_000
MAX_EDGES = 100_000
BUSY = 10
PLOTS = ("bar", "line", "scatter", "hist")
UA_CHARS = 2_048
SECONDS = {"sql": QUERY_S, "sample": QUERY_S, "grep": SEARCH_S, "lines": SEARCH_S, "geo": QUERY_S}
SECONDS |= {"many": 2 * QUERY_S, "ua": 10.0, "graph": QUERY_S, "plot": QUERY_S}


def answered(request: dict[str, Any]) -> dict[str, Any]:
    """Do what the request names. Raises Unreadable with what is wrong with it."""
    case = Case(
        json.loads(INTAKE.read_text(encoding="ascii")), whole=bool(request.get("whole", False))
    )
    match request["op"]:
        case "sql":
            return case.sql(str(request["query"]))
        case "many":
            return case.many([str(query) for query in request["queries"]])
        case "sample":
            return case.sample(str(request["table"]), str(request["where"]), int(request["n"]))
        case "grep":
            return case.grep(str(request["exhibit"]), str(request["pattern"]), int(request["n"]))
        case "lines":
            return case.lines(str(request["exhibit"]), int(request["first"]), int(request["last"]))
        case "geo":
            return case.geo(str(request["ip"]))
        case "ua":
            return user_agent(str(request["text"]))
        case "graph":
            return case.graph(str(request["query"]))
        case "plot":
            return case.plot(request)
    raise Unreadable(f"{request['op']} is not known")


class Case:
    """A case after its intake. With `whole`, queries may not take values apart."""

    def __init__(self, intake: dict[str, Any], *, whole: bool = False) -> None:
        self._whole = whole
        self._exhibits = {entry["id"]: entry for entry in intake["exhibits"]}
        self._tables = {table["name"]: table for table in tables_in(intake["exhibits"])}

    def sql(self, query: str) -> dict[str, Any]:
        """The canonical result of a query."""
        return database.asked(self._opened(), query, set(self._tables), whole=self._whole)

    def many(self, queries: list[str]) -> dict[str, Any]:
        """The results of several queries; one that cannot be answered says why."""
        base = self._opened()
        results: list[dict[str, Any]] = []
        for query in queries:
            try:
                results.append({"value": database.asked(base, query, set(self._tables))})
            except Unreadable as reason:
                results.append({"refused": str(reason)})
        return {"results": results}

    def sample(self, table: str, where: str, count: int) -> dict[str, Any]:
        """Rows that stand for the others: chosen by a hash of their line, the same every time."""
        if table not in self._tables:
            raise Unreadable(f"there is no table {table!r}; there is: {', '.join(self._tables)}")
        condition = f"WHERE {where}" if where.strip() else ""
        query = (
            f"SELECT * EXCLUDE (_exhibit) FROM {table} {condition} "  # noqa: S608 - checked as a query
            f"ORDER BY hash(_line), _line LIMIT {max(1, min(count, 50))}"
        )
        return self.sql(query)

    def grep(self, exhibit: str, pattern: str, most: int) -> dict[str, Any]:
        """Lines that match, with how many there are in all."""
        try:
            form = re.compile(pattern, re.IGNORECASE)
        except (re.error, RecursionError, OverflowError) as error:
            raise Unreadable(f"the pattern is no regular expression: {error}") from error
        found: list[list[Any]] = []
        count = 0
        for number, *place, line in self._lines(exhibit):
            if form.search(line[:65536]):
                count += 1
                if len(found) < min(most, MAX_LINES):
                    found.append([number, *place, line[:MAX_LINE]])
        return {"lines": found, "count": count}

    def lines(self, exhibit: str, first: int, last: int) -> dict[str, Any]:
        """A range of lines as they stand in the file; those of a document with their place."""
        if not 1 <= first <= last < first + MAX_LINES:
            raise Unreadable(f"name a range of 1 to {MAX_LINES} lines")
        found = []
        for line in self._lines(exhibit):
            if line[0] > last:
                break
            if line[0] >= first:
                found.append(list(line))
        if not found:
            raise Unreadable(f"{exhibit} has no line {first}")
        content = json.dumps(found, ensure_ascii=True).encode("ascii")
        shown = [[*where, line[:MAX_LINE]] for *where, line in found]
        columns = ["line", "text"] if len(found[0]) == 2 else ["line", "place", "text"]
        digest = hashlib.sha256(content).hexdigest()
        return {"columns": columns, "lines": shown, "sha256": digest}

    def geo(self, ip: str) -> dict[str, Any]:
        """What the case's own tables of networks, or a database among its exhibits, say."""
        try:
            address = ipaddress.ip_address(ip.strip())
        except ValueError as error:
            raise Unreadable(f"{ip!r} is no IP address") from error
        found = [hit for table in self._tables.values() for hit in self._networks(table, address)]
        found += [hit for entry in self._exhibits.values() for hit in _mmdb(entry, address)]
        if not found and not any(self._network_columns()):
            raise Unreadable("the case holds no table of networks and no MMDB file")
        return {"ip": str(address), "found": sorted(found, key=lambda hit: -hit["prefix"])}

    def graph(self, query: str) -> dict[str, Any]:
        """Clusters of what a query pairs. What many others share joins nobody: it is listed."""
        result = self.sql(query)
        if len(result["columns"]) < 2:
            raise Unreadable("graph needs a query with two columns, one row per pair")
        graph = library("networkx").Graph()
        rows = self._opened().execute(query).fetchmany(MAX_EDGES)
        graph.add_edges_from((str(r[0]), str(r[1])) for r in rows if r[0] is not None and r[1])
        shared = {name: degree for name, degree in graph.degree() if degree > BUSY}
        graph.remove_nodes_from(shared)
        clusters = [sorted(part) for part in library("networkx").connected_components(graph)]
        clusters = sorted((c for c in clusters if len(c) > 1), key=lambda c: (-len(c), c))
        sizes = Counter(map(len, clusters))
        return {
            "clusters": [cluster[:20] for cluster in clusters[:20]],
            "sizes": sorted(sizes.items()),
            "shared_by_many": sorted(shared.items(), key=lambda item: -item[1])[:20],
        }

    def plot(self, request: dict[str, Any]) -> dict[str, Any]:
        """The rows of a plot, if they can be drawn; the report draws them."""
        result = self.sql(str(request["query"]))
        check_plot(str(request["kind"]), result["columns"], result["rows"])
        return result

    def _opened(self) -> Any:
        places = {name: (WORK / f"{name}.parquet").absolute() for name in self._tables}
        return database.opened(places)

    def _lines(self, exhibit: str) -> Iterator[tuple[Any, ...]]:
        """(line, text), or (line, place, text) of a document."""
        entry = self._exhibits.get(exhibit.upper())
        if entry is None:
            raise Unreadable(f"there is no exhibit {exhibit!r}; there is E001 and on")
        if any(table["unit"] == PROSE for table in entry["tables"]):
            return self._prose(entry["tables"][0]["name"])
        if not entry.get("encoding"):
            raise Unreadable(f"{exhibit} is {entry['kind']}: it has no lines; use sql or sample")
        return lines_of(place_of(exhibit.upper()), entry["encoding"], Flaws())

    def _prose(self, table: str) -> Iterator[tuple[Any, ...]]:
        asked = self._opened().execute(
            "SELECT _line, place || coalesce(' (' || hidden || ')', ''), text "  # noqa: S608 - our name
            f"FROM {table} ORDER BY _line"
        )
        while rows := asked.fetchmany(1_000):
            yield from rows

    def _network_columns(self) -> list[str]:
        return [
            f"{name}.{column['name']}"
            for name, table in self._tables.items()
            for column in table["columns"]
            if column["looks"] == "network"
        ]

    def _networks(self, table: dict[str, Any], address: Any) -> list[dict[str, Any]]:
        column = next((c["name"] for c in table["columns"] if c["looks"] == "network"), None)
        if column is None:
            return []
        asked = self._opened().execute(f"SELECT * FROM {table['name']} ORDER BY _line")  # noqa: S608 - our name
        names = [str(item[0]) for item in asked.description]
        place = names.index(column)
        hits = []
        while rows := asked.fetchmany(10_000):
            for row in rows:
                prefix = _prefix(row[place], address)
                if prefix is not None:
                    cells = {n: database.canonical(v) for n, v in zip(names, row, strict=True)}
                    hits.append({"table": table["name"], "prefix": prefix, "row": cells})
        return hits[:20]


def check_plot(kind: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Raise Unreadable with what keeps rows from being drawn: the first column goes across, the
    second up; of a `hist` the first is spread."""
    if kind not in PLOTS:
        raise Unreadable(f"plots are {', '.join(PLOTS)}, not {kind!r}")
    if not rows or (kind != "hist" and len(columns) < 2):
        raise Unreadable("a plot needs rows, and two columns: across and up")
    height = 0 if kind == "hist" else 1
    if not any(_is_figure(row[height]) for row in rows):
        raise Unreadable(f"the column {columns[height]!r} has to hold numbers")
    if kind in ("line", "scatter") and not any(_goes_across(row[0]) for row in rows):
        raise Unreadable(f"the column {columns[0]!r} has to hold numbers or times")


def _is_figure(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _goes_across(value: Any) -> bool:
    if _is_figure(value):
        return True
    try:
        return isinstance(value, str) and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


def user_agent(text: str) -> dict[str, Any]:
    """What a user agent says it is."""
    found = library("ua_parser").parse(text[:UA_CHARS]).with_defaults()
    browser, system, device = found.user_agent, found.os, found.device
    return {
        "browser": f"{browser.family} {browser.major or ''}".strip(),
        "system": f"{system.family} {system.major or ''}".strip(),
        "device": device.family,
        "note": "what a client says of itself; anybody can say anything",
    }


def _prefix(network: Any, address: Any) -> int | None:
    try:
        found = ipaddress.ip_network(str(network), strict=False)
    except ValueError:
        return None
    return found.prefixlen if address in found else None


def _mmdb(entry: dict[str, Any], address: Any) -> list[dict[str, Any]]:
    path = place_of(entry["id"])
    if entry["kind"] != "binary" or entry["size"] < 64 or not _is_mmdb(path, entry["size"]):
        return []
    with library("maxminddb").open_database(str(path)) as base:
        record, prefix = base.get_with_prefix_len(str(address))
        built = base.metadata().build_epoch
    if record is None:
        return []
    return [{"exhibit": entry["id"], "prefix": prefix, "row": record, "built_epoch": built}]


def _is_mmdb(path: Path, size: int) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, size - (128 << 10)))
        return b"\xab\xcd\xefMaxMind.com" in file.read()
