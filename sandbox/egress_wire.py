"""HTTP/1.1 as a forward proxy sees it: heads in, heads out. Knows no sockets and no policy."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from sandbox.egress_policy import Refused, Target, parse_target

Verdict = Literal["passed", "refused", "unreachable", "cut", "malformed"]
HOP_HEADERS = frozenset(
    {"connection", "keep-alive", "proxy-connection", "proxy-authorization", "te"}
)


@dataclass(frozen=True, slots=True)
class Head:
    """The first lines of a request or response."""

    start: str
    headers: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")


class Stop(Exception):
    """Ends a passage with a verdict other than `passed`."""

    def __init__(self, verdict: Verdict, reason: str) -> None:
        super().__init__(reason)
        self.verdict: Verdict = verdict
        self.reason = reason


async def read_head(reader: asyncio.StreamReader) -> Head:
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise Stop("malformed", "the head of the message is too long") from error
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            raise
        raise Stop("malformed", "the head of the message is cut off") from error
    start, *lines = raw[:-4].decode("latin-1").split("\r\n")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or "\n" in line or "\r" in line:
            raise Stop("malformed", "a header line is malformed")
        headers.append((name, value.strip()))
    return Head(start, tuple(headers))


def request_line(head: Head) -> tuple[str, str]:
    parts = head.start.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1.") or not parts[0].isalpha():
        raise Stop("malformed", "this is not an HTTP/1.1 request to a proxy")
    return parts[0], parts[1]


def destination(method: str, url: str) -> tuple[Target, str]:
    """Where a request goes and which path it asks for there."""
    try:
        if method == "CONNECT":
            return parse_target(url), ""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "ws"):
            raise Refused(f"{parts.scheme or 'an address without a scheme'} is not passed on")
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        return parse_target(parts.netloc, default_port=80), path
    except Refused as refusal:
        raise Stop("refused", str(refusal)) from refusal
    except ValueError as error:
        raise Stop("malformed", f"{url!r} is not a URL") from error


def body_length(head: Head) -> int | None:
    if head.get("transfer-encoding"):
        return None
    length = head.get("content-length") or "0"
    if not (length.isascii() and length.isdigit()):
        raise Stop("malformed", "the content length is malformed")
    return int(length)


def request_head(head: Head, target: Target, path: str, *, upgrade: bool) -> bytes:
    method = head.start.partition(" ")[0]
    fields = [("Host", target.name.removesuffix(":80"))]
    fields += [pair for pair in head.headers if pair[0].lower() not in {*HOP_HEADERS, "host"}]
    fields.append(("Connection", "Upgrade" if upgrade else "close"))
    return rendered(f"{method} {path} HTTP/1.1", fields)


def rendered(start: str, fields: list[tuple[str, str]]) -> bytes:
    lines = [start, *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1")
