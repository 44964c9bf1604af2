"""The command line that starts the supervisor: its source travels as an argument.

So every image with Python 3.11 can be a box, and image and host never differ in version.
"""

from __future__ import annotations

import dataclasses
import json
from importlib import resources

from sandbox.inside.confine import Confinement

_MODULES = ("frames", "seccomp", "confine", "files", "counters", "block", "relay", "probe")
_START = """\
import json, sys, types
for name, source in json.loads(sys.argv.pop()).items():
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = []
    exec(compile(source, "<" + name + ">", "exec"), module.__dict__)
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
sys.modules["sandbox.supervisor"].main()
"""


def command(confinement: Confinement, python: str = "python3") -> list[str]:
    """What to execute as PID 1."""
    settings = json.dumps(dataclasses.asdict(confinement))
    return [python, "-I", "-S", "-B", "-c", _START, settings, json.dumps(_sources())]


def _sources() -> dict[str, str]:
    """Modules by name, each after those that it imports."""
    package = resources.files("sandbox")
    inside = package / "inside"
    return {
        "sandbox": "",
        "sandbox.inside": "",
        **{
            f"sandbox.inside.{name}": (inside / f"{name}.py").read_text(encoding="utf-8")
            for name in _MODULES
        },
        "sandbox.supervisor": (package / "supervisor.py").read_text(encoding="utf-8"),
    }
