"""An irreversible act waits for a person: nothing is sent before `quaestor answer`, once after."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from listening import Visit, listening
from openai_server import from_request_policy, serve
from process.test_modes import quaestor

from orchestrator.models.llm import Completion, Request, ToolCall

PAGE = """<html><head><title>Shop</title></head><body><h1>Order</h1>
<form method="post" action="/order"><label>Quantity <input name="quantity" value="3"></label>
<button>Place order</button></form></body></html>"""


@contextmanager
def shop() -> Iterator[tuple[str, list[str]]]:
    """A shop with one form; the list is its request log."""
    log: list[str] = []

    class Customer(Visit):
        def do_GET(self) -> None:
            log.append(f"GET {self.path}")
            self.send(PAGE)

        def do_POST(self) -> None:
            log.append(f"POST {self.path} {self.body()}")
            self.send(
                "<html><title>Thanks</title><body>Order number 7731 was placed.</body></html>"
            )

    with listening(Customer) as port:
        yield f"127.0.0.1:{port}", log


def policy(request: Request) -> Completion | str:
    told = "\n".join(message.content for message in request.messages)
    if "You lead a small team" in told:
        number = re.search(r"Order number (\d+)", told)
        if number:
            return decision(request_satisfied=True, answer=f"Order number {number[1]}.")
        if "not approved" in told:
            return decision(request_satisfied=True, answer="The order was not approved.")
        url = re.search(r"http://[\d.:]+/", told)
        assert url
        work = {"id": "a", "agent": "WebSurfer", "instruction": f"Order at {url[0]}"}
        return decision(assignments=[work])
    shown = [message.content for message in request.messages if message.role == "tool"]
    if any("Order number" in text for text in shown):
        return call("report", status="done", summary=shown[-1][-400:])
    if any("not approved" in text for text in shown):
        return call("report", status="blocked", summary="the order was not approved")
    button = re.search(r'\[(\d+)\] button "Place order"', "\n".join(shown))
    if button:
        return call("click", ref=int(button[1]))
    url = re.search(r"Order at (http://[\d.:]+/)", told)
    assert url
    return call("goto", url=url[1])


def decision(**parts: object) -> str:
    return json.dumps({"request_satisfied": False, "assignments": [], **parts})


def call(name: str, **arguments: object) -> Completion:
    return Completion(
        text="", tool_calls=(ToolCall(id="c", name=name, arguments=json.dumps(arguments)),)
    )


def test_an_order_waits_for_approval_and_is_placed_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with serve(from_request_policy(policy)) as server, shop() as (host, log):
        options = ["--model", "m", "--base-url", server.base_url, "--allow-host", host]
        options += ["--no-verify"]
        run = quaestor(home, "run", f"Order 3 at http://{host}/", *options, "--json")
        outcome = json.loads(run.stdout.splitlines()[-1])
        assert (run.returncode, outcome["outcome"]) == (4, "needs_human"), run.stderr
        assert not [line for line in log if line.startswith("POST")]
        assert "/order" in json.dumps(outcome["ask"])
        assert "quantity" in json.dumps(outcome["ask"])
        inbox = quaestor(home, "inbox")
        assert outcome["question"] in inbox.stdout
        answered = quaestor(home, "answer", outcome["question"], "approve")
        assert (answered.returncode, answered.stdout.strip()) == (0, "Order number 7731."), (
            answered.stderr
        )
        assert [line for line in log if line.startswith("POST")] == ["POST /order quantity=3"]
        again = quaestor(home, "answer", outcome["question"], "deny")
        assert again.returncode == 2
        assert "answered" in again.stderr


def test_a_denial_leaves_the_servers_log_unchanged(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with serve(from_request_policy(policy)) as server, shop() as (host, log):
        options = ["--model", "m", "--base-url", server.base_url, "--allow-host", host]
        options += ["--no-verify"]
        run = quaestor(home, "run", f"Order 3 at http://{host}/", *options, "--on-question", "deny")
        assert (run.returncode, run.stdout.strip()) == (0, "The order was not approved."), (
            run.stderr
        )
        assert not [line for line in log if line.startswith("POST")]
