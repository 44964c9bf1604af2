"""Short questions to a model that show what its endpoint really does, and how to read the replies.

Pure: builds Requests and judges Completions. Asked by the client when a reply is doubtful, and by
`quaestor models probe`.
"""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass

from orchestrator.models.llm import Completion, Message, OutputSchema, Request, ToolSpec

ROLE = "probe"
SIDE = 96  # pixels; some models refuse pictures of less than 28
COLOURS = {
    "red": (220, 20, 20),
    "green": (20, 160, 40),
    "blue": (20, 40, 220),
    "yellow": (250, 220, 30),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
}
LOOK_UP = ToolSpec(
    name="look_up",
    description="Looks a word up in the dictionary.",
    parameters={
        "type": "object",
        "properties": {"word": {"type": "string"}},
        "required": ["word"],
        "additionalProperties": False,
    },
)
WEEKDAY = OutputSchema(
    name="weekday",
    json_schema={
        "type": "object",
        "properties": {"day": {"type": "string"}, "is_weekend": {"type": "boolean"}},
        "required": ["day", "is_weekend"],
        "additionalProperties": False,
    },
)


@dataclass(frozen=True, slots=True)
class Marks:
    """Two numbers, at the head of the instructions and of the first message."""

    first: int
    second: int

    @classmethod
    def draw(cls) -> Marks:
        """New ones, so that no reply can be a memory of an earlier one."""
        return cls(*random.sample(range(1000, 10_000), 2))

    def are_in(self, completion: Completion) -> bool:
        """Whether the model has read both back."""
        return str(self.first) in completion.text and str(self.second) in completion.text

    @property
    def question(self) -> str:
        """What the model is asked about them."""
        return (
            "This is a check of the connection. The instructions begin with a mark A and the first"
            " message begins with a mark B. Reply with the two numbers of these marks and nothing"
            " else; write `none` for a mark that you cannot see."
        )


def about_head(request: Request, marks: Marks) -> Request:
    """The same conversation, not shorter, with marks at its head and a question about them."""
    messages = [_marked(message, marks, request) for message in request.messages]
    left_out = len(str(request.output.json_schema)) if request.output else 0
    filler = "\n(The following line is filler.)\n" + "." * left_out if left_out else ""
    messages.append(Message(role="user", content=marks.question + filler))
    return Request(role=ROLE, messages=tuple(messages), tools=request.tools)


def about_marks(marks: Marks) -> Request:
    """The same question about a prompt that fits everywhere: can this model answer it at all?"""
    return about_head(
        Request(
            role=ROLE,
            messages=(
                Message(role="system", content="You answer exactly."),
                Message(role="user", content="A short conversation."),
            ),
        ),
        marks,
    )


def about_picture(sha256: str) -> Request:
    """What is in the picture of coloured bands?"""
    text = (
        "The picture shows three horizontal bands. Reply with their colours from top to bottom,"
        " in English, parted by commas, and nothing else."
    )
    return Request(role=ROLE, messages=(Message(role="user", content=text, images=(sha256,)),))


def about_tool() -> Request:
    """A question that calls for the one tool."""
    text = "Use the tool look_up to look up the word `quaestor`. Call it now; write nothing else."
    return Request(role=ROLE, messages=_talk(text), tools=(LOOK_UP,))


def about_schema() -> Request:
    """A question whose answer has a shape that the words of the prompt do not give away."""
    text = "Which day of the week follows Friday? Reply as JSON."
    return Request(role=ROLE, messages=_talk(text), output=WEEKDAY)


def picture(bands: tuple[str, str, str]) -> bytes:
    """A PNG of three horizontal bands."""
    rows = b"".join(
        b"\0" + bytes(COLOURS[band]) * SIDE for band in bands for _ in range(SIDE // len(bands))
    )
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def draw_bands() -> tuple[str, str, str]:
    """Three different colours; one guess in 120 is right by chance."""
    first, second, third = random.sample(sorted(COLOURS), 3)
    return first, second, third


def names_bands(completion: Completion, bands: tuple[str, str, str]) -> bool:
    """Whether the reply names the colours in their order, and no other."""
    words = completion.text.lower().replace(",", " ").replace(".", " ").split()
    return [word for word in words if word in COLOURS] == list(bands)


def _talk(text: str) -> tuple[Message, ...]:
    system = Message(role="system", content="You follow instructions exactly.")
    return system, Message(role="user", content=text)


def _marked(message: Message, marks: Marks, request: Request) -> Message:
    heads = {"system": f"[mark A: {marks.first}]\n", "user": f"[mark B: {marks.second}]\n"}
    head = heads.get(message.role)
    if head is None or _first(request, message.role) is not message:
        return message
    return message.model_copy(update={"content": head + message.content})


def _first(request: Request, role: str) -> Message | None:
    return next((message for message in request.messages if message.role == role), None)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
