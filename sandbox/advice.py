"""One clear sentence for programs that fail for want of a network or a library. Pure."""

from __future__ import annotations

import re

_MISSING = re.compile(r"^ModuleNotFoundError: No module named '([\w.]+)'", re.MULTILINE)
_OFFLINE = re.compile(
    r"Temporary failure in name resolution|Could not resolve host|Name or service not known"
    r"|Network is unreachable|nodename nor servname|No matching distribution found",
    re.IGNORECASE,
)
_REFUSED = re.compile(r"refused by the network policy|Tunnel connection failed: 40[37]")
SHOWN = 20_000
"""Only the end of an output is looked at: errors come last."""


def advice(output: str, *, networked: bool) -> str:
    """What to do about a failed program's output, or ""."""
    end = output[-SHOWN:]
    missing = _MISSING.search(end)
    if missing:
        name = missing[1].partition(".")[0]
        return (
            f"[sandbox] The library {name} is not installed and cannot be fetched here; do it with "
            "the libraries that are there, or have a person run "
            f"`quaestor sandbox build --packages {name}`."
        )
    if networked and _REFUSED.search(end):
        return "[sandbox] Only the hosts named by --code-host can be reached, by HTTP and HTTPS."
    if not networked and _OFFLINE.search(end):
        return (
            "[sandbox] There is no network here; work with the files of the workspace, or have a "
            "person allow one host with `--code-host HOST`."
        )
    return ""
