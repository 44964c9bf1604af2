"""What goes into the root tree. Two trees with the same fingerprint are interchangeable."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from importlib import resources

SUITE = "bookworm"
BASE_IMAGE = f"debian:{SUITE}-slim"
PYTHON = "3.11"
LAYOUT = 1
"""Raise it when the way a tree is put together changes without any list changing."""
DEBIAN = (
    "bash",
    "ca-certificates",
    "fonts-dejavu-core",
    "git",
    "jq",
    "poppler-utils",
    "python3",
    "ripgrep",
    "sqlite3",
    "tesseract-ocr",
)
PLATFORM = f"{platform.machine()}-manylinux_2_36"
"""The C library of bookworm is 2.36: newer wheels would not load."""
WHEELS = f"usr/local/lib/python{PYTHON}/dist-packages"
FOLDERS = ("workspace", "run/sbx", "proc", "dev", "sys", "tmp")
"""Mount points: the tree is read-only by the time something is mounted over it."""
TRIMMED = (
    "usr/share/doc/*",
    "usr/share/man/*",
    "usr/share/locale/*",
    "usr/share/info/*",
    "usr/share/bash-completion",
    "usr/share/gitweb",
    "usr/share/lintian",
    "var/cache/*",
    "var/lib/apt/lists/*",
    "var/lib/dpkg/info/*.md5sums",
    "var/log/*",
    f"{WHEELS}/bin",
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Debian packages and Python requirements, sorted."""

    debian: tuple[str, ...]
    python: tuple[str, ...]

    def fingerprint(self) -> str:
        """Short hash of all that decides the contents."""
        content = [LAYOUT, SUITE, PLATFORM, self.debian, self.python, FOLDERS, TRIMMED]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def recipe(packages: tuple[str, ...] = ()) -> Recipe:
    """Ours plus the user's: `name==1.2` is a Python package, `apt:name` a Debian one."""
    debian = {name.removeprefix("apt:") for name in packages if name.startswith("apt:")}
    python = {name for name in packages if not name.startswith("apt:")}
    listed = resources.files("sandbox") / "image" / "requirements.txt"
    lines = listed.read_text(encoding="utf-8").splitlines()
    ours = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
    return Recipe(tuple(sorted({*DEBIAN, *debian})), tuple(sorted(ours | python)))
