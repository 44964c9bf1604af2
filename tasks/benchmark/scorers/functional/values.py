"""Plain values as JSON and back, between the tests and the code that is tested.

Decoding builds nothing but built-in types, whatever the other side has sent: an object that
claims to equal everything cannot get through. Runs inside the box; needs the standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from decimal import Decimal
from fractions import Fraction
from numbers import Integral
from typing import Any

PASSING: tuple[type, ...] = (range, type({}.keys()), type({}.values()), type({}.items()))
COLLECTIONS: tuple[tuple[type[Collection[Any]], str], ...] = (
    (list, "list"),
    (tuple, "tuple"),
    (set, "set"),
    (frozenset, "frozenset"),
)


class NotPlain(TypeError):
    """The value cannot be handed over."""


def encode(value: Any) -> Any:
    """A value as JSON that keeps its type; subclasses become what they derive from."""
    if value is None or value is True or value is False:
        return value
    number = _number(value)
    if number is not None:
        return number
    if isinstance(value, str):
        return ["str", str.__str__(value)]
    if isinstance(value, bytes | bytearray):
        return ["bytes", bytes(value).hex()]
    if isinstance(value, dict):
        return ["dict", [[encode(key), encode(item)] for key, item in dict.items(value)]]
    for kind, name in COLLECTIONS:
        if isinstance(value, kind):
            return [name, [encode(item) for item in kind.__iter__(value)]]
    if hasattr(type(value), "__next__") or isinstance(value, PASSING):
        return ["iterator", [encode(item) for item in value]]
    raise NotPlain(f"a {type(value).__name__} is no plain value")


def decode(value: Any) -> Any:
    """The value that was encoded. Raises ValueError, TypeError or KeyError for anything else."""
    if value is None or isinstance(value, bool):
        return value
    kind, body = value
    if kind == "dict":
        return {decode(key): decode(item) for key, item in body}
    if kind in _FROM_TEXT:
        return _FROM_TEXT[kind](body)
    return _FROM_ITEMS[kind]([decode(item) for item in body])


def _number(value: Any) -> list[str] | None:
    if isinstance(value, float):
        return ["float", float.hex(value)]
    if isinstance(value, Integral):
        return ["int", hex(int(value))]
    if isinstance(value, complex):
        return ["complex", f"{value.real.hex()} {value.imag.hex()}"]
    if isinstance(value, Fraction):
        return ["Fraction", f"{value.numerator}/{value.denominator}"]
    if isinstance(value, Decimal):
        return ["Decimal", str(value)]
    return None


def _complex(text: str) -> complex:
    real, imaginary = text.split()
    return complex(float.fromhex(real), float.fromhex(imaginary))


_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": lambda text: int(text, 16),
    "float": float.fromhex,
    "bytes": bytes.fromhex,
    "complex": _complex,
    "Fraction": Fraction,
    "Decimal": Decimal,
}
_FROM_ITEMS: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "iterator": iter,
}
