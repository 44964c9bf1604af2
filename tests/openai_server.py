"""A small real HTTP server that speaks chat completions, answers by a policy and logs everything.

In a test: `with serve(policy, mode="json", faults=[Fault(2, "503")]) as server: ...`, and
afterwards `server.log` is the oracle for what was sent, when, and how many tokens were counted.
As a process: `python tests/openai_server.py --request-policy module:function --port 8000`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import json
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path.cwd())]

from openai_faults import Abilities, Body, Fault, image_urls, message_for, refusal_by, refusal_for
from openai_forms import Recording, form_of, transcribed
from openai_http import Answer, listen
from openai_lies import CONFUSED, answer_probe, as_claimed, kept_tokens, shown_body
from openai_wire import from_request_policy, text_of

from orchestrator.models.llm import Completion
from orchestrator.models.tokens import IMAGE_TOKENS, PrefixCache

BodyPolicy = Callable[[Body], Completion | str]


@dataclass(slots=True)
class Entry:
    """One request as the server saw it. Times are seconds of `time.time()`."""

    n: int
    body: Body
    headers: dict[str, str]
    bytes: int
    in_flight: int
    came: float
    left: float = 0.0
    status: int = 0
    fault: str = ""
    reply: Body | None = None
    prompt_chars: int = 0
    shared_chars: int = 0
    images: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0

    @property
    def key(self) -> str:
        """The key that the client has shown."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def served(self) -> bool:
        """Whether a vendor would bill it."""
        return self.reply is not None


@dataclass(slots=True)
class Server:
    """A running server and its log; `errors` are the policy's own, raised when serving ends.
    A reply takes `delay_s`, and `token_s` for each of its tokens."""

    policy: BodyPolicy
    abilities: Abilities = field(default_factory=Abilities)
    faults: Sequence[Fault] = ()
    delay_s: float = 0.0
    log_file: Path | None = None
    port: int = 0
    token_s: float = 0.0
    log: list[Entry] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    cache: PrefixCache = field(default_factory=PrefixCache)
    in_flight: int = 0
    counts: float = 1.0  # of the prompt's tokens, as some servers leave out what was cached
    used: dict[int, int] = field(default_factory=dict)
    transcripts: Mapping[str, str] = field(default_factory=dict)
    """What is said in a recording, by the sha256 of its bytes."""
    recordings: list[Recording] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def served(self) -> list[Entry]:
        return [entry for entry in self.log if entry.served]

    def counted(self) -> tuple[int, int, int, int]:
        """Requests served, and their prompt, cached and completion tokens."""
        served = self.served
        return (
            len(served),
            sum(entry.prompt_tokens for entry in served),
            sum(entry.cached_tokens for entry in served),
            sum(entry.completion_tokens for entry in served),
        )

    def fault_for(self, entry: Entry) -> Fault | None:
        """The fault that this request meets, used up by it."""
        for number, fault in enumerate(self.faults):
            if isinstance(fault.match, int):
                hit = fault.match <= entry.n < fault.match + fault.times
            else:
                hit = self.used.get(number, 0) < fault.times and fault.match(entry.body)
            if hit:
                self.used[number] = self.used.get(number, 0) + 1
                return fault
        return None


@contextlib.contextmanager
def serve(
    policy: BodyPolicy,
    *,
    faults: Sequence[Fault] = (),
    delay_s: float = 0.0,
    log_file: Path | None = None,
    token_s: float = 0.0,
    transcripts: Mapping[str, str] | None = None,
    **abilities: Any,
) -> Iterator[Server]:
    """Run a server in a thread; keywords beside the named ones are fields of Abilities."""
    server = Server(policy, Abilities(**abilities), faults, delay_s, log_file, token_s=token_s)
    server.transcripts = transcripts or {}
    started, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    def announce() -> None:
        started.set()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run(server, stop, announce)))
    thread.start()
    started.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
    if server.errors:
        raise AssertionError("the policy raised:\n" + "\n".join(server.errors))


async def run(server: Server, stop: asyncio.Event, announce: Callable[[], None]) -> None:
    """Serve until `stop`."""

    def bound(port: int) -> None:
        server.port = port
        announce()

    async def handle(route: str, headers: dict[str, str], content: bytes) -> Answer:
        if route == "GET /v1/models":
            models = [{"id": "scripted", "object": "model"}]
            return Answer(200, {"object": "list", "data": models})
        if route == "POST /v1/audio/transcriptions":
            recording = form_of(headers, content)
            server.recordings.append(recording)
            return transcribed(recording, server.transcripts)
        if route != "POST /v1/chat/completions":
            return Answer(404, {"error": {"message": f"nothing at {route}"}})
        return await _logged(server, headers, content)

    await listen(handle, server.port, stop, bound)


async def _logged(server: Server, headers: dict[str, str], content: bytes) -> Answer:
    server.in_flight += 1
    entry = Entry(
        n=len(server.log) + 1,
        body=json.loads(content),
        headers=headers,
        bytes=len(content),
        in_flight=server.in_flight,
        came=time.time(),
    )
    server.log.append(entry)
    try:
        answer = await _complete(server, entry)
        entry.status = answer.status
        return answer
    finally:
        server.in_flight -= 1
        entry.left = time.time()
        if server.log_file:
            with server.log_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(entry)) + "\n")


