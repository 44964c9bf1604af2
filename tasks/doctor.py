"""Examines this machine: each check measures something real and names the fix.

Order is dependency: what comes later may need what came before. A check never raises and never
takes longer than its time. What may be repaired is in `setup.py`.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from orchestrator.errors import NotReady, QuaestorError
from orchestrator.models.capability import Remembered
from orchestrator.models.presets import PRESETS
from sandbox.base import Launcher, Sandbox, SandboxSettings
from tasks.endpoints import OPENAI, OWN_VARIABLE
from tasks.model_probe import described, known_profiles
from tasks.model_servers import running_servers

CHECK_S = 20.0
LEAST_BYTES, FEW_BYTES = 200 << 20, 2 << 30
OLDEST_YEAR = 2026
Status = Literal["ok", "warn", "fail"]
NO_WAY_OUT = """
import socket
try:
    socket.create_connection(("1.1.1.1", 443), timeout=1)
    print("reached")
except OSError:
    print("no way out")
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `needs` names what `--fix` would have to set up."""

    name: str
    status: Status
    value: str
    fix: str = ""
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is examined."""

    home: Path
    journal_url: str | None
    environ: Mapping[str, str]


Examination = Callable[[Subject], Awaitable[Finding]]


async def examine(subject: Subject) -> AsyncIterator[Finding]:
    """Every finding as it comes; models at the end, one finding each."""
    for name, check in CHECKS:
        yield await _bounded(name, check, subject)
    for finding in await _models(subject):
        yield finding


async def _bounded(name: str, check: Examination, subject: Subject) -> Finding:
    try:
        async with asyncio.timeout(CHECK_S):
            return await check(subject)
    except TimeoutError:
        return Finding(name, "fail", f"no result within {CHECK_S:g} s", "look at its logs")
    except QuaestorError as error:
        return Finding(name, "fail", error.message, error.fix or "")
    except Exception as error:  # noqa: BLE001 - a broken check must not hide the others
        return Finding(name, "fail", f"{type(error).__name__}: {error}")


async def _python(_subject: Subject) -> Finding:
    return Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")


async def _install(_subject: Subject) -> Finding:
    """Another package may be called `agents` too; then the first one on the path wins."""
    import agents
    import orchestrator

    ours = Path(__file__).parents[1]
    for module in (agents, orchestrator):
        if Path(module.__file__ or "").parents[1] != ours:
            return Finding(
                "install",
                "fail",
                f"the package {module.__name__!r} of {module.__file__} is in the way",
                "install Quaestor into an environment of its own: uv tool install quaestor",
            )
    return Finding("install", "ok", str(ours))


async def _home(subject: Subject) -> Finding:
    try:
        subject.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = subject.home / ".doctor"
        probe.write_bytes(b"1")
        probe.unlink()
    except OSError as error:
        fix = "make it writable, or point QUAESTOR_HOME at another folder"
        return Finding("home", "fail", f"{subject.home}: {error.strerror}", fix)
    free = shutil.disk_usage(subject.home).free
    value = f"{subject.home}, {free / (1 << 30):.1f} GiB free"
    fix = "free some space; `quaestor gc` and `quaestor purge --older-than 30d` help"
    if free < LEAST_BYTES:
        return Finding("home", "fail", value, fix)
    return Finding(
        "home", "warn" if free < FEW_BYTES else "ok", value, fix if free < FEW_BYTES else ""
    )


async def _journal(subject: Subject) -> Finding:
    from orchestrator.journal import Journal
    from orchestrator.journal_schema import SCHEMA

    def look() -> int:
        journal = Journal.open(subject.home, url=subject.journal_url)
        try:
            return len(journal.newest(1000))
        finally:
            journal.close()

    count = await asyncio.to_thread(look)
    return Finding("journal", "ok", f"schema {SCHEMA}, {count} runs")


async def _docker(_subject: Subject) -> Finding:
    from sandbox.engine import Engine

    try:
        engine = await asyncio.to_thread(Engine.find)
    except NotReady as error:
        return Finding("docker", "warn", error.message, error.fix or "", needs="docker")
    return Finding("docker", "ok", engine.address)


async def _docker_box(_subject: Subject) -> Finding:
    return await _box("docker")


async def _bubblewrap_box(_subject: Subject) -> Finding:
    return await _box("bubblewrap")


async def _box(launcher: Launcher) -> Finding:
    """Start a real box, run a real block in it, and see that the block has no way out."""
    began = time.monotonic()
    name = f"sandbox {launcher}"
    try:
        async with Sandbox.open(SandboxSettings(launcher=launcher)) as box:
            result = await box.run(NO_WAY_OUT, "python")
            weak = [what for what, holds in box.protections.items() if not holds]
            about = box.describe()
    except NotReady as error:
        return Finding(name, "warn", error.message, error.fix or "", needs=launcher)
    if result.output.strip() != "no way out":
        value = f"a block could reach the network: {result.output.strip()[:80]}"
        return Finding(name, "fail", value, "do not run code with this engine")
    value = f"{about}; a block ran without network in {time.monotonic() - began:.1f} s"
    if weak:
        return Finding(name, "warn", f"{value}; not held: {', '.join(weak)}", "see SECURITY.md")
    return Finding(name, "ok", value)


