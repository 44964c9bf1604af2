"""The processes below this one, as the host sees them, whatever box they are in."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def status_of(pid: int) -> dict[str, str]:
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return {}


def name_of(pid: int) -> str:
    return status_of(pid).get("Name", "")


def descendants(pid: int) -> list[int]:
    numbers = [int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit()]
    parents = {one: int(status_of(one).get("PPid", "0")) for one in numbers}
    found, waiting = list[int](), [pid]
    while waiting:
        parent = waiting.pop()
        children = [child for child, its in parents.items() if its == parent]
        found += children
        waiting += children
    return found


def chromium_of(pid: int) -> int:
    """The browser process itself, without its children and its launcher."""
    (found,) = (
        one
        for one in descendants(pid)
        if "chromium" in name_of(one)
        and status_of(one)["State"][0] != "Z"
        and b"--type=" not in Path(f"/proc/{one}/cmdline").read_bytes()
        and b"--remote-debugging-pipe" in Path(f"/proc/{one}/cmdline").read_bytes()
        and b"--user-data-dir=/tmp/profile" in Path(f"/proc/{one}/cmdline").read_bytes()
    )
    return found
