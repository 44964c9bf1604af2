"""Runs the code under test in a process of its own, and answers calls over a pipe.

Nothing here is trusted by the other side: this is where hostile code may do what it likes. Runs
inside the box.
"""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from typing import Any, BinaryIO

from tasks.benchmark.scorers.functional.values import NotPlain, decode, encode

Message = dict[str, Any]


def serve(lines: BinaryIO, write: int) -> None:
    """Define the function, then answer one call per line until the pipe is closed."""
    told = json.loads(lines.readline())
    resource.setrlimit(resource.RLIMIT_CPU, (told["cpu_s"], told["cpu_s"] + 1))
    functions: list[Callable[..., Any]] = []

    def begin() -> Message:
        functions.append(_defined(told["programs"], told["entry_point"]))
        return {"value": None}

    _reply(write, _attempt(begin))
    for line in lines:
        call = json.loads(line)
        _reply(write, _attempt(lambda call=call: _call(functions[0], call)))  # type: ignore[misc]


def _call(function: Callable[..., Any], call: Message) -> Message:
    given, named = decode(call["given"]), decode(call["named"])
    value = encode(function(*given, **named))
    return {"value": value, "given": encode(given)}


def _defined(programs: list[str], entry_point: str) -> Callable[..., Any]:
    """The function, from the first program that is Python at all."""
    for program in programs[:-1]:
        try:
            return _function(compile(program, "candidate", "exec"), entry_point)
        except SyntaxError:
            continue
    return _function(compile(programs[-1], "candidate", "exec"), entry_point)


def _function(code: Any, entry_point: str) -> Callable[..., Any]:
    space: dict[str, Any] = {"__name__": "candidate"}
    exec(code, space)  # noqa: S102 - this is what the box is for
    found: Callable[..., Any] = space[entry_point]
    return found


def _attempt(do: Callable[[], Message]) -> Message:
    try:
        return do()
    except NotPlain as error:
        return {"refused": str(error)}
    except BaseException as error:  # noqa: BLE001 - also SystemExit: the tests see what was raised
        return {"raised": type(error).__name__, "text": str(error)[:300]}


def _reply(write: int, message: Message) -> None:
    line = json.dumps(message).encode() + b"\n"
    while line:
        line = line[os.write(write, line) :]
