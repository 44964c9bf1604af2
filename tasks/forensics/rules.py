"""Reads the rule of a test over the figures that its query gave: true, false, or undecided.

Arithmetic, comparisons and `fisher` only. A figure that is missing, and a share of nothing, make
a rule undecided.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

Figures = Mapping[str, float | int | None]
MOST_CHARS = 600
MOST_COUNT = 1_000_000
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


class Undecided(Exception):
    """The figures do not allow an answer."""


def holds(rule: str, figures: Figures) -> bool | None:
    """Whether the rule is true of the figures; None when they do not allow an answer. Raises
    ValueError for a rule that is none."""
    tree = _parsed(rule)
    try:
        return bool(_value(tree, figures))
    except (Undecided, ZeroDivisionError, OverflowError):
        return None


def computed(expression: str) -> float | None:
    """The value of a formula of figures alone, or None. Raises ValueError when it is no formula."""
    try:
        return float(_value(_parsed(expression), {}))
    except (Undecided, ZeroDivisionError, OverflowError):
        return None


def numbers_in(expression: str) -> tuple[str, ...]:
    """The figures of a formula as they are written. Raises ValueError."""
    tree = _parsed(expression)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return tuple(ast.get_source_segment(expression.strip(), node) or "" for node in found)


def names_in(rule: str) -> frozenset[str]:
    """The figures that a rule needs."""
    calls = {node.func for node in ast.walk(_parsed(rule)) if isinstance(node, ast.Call)}
    names = {n for n in ast.walk(_parsed(rule)) if isinstance(n, ast.Name)}
    return frozenset(name.id for name in names if name.id != "fisher" and name not in calls)


def fisher(hits: float, total: float, other_hits: float, other_total: float) -> float:
    """Fisher's exact test, one-sided: how likely so large a share of hits is if both are alike."""
    counts = [int(number) for number in (hits, total, other_hits, other_total)]
    a, n, c, m = counts
    if min(counts) < 0 or a > n or c > m or n == 0 or m == 0 or n + m > MOST_COUNT:
        raise Undecided
    whole, drawn = a + c, n
    top = min(whole, drawn)
    logs = [
        _choose(whole, k) + _choose(n + m - whole, drawn - k) - _choose(n + m, drawn)
        for k in range(a, top + 1)
        if drawn - k <= n + m - whole
    ]
    return min(1.0, math.fsum(math.exp(value) for value in logs))


def _choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _parsed(text: str) -> ast.expr:
    if len(text) > MOST_CHARS:
        raise ValueError(f"a rule has at most {MOST_CHARS} characters")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"it is no rule: {text[:80]!r}") from error


def _value(node: ast.expr, figures: Figures) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.Name(id=name):
            found = figures.get(name)
            if found is None:
                raise Undecided
            return found
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner, figures)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _ARITHMETIC[type(op)](_value(left, figures), _value(right, figures))
        case ast.BoolOp(op=op, values=parts):
            return _joined(isinstance(op, ast.And), parts, figures)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            return _COMPARE[type(op)](_value(left, figures), _value(right, figures))
        case ast.Call(func=ast.Name(id="fisher"), args=[_, _, _, _] as given, keywords=[]):
            return fisher(*(_value(one, figures) for one in given))
    raise ValueError(f"a rule may not hold {ast.unparse(node)[:60]!r}")


def _joined(every: bool, parts: list[ast.expr], figures: Figures) -> bool:
    """The first part that settles it; later ones may then rest on nothing."""
    for part in parts:
        if bool(_value(part, figures)) is not every:
            return not every
    return every
