"""Where the key of an endpoint comes from: the environment, a file, the keyring, a command.

A key is never a setting, never stored and never printed. Which key belongs to which host is
decided in `endpoints.py`.
"""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from orchestrator.errors import NotReady
from orchestrator.settings import KeySettings

COMMAND_S = 30.0


@dataclass(frozen=True, slots=True)
class Key:
    """A key and the place that it came from, in words; None when that place is empty. `env` is
    the variable that a person would set."""

    place: str
    value: str | None = field(repr=False)
    env: str = ""


def configured_key(keys: KeySettings, environ: Mapping[str, str]) -> Key | None:
    """The key that the settings name a place for, if they do. Raises NotReady when that place
    cannot be read."""
    if keys.api_key_command:
        return Key(f"command {keys.api_key_command[0]}", _from_command(keys.api_key_command))
    if keys.api_key_file:
        path = Path(keys.api_key_file).expanduser()
        return Key(f"file {path}", _from_file(path))
    if keys.api_key_keyring:
        return Key(f"keyring {keys.api_key_keyring}", _from_keyring(keys.api_key_keyring))
    if keys.api_key_env:
        return key_in(environ, keys.api_key_env)
    return None


def key_in(environ: Mapping[str, str], *names: str) -> Key:
    """The key in the first of these variables that is set."""
    for name in names:
        if environ.get(name):
            return Key(f"env {name}", environ[name], env=name)
    return Key(f"env {names[0]}", None, env=names[0])


def _from_file(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise NotReady(
            f"the key file {path} cannot be read: {why}",
            fix="correct api_key_file, or set QUAESTOR_API_KEY",
        ) from None
    if stat.S_ISREG(mode) and mode & 0o077 and os.name == "posix":
        raise NotReady(
            f"the key file {path} can be read by others (mode {mode & 0o777:04o})",
            fix=f"chmod 600 {shlex.quote(str(path))}",
        )
    return _not_empty(text, f"the key file {path}")


@cache
def _from_command(argv: tuple[str, ...]) -> str:
    """The first line that a program writes, asked once per process. No shell; what it says on
    stderr is shown to nobody, since it may hold the key."""
    what = f"api_key_command ({argv[0]} ...)"
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S, check=False
        )
    except subprocess.TimeoutExpired:
        fix = "let it answer without asking anybody"
        raise NotReady(f"{what} gave no key within {COMMAND_S:g} s", fix=fix) from None
    except OSError as error:
        fix = "give the program and its arguments as a list, without a shell"
        raise NotReady(f"{what} cannot be started: {error.strerror}", fix=fix) from None
    if done.returncode:
        raise NotReady(f"{what} ended with code {done.returncode}", fix="run it by hand to see why")
    lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
    return _not_empty(lines[0].strip() if lines else "", what)


def _from_keyring(name: str) -> str:
    service, _, user = name.partition("/")
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise NotReady(
            "a key in the keyring needs the package `keyring`, which is not installed",
            fix="install it beside Quaestor: uv tool install 'quaestor[keyring]'",
        ) from None
    try:
        found = keyring.get_password(service, user or "quaestor")
    except KeyringError as error:
        raise NotReady(
            f"the keyring cannot be read: {type(error).__name__}",
            fix="unlock it, or use api_key_file or api_key_env",
        ) from None
    fix = f"keyring set {shlex.quote(service)} {shlex.quote(user or 'quaestor')}"
    return _not_empty(found or "", f"the keyring entry {name}", fix)


def _not_empty(text: str, what: str, fix: str = "") -> str:
    if not text:
        raise NotReady(f"{what} holds no key", fix=fix or "put the key there, alone on one line")
    return text
