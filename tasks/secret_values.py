"""Reads the values of named secrets from where the configuration says they are.

Checks what can be checked without reading them: one source each, and an origin that nobody on the
way can listen to.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection, Mapping
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from agents.web_surfer.secrets import Secret, Vault
from orchestrator.errors import UsageError
from orchestrator.settings import SecretSettings, Settings

COMMAND_SECONDS = 30.0
PLAIN_NAME = re.compile(r"\w[\w.-]{0,39}")


def vault_of(settings: Settings, environ: Mapping[str, str]) -> Vault:
    """The secrets of a run; nothing is read yet. Raises UsageError for what is not right."""
    allowed = settings.web.allow_hosts
    return Vault(
        {
            name: Secret(name, _checked(name, entry, allowed), partial(_read, entry, environ))
            for name, entry in settings.secrets.items()
        }
    )


def _checked(name: str, entry: SecretSettings, allowed: Collection[str]) -> str:
    """The origin, if the entry is right."""
    sources = [source for source in (entry.env, entry.file, entry.command) if source]
    if not PLAIN_NAME.fullmatch(name) or len(sources) != 1:
        raise UsageError(
            f"secrets.{name} needs a plain name and exactly one of env, file and command",
            fix=f'[secrets.{name}] origin = "https://example.com", env = "VARIABLE"',
        )
    parts = urlsplit(entry.origin)
    bare = parts.hostname and not (parts.path.strip("/") or parts.query or parts.username)
    private = _is_loopback(parts.hostname or "") and parts.netloc in allowed
    if not bare or not (parts.scheme == "https" or (parts.scheme == "http" and private)):
        raise UsageError(
            f"secrets.{name}.origin = {entry.origin!r} is no origin that a secret may go to",
            fix="write https://HOST or https://HOST:PORT; http:// only for a loopback address that "
            "--allow-host names",
        )
    return f"{parts.scheme}://{parts.netloc}"


def _read(entry: SecretSettings, environ: Mapping[str, str]) -> str:
    """The value. Raises ValueError or OSError with words that do not hold it."""
    if entry.env:
        if not environ.get(entry.env):
            raise ValueError(f"the variable {entry.env} is not set")
        return environ[entry.env]
    if entry.file:
        return Path(entry.file).expanduser().read_text(encoding="utf-8").strip("\r\n")
    program = list(entry.command or ())
    try:
        done = subprocess.run(
            program, env=dict(environ), capture_output=True, timeout=COMMAND_SECONDS, check=True
        )
    except subprocess.SubprocessError as error:
        raise ValueError(f"{program[0]} did not give it ({type(error).__name__})") from None
    return done.stdout.decode("utf-8", "replace").split("\n", 1)[0].rstrip("\r")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
