"""Holds the tests and calls the code under test in another process; prints the verdict.

The verdict carries a word that only the host and this process know. This process cannot be read
by the other one (it is not dumpable), its job file is deleted before that one starts, and between
both go plain values only. So printing, exiting, patching `assert` or comparing equal to
everything does not pass. Runs inside the box.
"""

from __future__ import annotations

import builtins
import ctypes
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from tasks.benchmark.scorers.functional.values import decode, encode

MARK = "quaestor-verdict "
PR_SET_DUMPABLE = 4
REPLY_BYTES = 1 << 26
START = """\
import json, os, sys, types
lines = os.fdopen(int(sys.argv[1]), "rb")
for name, text in json.loads(lines.readline()):
    sys.modules[name] = module = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
module.serve(lines, int(sys.argv[2]))
"""
Job = dict[str, Any]


class Broken(Exception):
    """The code under test broke off, or gave what cannot be compared."""


class Candidate:
    """The function under test, called in its own process."""

    def __init__(self, job: Job) -> None:
        theirs_read, self._write = os.pipe()
        ours_read, theirs_write = os.pipe()
        folder = tempfile.mkdtemp()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", START, str(theirs_read), str(theirs_write)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs_read, theirs_write),
            env={"PATH": os.environ.get("PATH", ""), "HOME": folder},
        )
        os.close(theirs_read)
        os.close(theirs_write)
        self._replies = os.fdopen(ours_read, "rb")
        self._send(job["candidate_sources"])
        self._send({name: job[name] for name in ("programs", "entry_point", "cpu_s")})
        _value(self._receive())

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Call it. What it changes in a list, dict or set that it was given changes here too."""
        self._send({"given": encode(list(given)), "named": encode(named)})
        reply = self._receive()
        value = _value(reply)
        for own, theirs in zip(given, _decoded(reply.get("given")), strict=True):
            _take_over(own, theirs)
        return value

    def _send(self, message: Any) -> None:
        line = json.dumps(message).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._write, line) :]
        except BrokenPipeError as error:
            raise Broken(self._end()) from error

    def _receive(self) -> dict[str, Any]:
        line = self._replies.readline(REPLY_BYTES)
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Broken(self._end()) from error
        if not isinstance(reply, dict):
            raise Broken("it wrote over its own pipe")
        return reply

    def _end(self) -> str:
        self._process.kill()
        return "its process ended (exit, limit of processor time or memory)"


def main(job: Job) -> None:
    """Run the tests of a job and print one line with the verdict."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    verdict = {"word": job["word"], **_verdict(job)}
    os.write(out, f"\n{MARK}{json.dumps(verdict)}\n".encode())


def _verdict(job: Job) -> dict[str, Any]:
    space = _space(job["prompt"])
    try:
        candidate = Candidate(job)
        space[job["entry_point"]] = candidate
        exec(job["test"], space)  # noqa: S102 - the tests come from the suite, in the box
        space["check"](candidate)
    except Broken as error:
        return {"passed": False, "why": f"the code under test: {error}"}
    except BaseException as error:  # noqa: BLE001 - whatever the tests raise means not passed
        return {"passed": False, "why": f"{type(error).__name__}: {error}"[:300]}
    return {"passed": True, "why": "all tests passed"}


def _space(prompt: str) -> dict[str, Any]:
    """What the prompt defines besides the function: tests may use its imports and helpers."""
    for text in (prompt, f"{prompt}\n    pass\n"):
        space: dict[str, Any] = {"__name__": "tests"}
        try:
            exec(text, space)  # noqa: S102 - the prompt comes from the suite, in the box
        except Exception:  # noqa: BLE001, S112 - an unfinished prompt only offers no helpers
            continue
        return space
    return {"__name__": "tests"}


def _value(reply: dict[str, Any]) -> Any:
    if "value" in reply:
        return _decoded(reply["value"])
    if "refused" in reply:
        raise Broken(f"its result cannot be compared: {reply['refused']}"[:300])
    raised, text = str(reply.get("raised")), str(reply.get("text"))[:300]
    kind = getattr(builtins, raised, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        raise kind(text)
    raise Broken(f"it raised {raised}: {text}"[:300])


def _decoded(value: Any) -> Any:
    try:
        return decode(value)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Broken("it wrote over its own pipe") from error


def _take_over(own: Any, theirs: Any) -> None:
    change: dict[type, Callable[[], None]] = {
        list: lambda: own.__setitem__(slice(None), theirs),
        dict: lambda: (own.clear(), own.update(theirs))[0],
        set: lambda: (own.clear(), own.update(theirs))[0],
    }
    if type(own) is type(theirs) and type(own) in change and own != theirs:
        change[type(own)]()
