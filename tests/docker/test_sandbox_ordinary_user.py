"""The same box without root: one mapped user, nothing to change to, still closed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import platformdirs

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import asyncio, json, os
from sandbox.base import Sandbox, SandboxSettings

async def main():
    async with Sandbox.open(SandboxSettings(launcher="bubblewrap")) as box:
        seen = {"uid": os.getuid(), "protections": box.protections}
        for name, code, language in CASES:
            result = await box.run(code, language, timeout_s=10)
            seen[name] = [result.cause, result.output[-200:]]
        await box.put("a/b", b"x")
        seen["files"] = [file.path for file in await box.files()]
        seen["restarts"] = box.restarts
        print(json.dumps(seen))

CASES = [
    ("who", "id -u", "bash"),
    ("attack", '''
import os, resource, signal
os.kill(1, signal.SIGKILL)
for name in ("mem", "fd/0", "fd/1", "environ"):
    try:
        os.close(os.open("/proc/1/" + name, os.O_RDWR if name == "mem" else os.O_RDONLY))
        print("OPENED", name)
    except OSError: pass
try:
    resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0)); print("LIMITED")
except OSError: pass
for place in ("/", "/etc", "/dev", "/usr"):
    try: open(place + "/x", "w"); print("WROTE", place)
    except OSError: pass
''', "python"),
    ("fork", "import os\\nwhile True: os.fork()", "python"),
    ("hog", "x = bytearray(3 << 30)\\nfor i in range(0, len(x), 4096): x[i] = 1", "python"),
    ("left", "setsid sleep 1000 & true", "bash"),
    ("after", "set -- /proc/[0-9]*; echo $#", "bash"),
]
asyncio.run(main())
"""


def test_an_ordinary_user_gets_a_closed_box_too() -> None:
    seen = _run_as_ordinary_user()
    assert seen["uid"] != 0
    assert {name for name, holds in seen["protections"].items() if not holds} == {
        "processor_limited"
    }
    assert seen["who"] == ["ok", "10001\n"]
    assert seen["attack"] == ["ok", ""]
    assert seen["fork"][0] == "too_many_processes"
    assert seen["hog"][0] == "out_of_memory"
    assert seen["after"] == ["ok", "2\n"]  # PID 1, bash
    assert (seen["files"], seen["restarts"]) == (["a/b"], 0)


def _run_as_ordinary_user() -> dict[str, Any]:
    """In this interpreter, or, when root runs the tests, as `nobody` in the system's own."""
    command = [sys.executable, "-c", PROGRAM]
    paths = [str(ROOT), str(Path(platformdirs.__file__).parents[1])]
    if os.getuid() == 0:
        become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        command = [*become, "/usr/bin/python3", "-B", "-c", PROGRAM]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(paths), "HOME": "/"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen
