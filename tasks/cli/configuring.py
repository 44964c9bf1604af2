"""What the config commands do. Secrets are shown by where they are and how they end."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.errors import QuaestorError
from orchestrator.settings import Settings
from tasks.cli.exits import ANSWERED
from tasks.cli.given import Where
from tasks.cli.opening import home_of, load_settings
from tasks.cli.streams import Streams, clean
from tasks.configuration import flattened, project_file, unknown_variables, user_file
from tasks.endpoints import main_key

ENDING = 2
SHORTEST_SHOWN = 8


def show_settings(where: Where, streams: Streams, *, origin: bool, as_json: bool) -> int:
    """Every setting, one per line or record."""
    resolved = load_settings([], where)
    values = flattened(resolved.settings)
    if values.get("journal_url"):
        values["journal_url"] = _without_password(str(values["journal_url"]))
    for key in sorted(values):
        if as_json:
            record = {"key": key, "value": values[key], "origin": resolved.origin(key)}
            streams.records.write(record)
        else:
            shown = f"{key} = {_shown(values[key])}"
            streams.out.line(f"{shown:<48} # {resolved.origin(key)}" if origin else shown)
    if not as_json:
        streams.out.line(f"key = {key_text(resolved.settings)}")
    return ANSWERED


def show_paths(where: Where, streams: Streams) -> int:
    """The files that are looked at, whether they are there, and the home folder."""
    named = where.config or os.environ.get("QUAESTOR_CONFIG")
    project = Path(named) if named else project_file(Path.cwd())
    user, home = user_file(os.environ), home_of(where.home, os.environ)
    for label, path in (("user", user), ("project", project), ("home", home)):
        there = "" if path is None or path.exists() else "  (not there)"
        streams.out.line(f"{label:<8} {path or 'none'}{there}")
    return ANSWERED


def check_settings(where: Where, streams: Streams) -> int:
    """Say that all is right; what is not has been raised by then."""
    resolved = load_settings([], where)
    for name in unknown_variables(os.environ):
        streams.err.line(f"warning: nothing reads the variable {name}")
    files = ", ".join(str(file.path) for file in resolved.files) or "no file"
    streams.out.line(f"ok: {files}")
    return ANSWERED


def key_text(settings: Settings) -> str:
    """Whether there is a key, where it is, and how it ends: enough to tell two apart."""
    try:
        key = main_key(settings, os.environ)
    except QuaestorError as error:
        return f"not readable ({error.message})"
    if key.value is None:
        return "not set"
    ends = f", ends ..{clean(key.value[-ENDING:])}" if len(key.value) >= SHORTEST_SHOWN else ""
    return f"set ({key.place}{ends})"


def _shown(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case list():
            return f"[{', '.join(clean(str(item)) for item in value)}]"
        case _:
            return clean(str(value))


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True)
