"""Catches an endpoint that lies about its abilities, by what comes back.

It takes `response_format` and ignores it, takes tools and answers with prose, takes pictures and
does not see them, takes a long prompt and drops its head: none of these is an error to the
endpoint. What is caught is given up and remembered, and the run goes on. Knows nothing of HTTP;
every further request goes through the line that the caller lends, which counts it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from orchestrator.models import questions
from orchestrator.models.capability import Traits
from orchestrator.models.chat_body import Body, shape_of
from orchestrator.models.faults import Rejected
from orchestrator.models.head_watch import HeadWatch
from orchestrator.models.llm import Completion, Request
from orchestrator.models.questions import Marks

TOOL_DOUBTS, FORMAT_DOUBTS = 1, 2
RAISE_WINDOW = (
    "let the server keep more (Ollama: OLLAMA_CONTEXT_LENGTH=32768 in its environment, or"
    " `PARAMETER num_ctx 32768` in the Modelfile; llama.cpp: -c 32768; LM Studio: the context"
    " length of the loaded model; vLLM: --max-model-len 32768); then"
    " `quaestor models probe --fresh`"
)


@dataclass(frozen=True, slots=True)
class Answered:
    """A completion with the body that asked for it, our estimate of its prompt, and what the
    endpoint has counted, both in tokens."""

    completion: Completion
    body: Body
    estimate: int
    counted: int | None


class Line(Protocol):
    """How further questions are put to the endpoint while one completion is under way."""

    @property
    def traits(self) -> Traits:
        """What is known of the endpoint by now."""
        ...

    async def ask(self, request: Request, traits: Traits) -> Answered:
        """One counted request. Raises Rejected."""
        ...

    async def has_room(self) -> bool:
        """Whether the limits allow one more."""
        ...

    def learn(self, change: Callable[[Traits], Traits]) -> None:
        """Remember something about the endpoint."""
        ...

    def note(self, fault: str, what: str, then: str, fix: str = "") -> None:
        """Tell of a lasting trouble."""
        ...

    def lend_picture(self, content: bytes) -> str:
        """Make a picture sendable; its name comes back."""
        ...


@dataclass(slots=True)
class SecondLooks:
    """What was doubted of one endpoint and model so far. `watches_head` is false where the
    window is public knowledge, so that a prompt that is too long is refused there."""

    watches_head: bool = True
    head: HeadWatch = field(default_factory=HeadWatch)
    without_tools: int = 0
    without_json: int = 0
    reads_marks: bool | None = None
    # Calls at the same time wait for what the first of them finds out about tools.
    _doubting: asyncio.Lock = field(default_factory=asyncio.Lock)

    def check_length(self, estimate: int) -> None:
        """Raise Rejected for a prompt whose head would be dropped."""
        if self.head.is_too_long(estimate):
            raise _too_long(self.head.window or estimate, f"about {estimate} tokens")

    async def look(self, request: Request, answered: Answered, line: Line) -> Answered:
        """The reply to go on with. Raises Rejected when the endpoint has read half the prompt."""
        await self._look_at_head(request, answered, line)
        answered = await self._look_at_tools(request, answered, line)
        self._look_at_format(answered, line)
        return answered

    async def prove_sight(self, line: Line) -> None:
        """Ask for the colours of a picture before the first picture of a task is sent."""
        if not line.traits.profile.vision or "vision" in line.traits.confirmed:
            return
        bands = questions.draw_bands()
        name = line.lend_picture(questions.picture(bands))
        seen = await _asked(questions.about_picture(name), line.traits, line)
        if seen is None:
            return
        if questions.names_bands(seen.completion, bands):
            line.learn(lambda traits: traits.confirming("vision"))
            return
        line.learn(lambda traits: traits.without("vision"))
        what = "it takes pictures and does not see what is in them"
        line.note("vision", what, "it gets text only")

    async def _look_at_head(self, request: Request, answered: Answered, line: Line) -> None:
        if not self.watches_head:
            return
        judged = self.head.judge(answered.estimate, answered.counted)
        if judged == "doubtful" and await self._head_arrived(request, line) is False:
            judged = "cut"
        elif judged == "doubtful" and self.reads_marks:
            self.head.note_whole(answered.estimate)
        if judged != "cut":
            return
        window = self.head.note_cut(answered.counted or 0)
        line.learn(lambda traits: traits.with_window(window, drops_head=True))
        what = f"of a prompt of about {answered.estimate} tokens it read the last {window} only"
        line.note("context_too_long", what, "prompts are kept shorter than that", RAISE_WINDOW)
        raise _too_long(window, what)

    async def _head_arrived(self, request: Request, line: Line) -> bool | None:
        """Whether the model can read marks at the head of this prompt; None if it reads none."""
        if self.reads_marks is False or not await line.has_room():
            return None
        plain = line.traits.without("tools")
        marks = Marks.draw()
        long = await _asked(questions.about_head(request, marks), plain, line)
        if long is None or marks.are_in(long.completion):
            self.reads_marks = True if long else self.reads_marks
            return True if long else None
        if self.reads_marks is None:
            marks = Marks.draw()
            short = await _asked(questions.about_marks(marks), plain, line)
            self.reads_marks = None if short is None else marks.are_in(short.completion)
        return False if self.reads_marks else None

    async def _look_at_tools(self, request: Request, answered: Answered, line: Line) -> Answered:
        if "tools" not in answered.body or "tools" in line.traits.confirmed:
            return answered
        reply = answered.completion
        if reply.tool_calls:
            line.learn(lambda traits: traits.confirming("tools"))
            return answered
        if reply.finish != "stop":
            return answered
        async with self._doubting:
            return await self._doubt_tools(request, answered, line)

    async def _doubt_tools(self, request: Request, answered: Answered, line: Line) -> Answered:
        """Ask with the tools in the prompt; once, or when that has shown that they are ignored."""
        if "tools" in line.traits.confirmed:
            return answered
        are_ignored = not line.traits.profile.tools
        if not are_ignored and self.without_tools >= TOOL_DOUBTS:
            return answered
        self.without_tools += 1
        told = await _asked(request, line.traits.without("tools"), line)
        if told is None or not (are_ignored or told.completion.tool_calls):
            return answered
        if not are_ignored:
            line.learn(lambda traits: traits.without("tools"))
            what = "it takes tools and answers as if it had none"
            line.note("tools", what, "tools are described in the prompt")
        return told

    def _look_at_format(self, answered: Answered, line: Line) -> None:
        asked = _asked_format(answered.body)
        reply = answered.completion
        if asked is None or asked in line.traits.confirmed or reply.finish != "stop":
            return
        if _is_object(reply.text):
            line.learn(lambda traits: traits.confirming(asked))
            return
        self.without_json += 1
        if self.without_json < FORMAT_DOUBTS:
            return
        self.without_json = 0
        line.learn(lambda traits: traits.without(asked))
        what = f"it takes response_format ({asked}) and ignores it"
        line.note(asked, what, "the shape of replies is described in the prompt")


async def _asked(request: Request, traits: Traits, line: Line) -> Answered | None:
    """The answer to a question that may as well go unanswered."""
    if not await line.has_room():
        return None
    try:
        return await line.ask(request, traits)
    except Rejected as rejected:
        refused = rejected.refused
        if refused is not None:
            line.learn(lambda known: known.without(refused))
        return None


def _asked_format(body: Body) -> Literal["json_schema", "json_mode"] | None:
    shape = shape_of(body)
    if shape.json_schema:
        return "json_schema"
    return "json_mode" if shape.json_mode else None


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _too_long(window: int, what: str) -> Rejected:
    said = f"the endpoint drops the head of prompts over {window} tokens without a word ({what})"
    return Rejected("context_too_long", said, window=window, fix=RAISE_WINDOW)
