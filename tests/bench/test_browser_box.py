"""What the browser's box costs: the same Chromium in it and without it, taking turns in one run.

The table is for reading; asserted is only that the box does not multiply the time of a launch.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from playwright.async_api import Playwright, async_playwright

from agents.web_surfer.browser import FLAGS, find_chromium
from sandbox.browser_box import BrowserBox, private_folder

LAUNCHES = 7
PORT = 4000


async def test_a_boxed_launch_beside_an_open_one() -> None:
    times: dict[str, list[tuple[float, float]]] = {"boxed": [], "open": []}
    with private_folder() as folder:
        box = await BrowserBox.prepare(folder)
        program = find_chromium()
        boxed = {
            "executable_path": box.program(program, PORT),
            "chromium_sandbox": box.nested,
            "downloads_path": box.downloads,
            "env": {},
        }
        bare = {"executable_path": program, "chromium_sandbox": False}
        async with async_playwright() as playwright:
            for _ in range(LAUNCHES):
                times["boxed"].append(await _timed(playwright, boxed))
                times["open"].append(await _timed(playwright, bare))
    medians = {
        name: [statistics.median(part) for part in zip(*seen, strict=True)]
        for name, seen in times.items()
    }
    print("\n              launch   first page   (seconds, median)")
    for name, (launch, page) in medians.items():
        print(f"{name:12}  {launch:6.2f}   {page:10.2f}")
    assert medians["boxed"][0] < 5 * medians["open"][0]


async def _timed(playwright: Playwright, settings: dict[str, Any]) -> tuple[float, float]:
    began = time.monotonic()
    chromium = await playwright.chromium.launch(args=FLAGS, headless=True, **settings)
    launched = time.monotonic()
    page = await chromium.new_page()
    await page.goto("data:text/html,<h1>here</h1>")
    shown = time.monotonic()
    await chromium.close()
    return launched - began, shown - launched
