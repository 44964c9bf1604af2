"""What a dishonest chat completions server does, and how its model answers questions about it.

Part of the scripted server. The model sees what is left of a request once the server has dropped
what it claims to understand; the answers to a client's questions come from that, never from
knowing what the client wants to hear.
"""

from __future__ import annotations

import base64
import json
import re
import zlib

from openai_faults import Abilities, Body, image_urls
from openai_wire import text_of

from orchestrator.models.llm import Completion, ToolCall
from orchestrator.models.questions import COLOURS, SIDE

CONFUSED = "It looks like you have shared some text. What would you like me to do with it?"
MARK = re.compile(r"\[mark [AB]: (\d+)\]")
CHARS_PER_TOKEN = 4


def shown_body(abilities: Abilities, body: Body) -> Body:
    """What the model gets to see; the very same body where nothing is dropped."""
    shown = body
    if "vision" in abilities.lies and any(map(image_urls, body["messages"])):
        shown = {**shown, "messages": [_blind(message) for message in shown["messages"]]}
    if abilities.keep_last:
        shown = _tail(shown, kept_tokens(abilities, _length(shown)) * CHARS_PER_TOKEN)
    return shown


def kept_tokens(abilities: Abilities, tokens: int) -> int:
    """How many tokens of a prompt are read."""
    if abilities.keep_last is None or tokens <= abilities.keep_last:
        return tokens
    return abilities.keep_last // 2 + 2 if abilities.half else abilities.keep_last


def as_claimed(abilities: Abilities, reply: Completion) -> Completion:
    """The reply of a model that was not told of what its server claims to pass on."""
    if "tools" in abilities.lies and reply.tool_calls:
        names = " and ".join(call.name for call in reply.tool_calls)
        return Completion(text=f"{reply.text} I would now use {names} to find out.".strip())
    if "format" in abilities.lies and reply.text.lstrip().startswith("{"):
        text = f"Sure, here is what you asked for:\n```json\n{reply.text}\n```\nAnything else?"
        return reply.model_copy(update={"text": text})
    return reply


def answer_probe(body: Body) -> Completion | None:
    """The reply to a question about the connection, by what the model sees; None for others."""
    asked = text_of(body["messages"][-1])
    if "a check of the connection" in asked:
        seen = [mark for message in body["messages"] for mark in MARK.findall(text_of(message))]
        return Completion(text=" ".join(seen) or "none")
    if "three horizontal bands" in asked:
        pictures = [url for message in body["messages"] for url in image_urls(message)]
        return Completion(text=", ".join(_bands(pictures[0])) if pictures else "A cat.")
    if "Use the tool look_up" in asked:
        call = ToolCall(id="c1", name="look_up", arguments='{"word": "quaestor"}')
        written = (
            '<tool_call>\n{"name": "look_up", "arguments": {"word": "quaestor"}}\n</tool_call>'
        )
        if "tools" in body:
            return Completion(text="", tool_calls=(call,))
        return Completion(
            text=written if "look_up" in str(body["messages"][0]) else "A magistrate."
        )
    if "follows Friday" in asked:
        shaped = "response_format" in body or "is_weekend" in str(body["messages"])
        return Completion(
            text=json.dumps({"day": "Saturday", "is_weekend": True}) if shaped else "Saturday"
        )
    return None


def _bands(data_url: str) -> list[str]:
    """The colours of a PNG of horizontal bands, read from its pixels."""
    content = base64.b64decode(data_url.partition("base64,")[2])
    start = content.index(b"IDAT")
    length = int.from_bytes(content[start - 4 : start])
    pixels = zlib.decompress(content[start + 4 : start + 4 + length])
    names = {value: name for name, value in COLOURS.items()}
    row = 1 + 3 * SIDE
    middles = [row * (SIDE * part // 6) + 1 for part in (1, 3, 5)]
    return [names[tuple(pixels[at : at + 3])] for at in middles]


def _blind(message: Body) -> Body:
    return {**message, "content": text_of(message)} if image_urls(message) else message


def _length(body: Body) -> int:
    texts = [json.dumps(body[name]) for name in ("tools", "response_format") if name in body]
    texts += [text_of(message) + _written(message) for message in body["messages"]]
    return -(-sum(map(len, texts)) // CHARS_PER_TOKEN)


def _tail(body: Body, room: int) -> Body:
    """The newest messages that fit; of the one that does not fit, its end."""
    if _length(body) * CHARS_PER_TOKEN <= room:
        return body
    kept: list[Body] = []
    for message in reversed(body["messages"]):
        size = len(text_of(message)) + len(_written(message))
        if size > room:
            if message["role"] == "user" and room:
                kept.append({"role": "user", "content": text_of(message)[-room:]})
            break
        kept.append(message)
        room -= size
    while kept and kept[-1]["role"] != "user":  # a result without its call is no conversation
        kept.pop()
    messages = kept[::-1] or [{"role": "user", "content": ""}]
    return {**{name: body[name] for name in body if name != "tools"}, "messages": messages}


def _written(message: Body) -> str:
    calls = message.get("tool_calls") or []
    return "".join(call["function"]["name"] + call["function"]["arguments"] for call in calls)
