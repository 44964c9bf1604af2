"""Loads an agent's class or a tool's function from another installed package."""

from __future__ import annotations

import importlib

from orchestrator.errors import UsageError


def load(path: str, setting: str) -> object:
    """The object that `package.module:name` means. Raises UsageError naming the setting."""
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"{setting} = {path!r} cannot be loaded: {error}",
            fix="install the package into Quaestor's environment and give package.module:Name",
        ) from error
