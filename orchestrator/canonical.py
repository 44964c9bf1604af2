"""One spelling for every JSON value, so that equal values have equal hashes."""

from __future__ import annotations

import hashlib
import json
from typing import Any


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


def storable(value: Any) -> Any:
    """A parsed JSON value without lone surrogates, which no UTF-8 file or database can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {storable(name): storable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    return value
