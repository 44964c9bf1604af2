"""What runs first in the browser's box: a relay to the proxy's socket, then Chromium itself.

Uses the standard library alone, changes its user and becomes the browser: nothing of ours stays
but the relay. Everything that it decides by comes as settings from the host.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass

from sandbox.inside import relay, seccomp
from sandbox.inside.confine import become

PIPES = 5
"""stdin, stdout, stderr and the two ends of the debugging pipe; nothing else is let in."""
MOST_FILES = 1 << 16
PROFILE = "--user-data-dir="


@dataclass(frozen=True)
class Start:
    """How to begin. `port` is the box's own address of the proxy, `outlet` its socket. `uid` is
    None where there is no other user to change to. `filtered` asks for the system call filter,
    under which Chromium cannot make namespaces for a sandbox of its own."""

    port: int
    outlet: str
    profile: str
    uid: int | None
    filtered: bool


def main() -> None:
    """Become the program that the command line names after the settings."""
    start = Start(**json.loads(sys.argv[1]))
    os.closerange(PIPES, MOST_FILES)
    relay.carry(start.port, start.outlet, lambda: _enter(start))
    _enter(start)
    program, *arguments = sys.argv[2:]
    # The browser's driver has made a profile folder of its own, which is not in the box.
    arguments = [
        PROFILE + start.profile if argument.startswith(PROFILE) else argument
        for argument in arguments
    ]
    os.execv(program, [program, *arguments])  # noqa: S606 - no shell on purpose


def _enter(start: Start) -> None:
    if start.uid is not None:
        become(start.uid)
    if start.filtered and (program := seccomp.program()) is not None:
        seccomp.install(program)
    os.umask(0o077)