async def _complete(server: Server, entry: Entry) -> Answer:
    fault = server.fault_for(entry)
    kind = entry.fault = fault.kind if fault else ""
    prompt = _count_prompt(entry, server.abilities)
    await asyncio.sleep(server.delay_s + (fault.seconds if fault and kind == "slow" else 0))
    refusal = refusal_for(fault, entry.body, entry.key) if fault else None
    refusal = refusal or refusal_by(server.abilities, entry.body, entry.prompt_tokens)
    if refusal:
        return Answer(refusal.status, refusal.body(), refusal.headers)
    if kind == "reset":
        return Answer(0, ending="reset")
    if kind == "error-in-200":
        return Answer(200, {"error": {"message": "Upstream overloaded", "code": 503}})
    body = shown_body(server.abilities, entry.body)
    try:
        played = answer_probe(body) or server.policy(body)
    except Exception:  # noqa: BLE001 - kept for the test, which raises it when serving ends
        if body is entry.body:
            server.errors.append(traceback.format_exc())
            return Answer(400, {"error": {"message": "the policy raised an error"}})
        played = CONFUSED  # a model that got half of a prompt says something, too
    reply = as_claimed(
        server.abilities, Completion(text=played) if isinstance(played, str) else played
    )
    message, finish = message_for(reply, kind, entry.body)
    sent = _reply(server, entry, prompt, message, finish)
    await asyncio.sleep(server.token_s * entry.completion_tokens)
    return _sent(sent, fault)


def _sent(body: Body, fault: Fault | None) -> Answer:
    """The reply on the wire, as far as a fault leaves it whole."""
    match fault.kind if fault else "":
        case "not-json":
            return Answer(200, "<html><body>It works!</body></html>")
        case "cut":
            return Answer(200, body, ending="cut")
        case "gzip-garbage":
            return Answer(200, body, headers=(("Content-Encoding", "gzip"),))
        case "wrong-type":
            return Answer(200, body, kind="text/html; charset=utf-8")
        case "null-choices":
            return Answer(200, {**body, "choices": None})
        case "no-usage":
            return Answer(200, {name: body[name] for name in body if name != "usage"})
        case "slow-body" if fault:
            return Answer(200, body, pause_s=fault.seconds)
        case _:
            return Answer(200, body)


def _reply(server: Server, entry: Entry, prompt: str, message: Body, finish: str) -> Body:
    calls = message.get("tool_calls", [])
    written = (message["content"] or message.get("refusal") or "") + "".join(
        call["function"]["name"] + call["function"]["arguments"] for call in calls
    )
    entry.shared_chars = server.cache.add(prompt)
    entry.cached_tokens = entry.shared_chars // 4 if server.abilities.reports_usage else 0
    entry.completion_tokens = -(-len(written) // 4)
    entry.reply = message
    body: Body = {
        "id": f"chatcmpl-{entry.n}", "object": "chat.completion", "created": int(entry.came),
        "model": entry.body.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }  # fmt: skip
    if server.abilities.reports_usage:
        body["usage"] = {
            "prompt_tokens": int(entry.prompt_tokens * server.counts),
            "completion_tokens": entry.completion_tokens,
            "total_tokens": entry.prompt_tokens + entry.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": entry.cached_tokens},
        }
    return body


def _count_prompt(entry: Entry, abilities: Abilities) -> str:
    """The text that a cache sees, in its order; counts it on the way."""
    body = entry.body
    texts = [json.dumps(body[name]) for name in ("tools", "response_format") if name in body]
    for message in body.get("messages", []):
        texts.append(text_of(message))
        for call in message.get("tool_calls") or []:
            texts.append(call["function"]["name"] + call["function"]["arguments"])
        entry.images += len(image_urls(message))
    prompt = "".join(texts)
    entry.prompt_chars = len(prompt)
    entry.prompt_tokens = -(-len(prompt) // 4) + entry.images * IMAGE_TOKENS
    entry.prompt_tokens = kept_tokens(abilities, entry.prompt_tokens)
    return prompt


def _load(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _fault(text: str) -> Fault:
    """`503@2x4` is four times 503 from the second request on."""
    kind, _, rest = text.partition("@")
    nth, _, times = rest.partition("x")
    return Fault(int(nth or 1), kind, int(times or 1))  # type: ignore[arg-type]


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--policy", help="module:function from a body to a reply")
    which.add_argument("--request-policy", help="module:function from our Request to a reply")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--mode", choices=["strict", "json", "text"], default="strict")
    parser.add_argument("--no-tools", action="store_true")
    parser.add_argument("--text-only", action="store_true")
    parser.add_argument(
        "--lies", action="append", default=[], choices=["format", "tools", "vision"]
    )
    parser.add_argument("--window", type=int)
    parser.add_argument("--keep-last", type=int)
    parser.add_argument("--delay-ms", type=int, default=0)
    parser.add_argument("--fault", type=_fault, action="append", default=[])
    args = parser.parse_args()
    policy = _load(args.policy) if args.policy else from_request_policy(_load(args.request_policy))
    abilities = Abilities(
        args.mode,
        tools=not args.no_tools,
        vision=not args.text_only,
        lies=frozenset(args.lies),
        window=args.window,
        keep_last=args.keep_last,
    )
    server = Server(policy, abilities, args.fault, args.delay_ms / 1000, args.log, args.port)
    await run(server, asyncio.Event(), lambda: print(f"serving {server.base_url}", flush=True))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
