"""Finds the key and the address of a model. Keys come from the environment or a file, never
from a setting, and go only to the host that they were configured for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import NotReady
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.llm import Profile
from orchestrator.settings import ModelSettings

OPENAI_URL = "https://api.openai.com/v1"
KEY_VARIABLES = ("QUAESTOR_API_KEY", "OPENAI_API_KEY")


def endpoint_of(models: ModelSettings, name: str, environ: Mapping[str, str]) -> Endpoint:
    """Where a model is asked, with its key. Raises NotReady when the key is missing."""
    base_url = models.base_url or environ.get("OPENAI_BASE_URL") or OPENAI_URL
    variable, key = find_key(models, environ)
    if key is None and base_url == OPENAI_URL:
        raise NotReady(
            f"no key for model {name!r} at {base_url}. Nothing was started, nothing was spent.",
            fix="set QUAESTOR_API_KEY or OPENAI_API_KEY, or name a local server with --base-url",
        )
    profile = None
    if models.window is not None or models.vision is not None:
        profile = Profile(window=models.window, vision=bool(models.vision))
    return Endpoint(
        model=name,
        base_url=base_url,
        api_key=key,
        key_env=variable,
        timeout_s=models.timeout_s,
        profile=profile,
    )


def find_key(models: ModelSettings, environ: Mapping[str, str]) -> tuple[str, str | None]:
    """The name of what holds the key, and the key. Raises NotReady for an unreadable file."""
    if models.api_key_file:
        path = Path(models.api_key_file).expanduser()
        try:
            return str(path), path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise NotReady(
                f"the key file {path} cannot be read: {error.strerror}",
                fix="correct models.api_key_file, or set QUAESTOR_API_KEY",
            ) from error
    names = (models.api_key_env,) if models.api_key_env else KEY_VARIABLES
    for name in names:
        if environ.get(name):
            return name, environ[name]
    return names[0], None
