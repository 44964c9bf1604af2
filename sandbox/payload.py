"""What the host sends into a box: supervisor and browser as command lines, readers as programs.

Their sources travel as text, so every image with Python 3.11 and the libraries can be a box, and
image and host never differ in version.
"""

from __future__ import annotations

import dataclasses
import json
from importlib import resources

from sandbox.inside.chromium import Start
from sandbox.inside.confine import Confinement

# The last of each is the program; the others are compiled when they are imported.
_SUPERVISOR = (
    *("inside.frames", "inside.seccomp", "inside.confine", "inside.files", "inside.counters"),
    *("inside.block", "inside.relay", "inside.probe", "supervisor"),
)
_CHROMIUM = ("inside.seccomp", "inside.confine", "inside.relay", "inside.chromium")
_READER = (
    *(
        "image.document",
        "image.kinds",
        "image.plain",
        "image.archives",
        "image.readers",
        "image.search",
    ),
    *("image.spans", "image.tables", "image.questions", "image.convert"),
)
_EXAMINER = (
    *("image.document", "image.kinds", "image.readers"),
    *("inside.forensics.times", "inside.forensics.content", "inside.forensics.shapes"),
    *("inside.forensics.rows", "inside.forensics.columns", "inside.forensics.unseen"),
    *("inside.forensics.mails", "inside.forensics.documents"),
    *("inside.forensics.tables", "inside.forensics.isolated", "inside.forensics.archives"),
    *("inside.forensics.wholes", "inside.forensics.gate", "inside.forensics.database"),
    *("inside.forensics.profile", "inside.forensics.places"),
    *("inside.forensics.intake", "inside.forensics.tools"),
    "inside.forensics.examine",
)
_PACKAGES = ("sandbox", "sandbox.inside", "sandbox.image", "sandbox.inside.forensics")
_LOAD = """\
import importlib, json, sys
from importlib.machinery import ModuleSpec
class Sources:
    def __init__(self, texts):
        self.texts = texts
    def find_spec(self, name, path=None, target=None):
        if name in self.texts:
            inner = any(other.startswith(name + ".") for other in self.texts)
            return ModuleSpec(name, self, is_package=inner)
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        exec(compile(self.texts[module.__name__], "<" + module.__name__ + ">", "exec"),
            module.__dict__)
sources = Sources(json.loads({sources}))
sys.meta_path.insert(0, sources)
importlib.import_module(list(sources.texts)[-1]).main()
"""


def supervisor(confinement: Confinement, python: str = "python3") -> list[str]:
    """What to execute as PID 1."""
    settings = json.dumps(dataclasses.asdict(confinement))
    load = _LOAD.format(sources="sys.argv.pop()")
    return [python, "-I", "-S", "-B", "-c", load, settings, _sources(_SUPERVISOR)]


def chromium(start: Start, python: str) -> list[str]:
    """What to execute in the browser's box; the browser's own command line follows it."""
    settings = json.dumps(dataclasses.asdict(start))
    load = _LOAD.format(sources="sys.argv.pop(1)")
    return [python, "-I", "-S", "-B", "-c", load, _sources(_CHROMIUM), settings]


def reader(request: str) -> str:
    """A Python program that answers a request about documents."""
    return _program(request, _READER)


def examiner(request: str) -> str:
    """A Python program that answers a request about a case's evidence."""
    return _program(request, _EXAMINER)


def _program(request: str, modules: tuple[str, ...]) -> str:
    # Not as an argument: those are at most 128 KiB long.
    return f"import sys\nsys.argv[1:] = [{request!r}]\n" + _LOAD.format(
        sources=repr(_sources(modules))
    )


def _sources(modules: tuple[str, ...]) -> str:
    package = resources.files("sandbox")
    packages = dict.fromkeys(_PACKAGES, "")
    texts = {
        f"sandbox.{name}": (package / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")
        for name in modules
    }
    return json.dumps(packages | texts)
