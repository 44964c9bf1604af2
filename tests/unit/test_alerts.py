"""A webhook hears of loops and of runs that wait, once each, signed; and it is never in the way."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from harness import Bench, assign, finish, team
from listening import Visit, listening

from orchestrator.agent import Assignment, Report, WorkContext
from orchestrator.errors import ModelFault, UsageError
from orchestrator.models.llm import Request
from orchestrator.settings import NotifySettings
from tasks.alerts import Alerts, Webhook, webhook_of

SECRET = b"a-secret-of-both"


@dataclass
class Receiver:
    """A receiver that checks what it gets as the page says, and answers with these codes."""

    codes: list[int] = field(default_factory=list)
    heard: list[dict[str, Any]] = field(default_factory=list)
    forged: int = 0
    url: str = ""

    def take(self, headers: Any, content: bytes) -> int:
        stamp = headers["X-Quaestor-Timestamp"]
        mac = hmac.new(SECRET, stamp.encode() + b"." + content, hashlib.sha256).hexdigest()
        fresh = abs(time.time() - int(stamp)) < 300
        if not hmac.compare_digest(headers["X-Quaestor-Signature"], f"sha256={mac}") or not fresh:
            self.forged += 1
            return 401
        self.heard.append({**json.loads(content), "delivery": headers["X-Quaestor-Delivery"]})
        return self.codes.pop(0) if self.codes else 204


@contextmanager
def receiving(*codes: int) -> Iterator[Receiver]:
    receiver = Receiver(list(codes))

    class Hook(Visit):
        def do_POST(self) -> None:
            status = receiver.take(self.headers, self.body().encode())
            self.send("", status=status, Location="/elsewhere")

    with listening(Hook) as port:
        receiver.url = f"http://127.0.0.1:{port}/hook"
        yield receiver


async def circles(assignment: Assignment, ctx: WorkContext) -> Report:
    """An agent whose tool loop was stopped."""
    await ctx.stop_loop("act/1/loop", "Echo: look() brought the same result 3 times")
    return Report(status="failed", summary="went in circles")


class OutOnce:
    """A lead whose endpoint is out when it should answer, the first time."""

    def __init__(self) -> None:
        self.is_out = True

    def __call__(self, request: Request) -> str:
        if len(request.messages) == 2:
            return assign(("Echo", "look"))
        if self.is_out:
            self.is_out = False
            raise ModelFault("overloaded", "m at h, asked 6 times: HTTP 503", fix="resume later")
        return finish("It went in circles.")


async def no_wait(_: float) -> None:
    return None


async def run_and_resume(bench: Bench, webhook: Webhook) -> list[str]:
    """The outcomes of a run that has to wait, and of its resume."""
    outcomes, lead, agents = [], OutOnce(), team(Echo=circles)
    for _ in range(2):
        alerts = Alerts(webhook, bench.run_id, sleep=no_wait)
        bench.watch = alerts.watch
        run = bench.run_id if outcomes else None
        outcomes.append((await bench.run(lead, agents=agents, run=run)).outcome)
        await alerts.settle()
    return outcomes


async def test_a_loop_and_a_wait_are_told_once_over_a_resume(bench: Bench) -> None:
    with receiving() as receiver:
        outcomes = await run_and_resume(bench, Webhook(receiver.url, SECRET))
    assert outcomes[0] == "needs_human"
    assert receiver.forged == 0
    assert [(alert["event"], alert["text"][:10]) for alert in receiver.heard] == [
        ("loop", "Echo: look"),
        ("needs_human", "provider: "),
    ]
    assert receiver.heard[1]["fix"] == "resume later"
    assert len({alert["delivery"] for alert in receiver.heard}) == 2


@pytest.mark.parametrize(
    ("codes", "tries"), [((503, 429), 3), ((500, 500, 500), 3), ((400,), 1), ((307,), 1)]
)
async def test_a_receiver_that_refuses_is_asked_at_most_three_times_and_fails_no_run(
    codes: tuple[int, ...], tries: int, bench: Bench
) -> None:
    with receiving(*codes) as receiver:
        outcomes = await run_and_resume(bench, Webhook(receiver.url, SECRET))
    loops = [alert for alert in receiver.heard if alert["event"] == "loop"]
    assert outcomes[0] == "needs_human"
    assert len(loops) == tries
    assert len({alert["id"] for alert in loops}) == 1


async def test_a_receiver_that_is_not_there_fails_no_run(bench: Bench) -> None:
    with receiving() as receiver:
        pass
    outcomes = await run_and_resume(bench, Webhook(receiver.url, SECRET))
    assert outcomes[0] == "needs_human"


async def test_a_wrong_secret_is_seen_by_the_receiver(bench: Bench) -> None:
    with receiving() as receiver:
        await run_and_resume(bench, Webhook(receiver.url, b"another"))
    assert receiver.heard == []
    assert receiver.forged == 2


@pytest.mark.parametrize(
    ("notify", "said"),
    [
        (NotifySettings(webhook="http://hooks.example.org/x", secret_env="S"), "hooks.example.org"),
        (NotifySettings(webhook="file:///etc/passwd", secret_env="S"), "no host"),
        (NotifySettings(webhook="https://h.example.org/x"), "is missing"),
        (NotifySettings(webhook="https://h.example.org/x", secret_env="NONE"), "NONE is not set"),
    ],
)
def test_a_webhook_that_cannot_work_is_refused_before_a_run(
    notify: NotifySettings, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        webhook_of(notify, {"S": "x"})
    assert webhook_of(NotifySettings(), {}) is None
