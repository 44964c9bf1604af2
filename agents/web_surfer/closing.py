"""Places that a run must not look at: a host with all below it, or a host with the start of a path.

The proxy closes whole hosts; what only a path tells apart is decided here, on the URL. Knows no
list of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

CLOSED = "closed for this run"


def closed_by(url: str, places: Iterable[str]) -> str | None:
    """The place that closes a URL, or None. A path counts in whole parts, however it is written:
    `example.org/data` closes `/data` and `/Data/x`, and not `/database`."""
    found = _place(url)
    if found is None:
        return None
    host, path = found
    for place in places:
        own_host, _, own_path = place.lower().rstrip("/").partition("/")
        if host != own_host and not host.endswith(f".{own_host}"):
            continue
        if not own_path or f"{path}/".startswith(f"/{own_path}/"):
            return place
    return None


def closed_hosts(places: Iterable[str]) -> frozenset[str]:
    """The places that are whole hosts, as the proxy's rules name them."""
    hosts = [place.strip("/") for place in places]
    return frozenset(name for host in hosts if "/" not in host for name in (host, f"*.{host}"))


def refusal(url: str, place: str) -> str:
    """What is said instead of the page."""
    return f"{CLOSED}: {urlsplit(url).netloc or url} (by the entry {place})"


def _place(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return None
    steps = [step for step in unquote(parts.path).lower().split("/") if step not in ("", ".")]
    return (host, f"/{'/'.join(steps)}") if host else None
