"""A private folder for a socket: the path of a Unix socket holds at most 107 bytes, and the usual
place for temporary files may lie deeper than that. Knows nothing of what will listen there.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import NotReady

LONGEST = 107
"""sizeof(sockaddr_un.sun_path) - 1 on Linux, see unix(7)."""
TAIL = 40
"""Room for the folder's own name and the socket's."""
PLACES = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - a folder of mode 0700 is made in it


@contextmanager
def short_folder(prefix: str, places: Sequence[str] = PLACES) -> Iterator[Path]:
    """A fresh folder that only this user can enter, removed at the end. Raises NotReady where no
    place is short enough and writable."""
    for place in (tempfile.gettempdir(), *places):
        if len(os.fsencode(place)) + TAIL <= LONGEST and os.access(place, os.W_OK | os.X_OK):
            with tempfile.TemporaryDirectory(
                prefix=prefix, dir=place, ignore_cleanup_errors=True
            ) as folder:
                yield Path(folder)
            return
    raise NotReady(
        f"no folder for temporary files has a path short enough for a socket ({LONGEST} bytes); "
        f"tried {', '.join((tempfile.gettempdir(), *places))}",
        fix="point TMPDIR at a writable folder with a short path: TMPDIR=/tmp quaestor run ...",
    )
