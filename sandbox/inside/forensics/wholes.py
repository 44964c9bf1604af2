"""Refuses a query that takes values apart or puts some together, where personal data is hidden.

Whole values have a form that gives them away, and are replaced before anybody sees them; a part of
an address, or an address spelled backwards, has none. So only functions that show a value as it is,
count it or compare it may be used.
"""

from __future__ import annotations

from typing import Any

from sandbox.image.document import Unreadable

WHOLE = frozenset(
    {"count", "count_star", "count_if", "countif", "sum", "avg", "mean", "min", "max", "median"}
)
WHOLE |= {"quantile_cont", "quantile_disc", "quantile", "stddev", "stddev_samp", "stddev_pop"}
WHOLE |= {"variance", "var_samp", "var_pop", "corr", "mode", "any_value", "first", "last", "list"}
WHOLE |= {"array_agg", "arg_min", "arg_max", "min_by", "max_by", "approx_count_distinct", "mad"}
WHOLE |= {"bool_and", "bool_or", "row_number", "rank", "dense_rank", "ntile", "lag", "lead"}
WHOLE |= {"percent_rank", "cume_dist", "first_value", "last_value", "nth_value", "coalesce"}
WHOLE |= {"+", "-", "*", "/", "//", "%", "abs", "round", "floor", "ceil", "ceiling", "sqrt", "ln"}
WHOLE |= {"log", "log10", "exp", "power", "pow", "greatest", "least", "sign", "trunc", "mod"}
WHOLE |= {"date_trunc", "datetrunc", "date_diff", "datediff", "date_part", "datepart", "date_sub"}
WHOLE |= {"datesub", "epoch", "epoch_ms", "year", "month", "day", "hour", "minute", "second"}
WHOLE |= {"dayofweek", "dayofyear", "isodow", "week", "weekday", "dayname", "monthname", "age"}
WHOLE |= {"to_seconds", "to_minutes", "to_hours", "to_days", "to_timestamp", "strftime", "date"}
WHOLE |= {"strptime", "time_bucket", "make_timestamp", "make_date", "nullif", "ifnull", "last_day"}
WHOLE |= {"lower", "upper", "length", "json_extract", "json_extract_string", "->", "->>"}
WHOLE |= {"~~", "!~~", "~~*", "!~~*", "~", "~~~", "like_escape", "regexp_matches", "contains"}
WHOLE |= {"regexp_full_match", "starts_with", "ends_with", "prefix", "suffix", "list_contains"}
TYPES: tuple[str, ...] = (
    "INT",
    "UINT",
    "TINY",
    "SMALL",
    "BIGINT",
    "HUGE",
    "USMALL",
    "UTINY",
    "UBIG",
    "UHUGE",
)
TYPES += ("DOUBLE", "FLOAT", "REAL", "DECIMAL", "NUMERIC", "BOOL", "DATE", "TIME", "VARCHAR")
"""What a value may be cast to; anything else spells it in another way."""
PARTS = frozenset({"ARRAY_EXTRACT", "ARRAY_SLICE", "STRUCT_EXTRACT"})


def refuse_parts(tree: Any) -> None:
    """Look through a syntax tree. Raises Unreadable that names what takes a value apart."""
    if isinstance(tree, list):
        for inner in tree:
            refuse_parts(inner)
    if not isinstance(tree, dict):
        return
    what = _function(tree) or _cast(tree) or ("[...]" if tree.get("type") in PARTS else "")
    if what:
        raise Unreadable(
            f"SQL: {what} may not be used while personal data is hidden, since a part of a value "
            "has no form that gives it away; ask for whole values"
        )
    for inner in tree.values():
        refuse_parts(inner)


def _function(tree: dict[str, Any]) -> str:
    if tree.get("class") not in ("FUNCTION", "WINDOW"):
        return ""
    name = str(tree.get("function_name", "")).lower()
    if not name or name in WHOLE or (name == "hash" and _is_of_line(tree)):
        return ""
    return f"{name}()"


def _is_of_line(tree: dict[str, Any]) -> bool:
    """Whether it is over the number of a row, as our own samples are."""
    children = tree.get("children") or []
    return len(children) == 1 and children[0].get("column_names") == ["_line"]


def _cast(tree: dict[str, Any]) -> str:
    target = tree.get("cast_type")
    name = str(target.get("id", "")) if isinstance(target, dict) else ""
    return f"a cast to {name}" if name and not name.startswith(TYPES) else ""
