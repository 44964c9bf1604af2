"""Chromium: where it is, how it is started in its box, and that it has no way out but the proxy.

The one module that imports playwright. Knows nothing of pages; gives out one context per branch.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from orchestrator.errors import NotReady
from sandbox.browser_box import MEMORY_BYTES, BrowserBox, check, outlet, private_folder
from sandbox.egress import Egress, open_egress
from sandbox.egress_policy import EgressPolicy

if TYPE_CHECKING:
    from playwright.async_api import Browser as Chromium
    from playwright.async_api import BrowserContext as BrowserContext
    from playwright.async_api import Dialog as Dialog
    from playwright.async_api import Download as Download
    from playwright.async_api import ElementHandle as ElementHandle
    from playwright.async_api import FileChooser as FileChooser
    from playwright.async_api import Frame as Frame
    from playwright.async_api import JSHandle as JSHandle
    from playwright.async_api import Page as Page
    from playwright.async_api import Playwright
    from playwright.async_api import Request as Request
    from playwright.async_api import Response as Response
    from playwright.async_api import Route as Route
    from playwright.async_api import WebSocket as WebSocket

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autofill-server-url=about:blank",  # or the fields of every form are sent to a server
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",  # its name in older versions
)
# What Chromium asks by itself, unasked by any page: nobody's browsing is reported there.
OWN_SERVICES = frozenset(
    {
        "clients2.google.com",
        "connectivitycheck.gstatic.com",
        "content-autofill.googleapis.com",
        "optimizationguide-pa.googleapis.com",
        "safebrowsing.googleapis.com",
        "update.googleapis.com",
    }
)
# Without this chromium would reach loopback addresses past the proxy.
BYPASS_NOTHING = "<-loopback>"


Boxing = Literal["auto", "bubblewrap", "none"]
"""Whether Chromium runs in a box: where one can be made, always, or never."""
# What an unboxed Chromium gets of our environment: how to find and show things, never a key.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "XDG_RUNTIME_DIR", "FONTCONFIG_FILE")


@dataclass(frozen=True, slots=True)
class WebSettings:
    """How the browser is run. `policy` says what it may reach, `box` where it runs."""

    policy: EgressPolicy = field(default_factory=EgressPolicy)
    egress_log: Path | None = None
    chromium: Path | None = None
    box: Boxing = "auto"
    width: int = 1280
    height: int = 900
    locale: str = "en-US"
    timezone: str = "UTC"
    goto_seconds: float = 15.0
    observation_chars: int = 20_000
    max_download_bytes: int = 50 * 1024 * 1024
    memory_bytes: int = MEMORY_BYTES
    storage: Any = None


def find_chromium(configured: Path | None = None) -> Path:
    """The browser to start; raises NotReady with the way to get one."""
    named = configured or (
        Path(os.environ["QUAESTOR_CHROMIUM"]) if os.environ.get("QUAESTOR_CHROMIUM") else None
    )
    if named is not None:
        if named.is_file() and os.access(named, os.X_OK):
            return named
        raise NotReady(f"{named} is not a browser that can be started", fix="set QUAESTOR_CHROMIUM")
    for program in PROGRAMS:
        if found := shutil.which(program):
            return Path(found)
    downloaded = _playwright_download()
    if downloaded is not None:
        return downloaded
    raise NotReady(
        "no Chromium was found",
        fix="install the package chromium, or run `playwright install chromium`",
    )


def browser_error() -> type[Exception]:
    """What playwright raises, for `except` clauses of modules that must not import it."""
    from playwright.async_api import Error

    return Error


@dataclass(slots=True)
class Browser:
    """One Chromium for all branches; it is started when the first page is needed."""

    settings: WebSettings
    egress: Egress
    folder: Path
    _box: BrowserBox | None = None
    _chromium: Chromium | None = None
    _playwright: Playwright | None = None
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)  # one launch at a time

    @property
    def is_running(self) -> bool:
        """Whether Chromium was started and has not crashed."""
        return self._chromium is not None and self._chromium.is_connected()

    async def new_context(self, branch: str, storage: Any) -> BrowserContext:
        """A fresh context with its own cookies, whose traffic is logged under `branch`."""
        chromium = await self._running()
        credential = self.egress.credential(branch)
        return await chromium.new_context(
            accept_downloads=True,
            locale=self.settings.locale,
            permissions=[],
            proxy={
                "server": credential.server,
                "bypass": BYPASS_NOTHING,
                "username": credential.username,
                "password": credential.password,
            },
            service_workers="block",
            storage_state=storage,
            timezone_id=self.settings.timezone,
            viewport={"width": self.settings.width, "height": self.settings.height},
        )

    async def wait_for_end(self, seconds: float) -> None:
        """Until Chromium has ended, but no longer than this."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    async def close(self) -> None:
        """End Chromium and the driver behind it."""
        chromium, playwright = self._chromium, self._playwright
        self._chromium = self._playwright = None
        if chromium is not None:
            with contextlib.suppress(browser_error()):
                await chromium.close()
        if playwright is not None:
            await playwright.stop()
        if self._box is not None:
            await asyncio.to_thread(self._box.close)
            self._box = None

    async def _running(self) -> Chromium:
        async with self._starting:
            if self._chromium is not None and self._chromium.is_connected():
                return self._chromium
            program = find_chromium(self.settings.chromium)
            box = await self._boxed()
            if self._playwright is None:
                self._playwright = await _driver()
            try:
                self._chromium = await self._launched(self._playwright, program, box)
            except browser_error() as error:
                raise NotReady(
                    f"{program} does not start: {_reason(str(error))}",
                    fix="set QUAESTOR_CHROMIUM to another one, such as that of "
                    "`playwright install chromium` (a browser of a snap cannot be boxed)",
                ) from error
            self._ended = ended = asyncio.Event()
            self._chromium.on("disconnected", lambda _chromium: ended.set())
            return self._chromium

    async def _boxed(self) -> BrowserBox | None:
        if self._box is None and await unboxed_because(self.settings.box) is None:
            self._box = await BrowserBox.prepare(self.folder, self.settings.memory_bytes)
        return self._box

    async def _launched(
        self, playwright: Playwright, program: Path, box: BrowserBox | None
    ) -> Chromium:
        proxy: Any = {"server": self.egress.server_url, "bypass": BYPASS_NOTHING}
        if box is None:
            # Its own sandbox is all that is left between a flaw of it and this machine.
            return await playwright.chromium.launch(
                executable_path=program,
                args=FLAGS,
                chromium_sandbox=True,
                env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
                headless=True,
                proxy=proxy,
            )
        port = urlsplit(self.egress.server_url).port or 0
        return await playwright.chromium.launch(
            executable_path=box.program(program, port),
            args=FLAGS,
            chromium_sandbox=box.nested,
            downloads_path=box.downloads,
            env={},
            headless=True,
            proxy=proxy,
        )


