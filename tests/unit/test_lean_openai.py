"""Importing the model's package loads few of its types, and all of them can still be had."""

from __future__ import annotations

import subprocess
import sys

LEAN = """
import sys
from orchestrator.models.lean_openai import load_types_when_used
load_types_when_used()
load_types_when_used()
import openai
print(len([name for name in sys.modules if name.startswith("openai.types")]))
"""
WHOLE = """
import sys, openai
print(len([name for name in sys.modules if name.startswith("openai.types")]))
"""


def said_by(program: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_a_fraction_of_the_types_is_loaded() -> None:
    (lean,), (whole,) = said_by(LEAN), said_by(WHOLE)
    assert int(lean) < int(whole) / 3


def test_a_type_is_the_one_of_its_module() -> None:
    program = """
from openai.types.chat import ChatCompletion
from openai.types.chat.chat_completion import ChatCompletion as Same
import openai.types.responses as responses
print(ChatCompletion is Same, openai.types.chat.ChatCompletion is Same)
print(responses.Response.__module__, hasattr(responses, "NoSuchThing"))
completion = ChatCompletion.model_validate({"id": "1", "choices": [], "created": 1, "model": "m",
    "object": "chat.completion"})
print(completion.id)
"""
    assert said_by(LEAN + program)[1:] == [
        "True", "True", "openai.types.responses.response", "False", "1",
    ]  # fmt: skip
