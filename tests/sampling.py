"""How much of a long table one run of the suite takes: `make soak` all of it, `make test` a few."""

from __future__ import annotations

import os
import random
from collections.abc import Collection, Sequence
from typing import TypeVar

SOAK = bool(os.environ.get("SOAK"))
T = TypeVar("T")


def sampled(cases: Sequence[T], few: int, *, always: Collection[T] = ()) -> list[T]:
    """A seeded few of the cases, in their order, and those that are `always` taken; with SOAK=1
    every case."""
    if SOAK or few >= len(cases):
        return list(cases)
    chosen = set(random.Random(len(cases)).sample(range(len(cases)), few))
    return [case for number, case in enumerate(cases) if number in chosen or case in always]
