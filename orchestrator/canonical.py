"""One spelling for every JSON value, so that equal values have equal hashes."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

MAX_DEPTH = 100
"""What pydantic still writes; a value nested deeper could be read but never stored."""


def canonical(value: Any) -> str:
    """JSON with sorted keys, no spaces, UTF-8 as is; NaN and infinities are refused."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256_of(value: Any) -> str:
    """The sha256 of a value's canonical JSON, as 64 hex digits."""
    return sha256_bytes(canonical(value).encode("utf-8", "surrogatepass"))


def sha256_bytes(content: bytes) -> str:
    """The sha256 of bytes, as 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def storable(value: Any, depth: int = 0) -> Any:
    """A parsed value as the journal can hold it: without lone surrogates, which fit no UTF-8 file,
    and with null for NaN and infinities. Raises ValueError for what is not JSON or nested too deep;
    a set is refused because its order would differ on a replay."""
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, dict):
        return {str(storable(name)): storable(item, depth + 1) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [storable(item, depth + 1) for item in value]
    raise ValueError(f"JSON cannot hold a {type(value).__name__}")
