"""Checks, before the first model call, that everything a run needs is there.

A missing browser alone only switches the WebSurfer off, unless the task cannot do without it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from agents.web_surfer.closing import closed_hosts
from orchestrator.errors import NotReady, UsageError
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.llm import Usage
from orchestrator.models.prices import table_micros
from orchestrator.settings import Settings
from sandbox.base import SandboxSettings, available, ready
from sandbox.egress_policy import EgressPolicy
from tasks.alerts import webhook_of
from tasks.endpoints import endpoints_of, names_of

URL = re.compile(r"\bhttps?://", re.IGNORECASE)
UNBOXED = "Chromium runs without a box of its own: only its settings bind it to the proxy"
NEED_A_BOX = ("FileSurfer", "Coder", "ComputerTerminal")


async def ready_settings(
    settings: Settings, task: str, environ: Mapping[str, str] = os.environ
) -> tuple[Settings, tuple[str, ...]]:
    """The settings that can be kept here, and warnings. Raises UsageError and NotReady."""
    check_team(settings)
    check_hosts(settings)
    check_models(settings, environ)
    webhook_of(settings.notify, environ)
    await check_box(settings)
    missing, warnings = await browser_here(settings)
    if missing is None:
        return settings, warnings
    if URL.search(task) or settings.web.allow_hosts or settings.web.only_hosts:
        raise missing
    web = settings.web.model_copy(update={"enabled": False})
    warning = f"the WebSurfer is off: {missing.message}. To have it: {missing.fix}"
    return settings.model_copy(update={"web": web}), (warning,)


def check_models(settings: Settings, environ: Mapping[str, str]) -> None:
    """Raise for a model without a name, key, address, or, under a money limit, a price."""
    if settings.demo:
        return
    ears = (settings.models.audio,) if settings.models.audio else ()
    for chain in dict.fromkeys((*names_of(settings.models), *ears)):
        for endpoint in endpoints_of(settings, chain, environ):
            endpoint.check()
            if settings.limits.usd_micros is not None:
                _check_price(endpoint)


def _check_price(endpoint: Endpoint) -> None:
    if table_micros(endpoint.model, endpoint.base_url, Usage(prompt_tokens=1_000_000)) is None:
        raise UsageError(
            f"the price of {endpoint.model} at {endpoint.host} is not known, so usd= cannot be"
            " kept",
            fix="limit calls or tokens instead: --limit calls=120,tokens=2M",
        )


def check_hosts(settings: Settings) -> None:
    """Raise UsageError for a host that is not one."""
    web = settings.web
    EgressPolicy(
        allow=frozenset(web.allow_hosts),
        only_hosts=frozenset(web.only_hosts),
        closed_hosts=closed_hosts(web.closed_places),
    )


def check_team(settings: Settings) -> None:
    """Raise UsageError for an agent that is configured but does not exist."""
    from agents.roster import ROSTER

    for name, agent in settings.agents.items():
        if name not in ROSTER and agent.use is None:
            raise UsageError(
                f"there is no agent {name!r} to configure",
                fix=f"the agents are {', '.join(ROSTER)}; your own needs use = 'package:Class'",
            )


async def check_box(settings: Settings) -> None:
    """Raise NotReady when code cannot run, and name the launcher that would work."""
    if all(_is_off(settings, name) for name in NEED_A_BOX):
        return
    box = settings.sandbox
    try:
        await ready(SandboxSettings(launcher=box.launcher, image=box.image, runtime=box.runtime))
    except NotReady as error:
        others = [name for name in await available() if name != box.launcher]
        instead = f" Here `--sandbox {others[0]}` works." if others else ""
        raise NotReady(
            f"the sandbox is not ready: {error.message}", fix=f"{error.fix or ''}{instead}"
        ) from error


async def browser_here(settings: Settings) -> tuple[NotReady | None, tuple[str, ...]]:
    """Why the WebSurfer could not work, if it is on and could not; and what a person should know
    about where its browser runs."""
    from agents.web_surfer.browser import find_chromium, unboxed_because

    if not surfs(settings):
        return None, ()
    chosen = settings.web.chromium
    try:
        find_chromium(Path(chosen) if chosen else None)
        reason = await unboxed_because(settings.web.box)
    except NotReady as error:
        return error, ()
    if reason is None:
        return None, ()
    return None, (f"{UNBOXED} ({reason.message}). To have one: {reason.fix}",)


async def browser_protection(settings: Settings) -> str:
    """Where the browser of a run runs, in one word for its record."""
    from agents.web_surfer.browser import unboxed_because

    if not surfs(settings):
        return "off"
    try:
        return "bubblewrap" if await unboxed_because(settings.web.box) is None else "none"
    except NotReady:
        return "missing"


def surfs(settings: Settings) -> bool:
    """Whether there is a WebSurfer."""
    return settings.web.enabled and not _is_off(settings, "WebSurfer")


def _is_off(settings: Settings, name: str) -> bool:
    agent = settings.agents.get(name)
    return agent is not None and not agent.enabled
