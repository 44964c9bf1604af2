"""Answers one request about a case as JSON: the program that the host sends into the box.

A request that cannot be answered comes back as `refused` with the reason.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from sandbox.image.document import Unreadable
from sandbox.inside.forensics.isolated import isolated
from sandbox.inside.forensics.tools import SECONDS, answered


def main() -> None:
    """Answer the request in the only argument; libraries may write to 1 and 2 as they like."""
    out = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    for fd in (1, 2):
        os.dup2(nothing, fd)
    text = json.dumps(_reply(json.loads(sys.argv[1])), ensure_ascii=True)
    with os.fdopen(out, "wb") as stream:
        stream.write(text.encode("ascii"))


def _reply(request: dict[str, Any]) -> dict[str, Any]:
    try:
        if request["op"] == "prepare":
            from sandbox.inside.forensics.intake import prepare

            return {"value": prepare(request)}
        seconds = SECONDS.get(request["op"], 30.0)
        return {"value": isolated(lambda: answered(request), seconds)}
    except Unreadable as reason:
        return {"refused": str(reason)}