async def _driver() -> Playwright:
    from playwright.async_api import async_playwright

    try:
        return await async_playwright().start()
    except Exception as error:  # playwright raises a bare Exception here
        raise NotReady(
            f"playwright's driver does not start: {error}",
            fix="install the library libatomic1 (`sudo apt-get install libatomic1`)",
        ) from error


@contextlib.asynccontextmanager
async def open_browser(settings: WebSettings) -> AsyncIterator[Browser]:
    """A browser behind its own proxy. Nothing is launched until the first page is needed."""
    policy = replace(settings.policy, closed_hosts=settings.policy.closed_hosts | OWN_SERVICES)
    with private_folder() as folder:
        way_out = outlet(folder) if sys.platform == "linux" else None
        async with open_egress(policy, settings.egress_log, socket_path=way_out) as egress:
            browser = Browser(settings, egress, folder)
            try:
                yield browser
            finally:
                await browser.close()


async def unboxed_because(boxing: Boxing) -> NotReady | None:
    """Why Chromium runs here without a box of its own; None if it has one. Raises NotReady where
    it must have one and cannot, and where it would run as root without."""
    reason = NotReady("web.box is none", fix="leave web.box at auto")
    if boxing != "none":
        try:
            await asyncio.to_thread(check)
        except NotReady as error:
            reason = error
        else:
            return None
    if boxing == "bubblewrap" or os.geteuid() == 0:
        why = "as root it is not started without one" if os.geteuid() == 0 else "it must have one"
        raise NotReady(f"Chromium has no box here, and {why}: {reason.message}", fix=reason.fix)
    return reason


def _reason(message: str) -> str:
    """The line of a failed launch that says why."""
    lines = [line.strip() for line in message.strip().splitlines() if line.strip()]
    telling = [line for line in lines if "[err]" in line]
    return (telling or lines or ["no reason was given"])[0]


def _playwright_download() -> Path | None:
    root = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or "~/.cache/ms-playwright").expanduser()
    found = sorted(root.glob("chromium-*/chrome-linux*/chrome"))
    found += sorted(root.glob("chromium-*/chrome-mac*/*.app/Contents/MacOS/*"))
    return found[-1] if found else None
