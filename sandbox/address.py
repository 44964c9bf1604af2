"""Finds the container engine's address the way the engine's own client does. Opens nothing."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path


def candidates() -> list[str]:
    """Addresses to try, in order. One that a person chose is the only one."""
    chosen = os.environ.get("DOCKER_HOST") or _context()
    if chosen:
        return [chosen]
    home, runtime = (
        Path.home(),
        Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"),
    )
    places = (
        Path("/var/run/docker.sock"),
        runtime / "docker.sock",
        home / ".docker/run/docker.sock",
        runtime / "podman/podman.sock",
        Path("/run/podman/podman.sock"),
    )
    return [f"unix://{place}" for place in places if _exists(place)]


def _context() -> str | None:
    """The endpoint of the current `docker context`, if one is chosen."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    name = os.environ.get("DOCKER_CONTEXT")
    with suppress(OSError, ValueError, KeyError, TypeError):
        if not name:
            name = json.loads((folder / "config.json").read_text(encoding="utf-8"))[
                "currentContext"
            ]
        if name == "default":
            return None
        place = folder / "contexts/meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
        return str(json.loads(place.read_text(encoding="utf-8"))["Endpoints"]["docker"]["Host"])
    return None


def _exists(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:
        return False
