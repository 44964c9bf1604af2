"""What a surfer needs from its surroundings, injected so that it can be used alone.

Without them it fails closed: nothing risky is approved, nothing is saved, nothing is uploaded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from agents.web_surfer.provenance import Trust
from agents.web_surfer.secrets import Vault
from orchestrator.errors import ToolFailed

Approve = Callable[[dict[str, Any]], Awaitable[bool]]
Save = Callable[[str, bytes], Awaitable[str]]
Load = Callable[[str], Awaitable[bytes]]
KeepImage = Callable[[bytes], str]


async def approve_nothing(details: dict[str, Any]) -> bool:
    """Deny."""
    return False


async def save_nowhere(name: str, content: bytes) -> str:
    """Refuse to save."""
    raise ToolFailed(f"{name} was not saved: there is no workspace here")


async def load_nothing(path: str) -> bytes:
    """Refuse to read."""
    raise ToolFailed(f"{path} cannot be read: there is no workspace here")


def keep_no_image(content: bytes) -> str:
    """Refuse to keep a picture."""
    raise ToolFailed("pictures are not available here")


@dataclass(frozen=True, slots=True)
class Ports:
    """`approve` may answer or raise; `save` returns the workspace path; `keep_image` the sha256.
    `trust` is shared by all branches of a run, `secrets` are typed and masked by name.
    `closed_places` are never looked at. `sees`: whether pictures are of use to the reader.
    `room`: characters of one observation."""

    approve: Approve = approve_nothing
    save: Save = save_nowhere
    load: Load = load_nothing
    keep_image: KeepImage = keep_no_image
    trust: Trust = field(default_factory=Trust)
    secrets: Vault = field(default_factory=Vault)
    closed_places: tuple[str, ...] = ()
    sees: bool = False
    room: int = 20_000
