"""A corpus of malformed lead replies: no crash, at most one more call where it can be mended,
the validator's words in the retry, and never `answered` by accident."""

from __future__ import annotations

import json

import pytest
from harness import Bench, assign, finish, last_user
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.lead_reply import read_text
from orchestrator.models.llm import Completion, Request

GOOD = assign(("Echo", "look"))
CLOSED = [{"id": "p1", "state": "done"}, {"id": "p2", "state": "done"}]
DONE = finish(
    "The value is 444.",
    citations=[{"quote": "value 444", "evidence": ["1.1.1"]}],
    plan=CLOSED,
)
PARTS = json.loads(GOOD)


def without(name: str) -> str:
    return json.dumps({key: value for key, value in PARTS.items() if key != name})


def with_(**changes: object) -> str:
    return json.dumps({**PARTS, **changes})


# name -> (first reply, whether it can be read without asking again)
CORPUS: dict[str, tuple[str | Completion, bool]] = {
    "plain": (GOOD, True),
    "prose before": ("Sure, here is my decision:\n" + GOOD, True),
    "prose after": (GOOD + "\nLet me know if you need more.", True),
    "json fence": (f"```json\n{GOOD}\n```", True),
    "python fence": (f"```python\n{GOOD}\n```", True),
    "fence without end": (f"```json\n{GOOD}", True),
    "braces in prose": ("I {think} this is {right}: " + GOOD, True),
    "python literals": (GOOD.replace("false", "False").replace("true", "True"), True),
    "single quotes": (GOOD.replace('"', "'"), True),
    "trailing comma": (GOOD.replace("}]}", "},],}"), True),
    "last brace missing": (GOOD[:-1], True),
    "two closers missing": (GOOD[:-2], True),
    "said twice": (GOOD + "\n" + GOOD, True),
    "two different objects": (GOOD + "\n" + GOOD.replace("look", "listen"), False),
    "thinking then object": ('{"thought": "hm"}\n' + GOOD, True),
    "wrapped": (json.dumps({"reply": PARTS}), True),
    "a list around it": (f"[{GOOD}]", True),
    "answer objects": (with_(request_satisfied={"answer": False, "reason": "no"}), True),
    "string false": (with_(request_satisfied="false", in_loop="False"), True),
    "string no": (with_(request_satisfied="No"), True),
    "string true without answer": (with_(request_satisfied="true"), False),
    "zero and one": (with_(request_satisfied=0, making_progress=1), True),
    "null flags": (with_(request_satisfied=None, in_loop=None), True),
    "flag is prose": (with_(request_satisfied="almost"), False),
    "flag is a list": (with_(in_loop=[]), False),
    "missing satisfied": (without("request_satisfied"), True),
    "missing in_loop": (without("in_loop"), True),
    "missing assignments": (without("assignments"), False),
    "empty object": ("{}", False),
    "empty assignments": (with_(assignments=[]), False),
    "assignment is an object": (with_(assignments=PARTS["assignments"][0]), True),
    "assignment is text": (with_(assignments=["look it up"]), False),
    "no instruction": (with_(assignments=[{"id": "a", "agent": "Echo"}]), False),
    "empty instruction": (
        with_(assignments=[{"id": "a", "agent": "Echo", "instruction": " "}]),
        False,
    ),
    "assignment without id": (with_(assignments=[{"agent": "Echo", "instruction": "look"}]), True),
    "unknown agent": (GOOD.replace("Echo", "Nobody"), False),
    "agent in other case": (GOOD.replace("Echo", "echo "), True),
    "after itself": (
        with_(assignments=[{"id": "a", "agent": "Echo", "instruction": "x", "after": ["a"]}]),
        False,
    ),
    "after a stranger": (
        with_(assignments=[{"id": "a", "agent": "Echo", "instruction": "x", "after": ["z"]}]),
        False,
    ),
    "satisfied and assignments": (with_(request_satisfied=True, answer="444"), False),
    "satisfied without answer": (json.dumps({"request_satisfied": True}), False),
    "satisfied with empty answer": (json.dumps({"request_satisfied": True, "answer": "  "}), False),
    "bare answer": (json.dumps({"answer": "444"}), False),
    "bare text answer": ("The value is 444.", False),
    "cut in a string": (GOOD[: GOOD.index("look") + 2], False),
    "cut after a colon": (GOOD[: GOOD.index('"look"')], False),
    "cut by length": (Completion(text=GOOD, finish="length"), False),
    "empty": ("", False),
    "whitespace": (" \n\t ", False),
    "refusal": (Completion(text="I cannot help with that.", finish="refusal"), False),
    "filtered": (Completion(text="", finish="content_filter"), False),
    "tool call markup": ('<tool_call>{"name": "Echo", "arguments": {"x": 1}}</tool_call>', False),
    "facts are text": (with_(facts=["the sky is blue"]), True),
    "fact of unknown kind": (with_(facts=[{"text": "x", "kind": "rumour"}]), False),
    "plan is text": (with_(plan=["look", "say"]), True),
    "plan names a stranger": (with_(plan=[{"text": "look", "agent": "Nobody"}]), True),
    "answer is a number": (with_(answer=444), True),
    "a megabyte of text": ("word " * 200_000, False),
    "a megabyte of braces": ("{" * 1_000_000, False),
    "deep nesting": ('{"a":' * 5_000 + "1" + "}" * 5_000, False),
    "null bytes": ("\x00\x01" + GOOD, True),
    "lone surrogate": (GOOD.replace("{", '{"reason": "\\ud800", ', 1), True),
    "a number": ("42", False),
    "html": ("<html><body>502 Bad Gateway</body></html>", False),
}


@pytest.mark.parametrize("name", CORPUS)
async def test_a_malformed_reply_is_read_or_asked_for_once_more(bench: Bench, name: str) -> None:
    first, readable = CORPUS[name]
    shown: list[str] = []

    def lead(request: Request) -> str | Completion:
        shown.append(last_user(request))
        if len(shown) == 1:
            return first
        return DONE if "seen for look" in shown[-1] else GOOD

    outcome = await bench.run(lead)
    assert outcome.outcome == "answered"
    assert outcome.answer == "The value is 444."
    assert outcome.spent.calls == (2 if readable else 3)
    if not readable:
        problems = read_problems(first)
        assert problems
        assert all(problem in shown[1] for problem in problems)


def read_problems(first: str | Completion) -> tuple[str, ...]:
    from orchestrator.lead_reply import read_reply

    completion = first if isinstance(first, Completion) else Completion(text=first)
    return read_reply(completion, ["Echo"]).problems


@pytest.mark.parametrize("name", [name for name, (_, readable) in CORPUS.items() if not readable])
async def test_a_reply_that_stays_malformed_never_becomes_an_answer(
    bench: Bench, name: str
) -> None:
    first, _readable = CORPUS[name]
    outcome = await bench.run(lambda _request: first)
    assert outcome.outcome == "gave_up"
    assert outcome.answer is None


def test_the_corpus_is_large_enough() -> None:
    assert len(CORPUS) >= 40


@given(st.text(max_size=2_000))
def test_any_text_is_read_or_refused_with_words(text: str) -> None:
    reading = read_text(text, ["Echo"])
    assert (reading.reply is None) == bool(reading.problems)


@given(st.integers(0, len(DONE)), st.sampled_from(["", "}", "]", "```", "\n{}", "\x00"]))
def test_no_cut_of_a_final_reply_changes_the_answer(at: int, rest: str) -> None:
    reading = read_text(DONE[:at] + rest, ["Echo"])
    if reading.reply is not None:
        assert reading.reply.answer == "The value is 444."
