"""Tells a webhook that a run went in circles or waits for a person.

Signed, tried a few times, and never in the way: a run neither waits for a webhook while it works
nor fails with it. An event is told when it is first recorded and by nobody who reads it again, so
a resume repeats no alert.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from orchestrator import events as ev
from orchestrator.errors import UsageError
from orchestrator.recorder import Watch
from orchestrator.settings import NotifySettings

LOG = logging.getLogger(__name__)
TIMEOUT_S = 5.0
WAITS_S = (0.5, 2.0)
AT_THE_END_S = 10.0
TRANSIENT = frozenset({408, 425, 429})
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where alerts go, and what signs them."""

    url: str
    secret: bytes = field(repr=False)


@dataclass(slots=True)
class Alerts:
    """The alerts of one attempt at a run that are on their way."""

    webhook: Webhook
    run: str
    then: Watch | None = None
    sleep: Sleep = asyncio.sleep
    pending: set[asyncio.Task[None]] = field(default_factory=set)

    def watch(self, key: str, event: ev.Event, seq: int) -> None:
        """See every event; alert for what is new and worth it."""
        if self.then is not None:
            self.then(key, event, seq)
        told = alert_of(event) if seq else None
        if told is not None:
            body = {"version": 1, "id": f"{self.run}/{key}", "run": self.run, "path": key, **told}
            task = asyncio.ensure_future(self._deliver(body))
            self.pending.add(task)
            task.add_done_callback(self.pending.discard)

    async def settle(self) -> None:
        """Give what is on its way a moment to arrive."""
        if self.pending:
            _done, late = await asyncio.wait(self.pending, timeout=AT_THE_END_S)
            for task in late:
                task.cancel()

    async def _deliver(self, body: Mapping[str, Any]) -> None:
        for wait in (*WAITS_S, None):
            problem = await asyncio.to_thread(post, self.webhook, body)
            if problem is None:
                return
            if wait is None or not problem.startswith("again: "):
                host = urlsplit(self.webhook.url).hostname
                LOG.warning("the webhook at %s did not take an alert: %s", host, problem)
                return
            await self.sleep(wait)


@asynccontextmanager
async def alerting(
    notify: NotifySettings, run: str, watch: Watch | None, environ: Mapping[str, str]
) -> AsyncIterator[Watch | None]:
    """The watch of an attempt: the given one, with alerts where they are configured."""
    webhook = webhook_of(notify, environ)
    if webhook is None:
        yield watch
        return
    alerts = Alerts(webhook, run, watch)
    try:
        yield alerts.watch
    finally:
        await alerts.settle()


def webhook_of(notify: NotifySettings, environ: Mapping[str, str]) -> Webhook | None:
    """The configured webhook, if any. Raises UsageError for an address or a secret that cannot
    work."""
    if notify.webhook is None:
        return None
    parts = urlsplit(notify.webhook)
    is_near = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and is_near)):
        raise UsageError(
            f"notify.webhook at {parts.hostname or 'no host'} is no address that alerts may go to",
            fix="write https://...; http:// only for this machine",
        )
    secret = environ.get(notify.secret_env or "")
    if not secret:
        what = f"the variable {notify.secret_env} is not set" if notify.secret_env else "is missing"
        raise UsageError(
            f"notify.secret_env: {what}, so alerts could not be signed",
            fix="name a variable that holds a secret which the receiver knows too",
        )
    return Webhook(notify.webhook, secret.encode())


def alert_of(event: ev.Event) -> dict[str, Any] | None:
    """What an event is worth telling."""
    match event:
        case ev.LoopDetected(where=where, what=what):
            return {"event": "loop", "text": what, "where": where}
        case ev.RunEnded(outcome=ev.Outcome(outcome="needs_human") as outcome):
            question = {"question": outcome.question} if outcome.question else {}
            return {"event": "needs_human", "text": outcome.reason, "fix": outcome.fix, **question}
        case _:
            return None


def signature(secret: bytes, timestamp: str, content: bytes) -> str:
    """`sha256=` and the HMAC-SHA256 of `timestamp.content`, in hex."""
    signed = hmac.new(secret, timestamp.encode() + b"." + content, hashlib.sha256)
    return f"sha256={signed.hexdigest()}"


def post(webhook: Webhook, body: Mapping[str, Any]) -> str | None:
    """Send once; why it was not taken, or None. `again: ` marks what may pass."""
    stamp = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    content = json.dumps({**body, "time": stamp}, ensure_ascii=False).encode()
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "X-Quaestor-Delivery": str(body["id"]),
        "X-Quaestor-Timestamp": timestamp,
        "X-Quaestor-Signature": signature(webhook.secret, timestamp, content),
    }
    request = urllib.request.Request(webhook.url, content, headers)  # noqa: S310 - checked above
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_S):
            return None
    except urllib.error.HTTPError as error:
        passing = error.code >= 500 or error.code in TRANSIENT
        return f"{'again: ' if passing else ''}HTTP {error.code}"
    except (OSError, HTTPException) as error:
        return f"again: {type(error).__name__}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What was signed for one address goes to no other."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None
