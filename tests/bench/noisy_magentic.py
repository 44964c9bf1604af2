"""The scripted model of Magentic-One's protocol with a rate of bad decisions, seeded by the task.

A task ends with a mark such as `(Run 0.10/17.)`: the rate and the seed of its noise. Each reply of
the lead and of a worker is spoiled with that probability, in one of the ways that fit it. Draws are
independent: the same prompt asked again is spoiled anew.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from openai_faults import Body
from openai_wire import text_of
from play_magentic import play

from orchestrator.models.llm import Completion, ToolCall

MARK = re.compile(r"\(Run ([\d.]+)/(\d+)\.\)")
VAGUE = "Please go on with the next part."
OTHERS = ("FileSurfer", "Coder", "ComputerTerminal")
REFUSAL = "I'm sorry, but I can't help with that."
NO_SUCH_FILE = '{"path": "no-such-file.txt"}'
PROSE = "Here is my assessment of the progress:\n{}\nLet us go on."


def marked(task: str, rate: float, seed: int) -> str:
    """A task that says how noisy its model is."""
    return f"{task} (Run {rate:.2f}/{seed}.)"


@dataclass(slots=True)
class Noisy:
    """A policy over bodies; `spoiled` counts what was done, by kind."""

    spoiled: Counter[str] = field(default_factory=Counter)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __call__(self, body: Body) -> Completion | str:
        told = "\n".join(text_of(message) for message in body["messages"])
        found = MARK.search(told)
        reply = play(body)
        if found is None:
            return reply
        run = (found[1], found[2])
        self.calls[run] += 1
        draw = random.Random(f"{run} {self.calls[run]}")
        if draw.random() >= float(found[1]):
            return reply
        kind, worse = draw.choice(_ways(reply, body))
        self.spoiled[kind] += 1
        return worse(draw)


Way = tuple[str, Callable[[random.Random], Completion | str]]


def _ways(reply: Completion | str, body: Body) -> list[Way]:
    """Everything that can go wrong with this reply."""
    text = reply if isinstance(reply, str) else reply.text
    if '"is_request_satisfied"' in text:
        return _lead_ways(json.loads(text), text)
    ways: list[Way] = [("empty", lambda _draw: ""), ("refusal", lambda _draw: REFUSAL)]
    if isinstance(reply, Completion) and reply.tool_calls:
        call = reply.tool_calls[0]
        return [
            *ways,
            ("unknown_tool", lambda _draw: _called(call, "look_around", call.arguments)),
            (
                "bad_argument",
                lambda _draw: _called(call, call.name, '{"path": "no-such-file.txt"}'),
            ),
        ]
    if "```python" in text:
        return [
            *ways,
            ("raising_code", lambda _draw: text.replace("print(", "print(undefined_name, ")),
            ("no_language", lambda _draw: text.replace("```python", "```")),
            ("two_blocks", lambda _draw: f"First:\n```python\nprint('hello')\n```\n{text}"),
        ]
    return ways if "tools" in body else [("empty", lambda _draw: "")]


def _lead_ways(ledger: dict[str, dict[str, object]], text: str) -> list[Way]:
    satisfied = ledger["is_request_satisfied"]["answer"]

    def having(**answers: object) -> str:
        return json.dumps({
            key: {**entry, "answer": answers.get(key, entry["answer"])}
            for key, entry in ledger.items()
        })  # fmt: skip

    ways: list[Way] = [
        ("cut_json", lambda draw: text[: draw.randint(20, len(text) - 20)]),
        (
            "prose_json",
            lambda _draw: f"Here is my assessment of the progress:\n{text}\nLet us go on.",
        ),
        ("string_bool", lambda _draw: having(is_request_satisfied=str(satisfied).lower())),
        ("false_stall", lambda _draw: having(is_progress_being_made=False, is_in_loop=True)),
    ]
    if satisfied:
        return ways
    speaker = ledger["next_speaker"]["answer"]
    others = [name for name in OTHERS if name != speaker]
    return [
        *ways,
        ("false_done", lambda _draw: having(is_request_satisfied=True)),
        ("wrong_agent", lambda draw: having(next_speaker=draw.choice(others))),
        ("unknown_agent", lambda _draw: having(next_speaker="Researcher")),
        ("vague", lambda _draw: having(instruction_or_question=VAGUE)),
    ]


def _called(call: ToolCall, name: str, arguments: str) -> Completion:
    made = call.model_copy(update={"name": name, "arguments": arguments})
    return Completion(text="", tool_calls=(made,))