async def _browser(subject: Subject) -> Finding:
    try:
        return await _browse()
    except NotReady as error:
        return Finding("browser", "warn", error.message, error.fix or "", needs="chromium")


async def _browse() -> Finding:
    """Open a page of our own through the proxy, and see that it denies what is not allowed."""
    from agents.web_surfer.browser import (
        WebSettings,
        find_chromium,
        open_browser,
        unboxed_because,
    )
    from sandbox.egress_policy import EgressPolicy
    from tasks.doctor_page import Page, served

    program = find_chromium()
    reason = await unboxed_because("auto")
    async with served(Page("allowed")) as allowed, served(Page("denied")) as denied:
        policy = EgressPolicy(allow=frozenset({f"127.0.0.1:{allowed.port}"}))
        began = time.monotonic()
        async with open_browser(WebSettings(policy=policy)) as browser:
            context = await browser.new_context("doctor", None)
            page = await context.new_page()
            await page.goto(f"http://127.0.0.1:{allowed.port}/")
            title = await page.title()
            seconds = time.monotonic() - began
            await page.goto(f"http://127.0.0.1:{denied.port}/")
    if title != "allowed":
        return Finding("browser", "fail", f"{program} showed {title!r}", "reinstall chromium")
    if denied.visits:
        return Finding("browser", "fail", "the proxy let a page through that it must deny")
    value = (
        f"{program} opened a page through the proxy in {seconds:.1f} s; a private page was denied"
    )
    if reason is not None:
        value += f"; NOT in a box of its own: {reason.message}"
        return Finding("browser", "warn", value, reason.fix or "", needs="browser box")
    return Finding("browser", "ok", f"{value}; it ran in a box without network")


async def _clock(_subject: Subject) -> Finding:
    now = datetime.now(UTC)
    stamp = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now.year < OLDEST_YEAR:
        return Finding("clock", "warn", f"{stamp} cannot be", "set the clock; TLS depends on it")
    return Finding("clock", "ok", stamp)


async def _terminal(subject: Subject) -> Finding:
    kind = subject.environ.get("TERM", "none")
    is_terminal = sys.stdin is not None and sys.stdin.isatty() and os.isatty(2)
    how = "questions can be asked here" if is_terminal else "no terminal: questions stop a run"
    return Finding("terminal", "ok", f"TERM={kind}; {how}")


async def _models(subject: Subject) -> list[Finding]:
    """Keys and local servers, each with the command that uses it. Nothing is spent."""
    found = []
    for variable, options in _keys_at_hand(subject.environ):
        key = subject.environ[variable]
        ends = f" (ends ..{key[-2:]})" if len(key) >= 8 else ""
        value = f'{variable} is set{ends}: quaestor run {options} "..."'
        found.append(Finding("model", "ok", value))
    for server in await running_servers():
        model = server.models[0] if server.models else "NAME"
        command = f'quaestor run --model {model} --base-url {server.base_url} "..."'
        value = f"{server.name} with {len(server.models)} models: {command}"
        found.append(Finding("model", "ok", value))
    found += [_remembered(key, one) for key, one in sorted(known_profiles(subject.home).items())]
    if not any(finding.name == "model" for finding in found):
        fix = "set OPENAI_API_KEY, or start a local server; without any: quaestor run --demo"
        found.append(Finding("model", "warn", "no key is set and no local server answers", fix))
    return found


def _keys_at_hand(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """The variables with a key, each with the options that use it."""
    where = environ.get("QUAESTOR_BASE_URL") or environ.get("OPENAI_BASE_URL", "")
    url = f" --base-url {where}" if where else ""
    options = {OWN_VARIABLE: f"--model NAME{url}"}
    for preset in PRESETS.values():
        options[preset.key_env] = f"--model {preset.name}:NAME"
    options[OPENAI.key_env] = f"--model NAME{url}"
    return [(name, how) for name, how in options.items() if environ.get(name)]


def _remembered(key: str, one: Remembered) -> Finding:
    """What earlier runs and probes have learned of an endpoint."""
    url, _, model = key.partition(" ")
    value = f"{model} at {url}: {described(one.traits)} (learned {one.learned:%Y-%m-%d})"
    fix = f"quaestor models probe --fresh --model {model} --base-url {url}"
    return Finding("profile", "warn" if one.traits.drops_head else "ok", value, fix)


CHECKS: tuple[tuple[str, Examination], ...] = (
    ("python", _python),
    ("install", _install),
    ("home", _home),
    ("journal", _journal),
    ("docker", _docker),
    ("sandbox docker", _docker_box),
    ("sandbox bubblewrap", _bubblewrap_box),
    ("browser", _browser),
    ("clock", _clock),
    ("terminal", _terminal),
)


def judged(findings: list[Finding]) -> list[Finding]:
    """The findings, with a failure added when there is no way at all to run code."""
    boxes = [finding for finding in findings if finding.name.startswith("sandbox ")]
    works = [finding for finding in boxes if finding.status != "fail" and not finding.needs]
    if works or not boxes:
        return findings
    worst = Finding("sandbox", "fail", "code cannot run here in isolation", boxes[0].fix)
    return [*findings, worst]
