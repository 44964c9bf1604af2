"""Reads a query's syntax tree: may it run, and may its result be cited?

A query is one SELECT over the tables of the case. What is cited has to come out of the evidence,
so a query whose own text puts figures or names into its result is not citable; constants in
conditions are what it asks about, and are listed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.image.document import Unreadable
from sandbox.inside.forensics.wholes import refuse_parts

Tree = Any
UNITS = frozenset({"1", "1.0", "10", "24", "24.0", "60", "60.0", "100", "100.0", "1000", "1000.0"})
UNITS |= {"3600", "3600.0", "86400", "86400.0", "1000000", "1000000.0", "7", "7.0"}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}")
LABELS = frozenset({"0", "1", "0.0", "1.0"})
ARITHMETIC = frozenset({"*", "/", "//"})
ASKS = frozenset({"~~", "!~~", "~~*", "!~~*", "~", "regexp_matches", "regexp_full_match"})
ASKS |= {"contains", "starts_with", "ends_with", "prefix", "suffix", "list_contains", "like_escape"}
TAKES = frozenset(
    {"round", "quantile_cont", "quantile_disc", "quantile", "date_trunc", "date_diff"}
)
TAKES |= {"datediff", "date_part", "datepart", "strftime", "strptime", "split_part", "substr"}
TAKES |= {"substring", "regexp_extract", "time_bucket", "lag", "lead", "ntile", "left", "right"}
TAKES |= {"nullif", "array_extract", "list_extract", "to_seconds", "to_minutes", "to_hours"}
TAKES |= {"to_days", "date_sub", "datesub", "string_agg", "coalesce", "struct_extract"}
FORBIDDEN = frozenset({"random", "setseed", "uuid", "gen_random_uuid", "now", "today", "nextval"})
FORBIDDEN |= {"current_timestamp", "get_current_timestamp", "current_date", "current_time"}
FORBIDDEN |= {
    "current_localtime",
    "current_localtimestamp",
    "get_current_time",
    "transaction_timestamp",
}
FORBIDDEN |= {"getvariable", "current_setting", "getenv", "query", "query_table", "write_log"}
SEES_CONDITION = frozenset(
    {"where_clause", "having", "condition", "filter", "when_expr", "qualify"}
)
SEES_POSITION = frozenset({"modifiers", "group_expressions", "order_bys", "orders", "partitions"})
SEES_POSITION |= {"start_expr", "end_expr", "limit", "offset", "delimiter"}


@dataclass
class Question:
    """What a query does. `objections` say why its result cannot be cited; `asked` are the
    constants that its conditions look for, `narrowed` those that they leave out or measure by,
    `units` what it counts time in, `labels` the texts that it puts into the result itself."""

    tables: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    narrowed: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    objections: list[str] = field(default_factory=list)
    partial: bool = False
    columns: list[str] = field(default_factory=list)


def examined(base: Any, sql: str, known: set[str], *, whole: bool = False) -> Question:
    """What the query does. Raises Unreadable when it may not run at all; with `whole` also when it
    takes values apart."""
    (text,) = base.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    parsed = json.loads(text)
    if parsed.get("error"):
        raise Unreadable(f"SQL: {parsed.get('error_message', 'it is not understood')}"[:400])
    statements = parsed["statements"]
    if len(statements) != 1:
        raise Unreadable("SQL: exactly one SELECT at a time")
    if whole:
        refuse_parts(statements[0])
    question = Question()
    made = {entry["key"].lower() for entry in _named_parts(statements[0])}
    question.objections += _chosen(statements[0])
    _walk(statements[0], "value", "", question)
    strange = [name for name in question.tables if name not in known and name not in made]
    if strange:
        there = ", ".join(sorted(known)[:40])
        raise Unreadable(f"SQL: there is no table {strange[0]!r}; there is: {there}")
    question.tables = sorted({name for name in question.tables if name in known})
    if not question.tables:
        question.objections.append("it reads no exhibit")
    return question


def _named_parts(tree: Tree) -> list[dict[str, Any]]:
    """The named sub-queries, wherever they are."""
    if isinstance(tree, list):
        return [found for inner in tree for found in _named_parts(inner)]
    if not isinstance(tree, dict):
        return []
    own = tree["cte_map"]["map"] if isinstance(tree.get("cte_map"), dict) else []
    return [*own, *(found for inner in tree.values() for found in _named_parts(inner))]


def _nodes(tree: Tree) -> Iterator[dict[str, Any]]:
    """Every node of a tree, from the top."""
    if isinstance(tree, list):
        for inner in tree:
            yield from _nodes(inner)
    elif isinstance(tree, dict):
        yield tree
        for inner in tree.values():
            yield from _nodes(inner)


def _chosen(statement: Tree) -> list[str]:
    """Where the query counts rows that it has picked itself: the figure is then its own."""
    outer = statement["node"].get("modifiers") or []
    numbered = {str(n["alias"]).lower() for n in _nodes(statement) if n.get("class") == "WINDOW"}
    numbered = (numbered | {"_line", "rowid"}) - {""}
    found = []
    for node in _nodes(statement):
        limits = node.get("type") in ("LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER")
        if node.get("sample") or (limits and not any(node is one for one in outer)):
            found.append("it counts only some rows (LIMIT or a sample inside)")
        if not NAME.fullmatch(str(node.get("alias") or "a")) and node.get("class"):
            found.append("the names that it gives to columns are more than a word")
        if node.get("class") in ("COMPARISON", "BETWEEN") and _picks(node, numbered):
            found.append("it picks rows by their number")
        if node.get("class") in ("COMPARISON", "BETWEEN") and not _reads(node):
            found.append("it compares constants with each other")
    return list(dict.fromkeys(found))


def _picks(node: Tree, numbered: set[str]) -> bool:
    inner = list(_nodes(node))
    constants = [n for n in inner if n.get("class") == "CONSTANT"]
    by_number = any(
        n.get("class") == "WINDOW"
        or (n.get("type") == "COLUMN_REF" and str(n["column_names"][-1]).lower() in numbered)
        for n in inner
    )
    return by_number and any(_text_of(n) not in LABELS for n in constants)


def _reads(node: Tree) -> bool:
    """Whether anything in it depends on rows."""
    kinds = ("COLUMN_REF", "SUBQUERY", "FUNCTION", "WINDOW")
    return any(n.get("type") in kinds or n.get("class") in kinds for n in _nodes(node))


def _text_of(constant: Tree) -> str:
    return str((constant.get("literal") or {}).get("text", ""))


def _walk(tree: Tree, context: str, parent: str, question: Question) -> None:
    if isinstance(tree, list):
        for inner in tree:
            _walk(inner, context, parent, question)
        return
    if not isinstance(tree, dict):
        return
    _note_source(tree, question)
    if tree.get("class") == "CONSTANT":
        _note_constant(tree, context, parent, question)
        return
    name = _function(tree, question)
    context, parent = _inside(tree, name, context, parent)
    for key, inner in tree.items():
        _walk(inner, _context_of(key, inner, context, tree), parent, question)


def _context_of(key: str, inner: Tree, context: str, tree: dict[str, Any]) -> str:
    if key in ("select_list", "then_expr", "else_expr"):
        return "value"
    if key in SEES_CONDITION:
        kept = tree.get("type") == "JOIN" and tree.get("join_type") != "INNER"
        return "excluded" if kept or context == "excluded" else "condition"
    return "position" if key in SEES_POSITION else context


def _inside(tree: dict[str, Any], name: str, context: str, parent: str) -> tuple[str, str]:
    """The context of what is below this node, and what it will call its parent."""
    kind = str(tree.get("type", ""))
    if _is_condition(tree, name):
        looks_for = context == "condition" and not _leaves_out(tree, name)
        outside = context == "position"
        return (context if outside else "condition" if looks_for else "excluded"), "condition"
    if name:
        return context, name
    if kind == "OPERATOR_COALESCE":
        return context, "coalesce"
    if tree.get("class") == "CASE":
        return context, "case"
    return context, (
        "cast" if tree.get("class") == "CAST" else parent if "class" not in tree else ""
    )


def _is_condition(tree: dict[str, Any], name: str) -> bool:
    asks = tree.get("class") in ("COMPARISON", "BETWEEN", "CONJUNCTION") or name in ASKS
    return asks or tree.get("type") in (
        "COMPARE_IN",
        "COMPARE_NOT_IN",
        "OPERATOR_NOT",
        "OPERATOR_IS_NULL",
        "OPERATOR_IS_NOT_NULL",
    )


def _leaves_out(tree: dict[str, Any], name: str) -> bool:
    """Whether rows that are found need not have what it names."""
    kind = tree.get("type")
    if kind == "CONJUNCTION_OR":
        columns = {_column_asked(child) for child in tree.get("children", [])}
        return len(columns) != 1 or "" in columns
    return name.startswith("!") or kind in (
        "COMPARE_NOTEQUAL",
        "COMPARE_DISTINCT_FROM",
        "COMPARE_NOT_IN",
        "OPERATOR_NOT",
    )


def _column_asked(tree: Tree) -> str:
    """The one column that a part of a condition asks a value of; "" where it does not."""
    if tree.get("type") not in ("COMPARE_EQUAL", "COMPARE_IN"):
        return ""
    columns = {".".join(n["column_names"]) for n in _nodes(tree) if n.get("type") == "COLUMN_REF"}
    return columns.pop() if len(columns) == 1 else ""


def _function(tree: dict[str, Any], question: Question) -> str:
    if tree.get("class") not in ("FUNCTION", "WINDOW"):
        return ""
    name = str(tree.get("function_name", "")).lower()
    if name in FORBIDDEN or name.startswith(("read_", "pragma_", "duckdb_")):
        raise Unreadable(f"SQL: {name}() does not give the same result twice, or leaves the case")
    return name


def _note_source(tree: dict[str, Any], question: Question) -> None:
    kind = tree.get("type")
    if kind == "BASE_TABLE":
        if tree.get("schema_name") or tree.get("catalog_name"):
            raise Unreadable("SQL: name the tables of the case only")
        question.tables.append(str(tree["table_name"]).lower())
    if kind == "TABLE_FUNCTION":
        raise Unreadable("SQL: tables are exhibits; functions that make tables cannot be used")
    if kind == "EXPRESSION_LIST":
        question.objections.append("it brings rows of its own (VALUES)")
    if kind in ("LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER") or tree.get("sample"):
        question.partial = True
    if kind == "COLUMN_REF":
        question.columns.append(str(tree["column_names"][-1]))


def _note_constant(tree: dict[str, Any], context: str, parent: str, question: Question) -> None:
    literal = tree.get("literal") or {}
    kind, text = str(literal.get("kind", "")), _text_of(tree)
    if context == "position" or kind in ("NULL", "BOOLEAN", ""):
        return
    takes = parent in TAKES or (parent in ARITHMETIC and text in UNITS)
    if takes:
        question.units += [parent, text]
    if context in ("condition", "excluded"):
        _note_asked(text, context, question, takes=takes)
        return
    if takes:
        return
    if parent in ("case", ""):
        if kind == "STRING":
            question.labels.append(text)
            return
        if text in LABELS:
            return
    question.objections.append(f"it writes {text[:60]!r} into the result itself")


def _note_asked(text: str, context: str, question: Question, *, takes: bool) -> None:
    if not takes:
        (question.asked if context == "condition" else question.narrowed).append(text)
    elif any(char.isdigit() for char in text):
        question.narrowed.append(text)
