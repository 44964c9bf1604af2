"""Where tracebacks go: a file in the home folder, made when the first one is written."""

from __future__ import annotations

import logging
from pathlib import Path


def log_bugs(home: Path, *, verbose: bool) -> Path:
    """Collect what is logged as an error in a file; `verbose` shows all logs on stderr too."""
    path = home / "failures.log"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = logging.FileHandler(path, encoding="utf-8", delay=True)
    file.setLevel(logging.ERROR)
    handlers: list[logging.Handler] = [file]
    if verbose:
        handlers.append(logging.StreamHandler())
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=handlers,
        force=True,
    )
    return path
