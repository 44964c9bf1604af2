"""How long the page of a batch takes: written from a thousand case folders, opened, filtered and
sorted in a real browser, beside a page of a hundred. Ratios within one run, no limits."""

from __future__ import annotations

import time
from pathlib import Path

from forensics_values import FOR, all_of, intake_of, material_of, ran
from performance_page import ratio, show
from playwright.sync_api import Browser, sync_playwright

from agents.web_surfer.browser import find_chromium
from tasks.forensics.batch_results import write_batch_page
from tasks.forensics.folder import Folder, State
from tasks.forensics.manifest import Case
from tasks.forensics.reporting.content import CaseReport, report_of
from tasks.forensics.reporting.overlaps import CaseMarks

SIZES = (100, 1_000)
READY = "performance.getEntriesByType('navigation')[0].domInteractive"
TIMED = """(() => {{
    const began = performance.now();
    {}
    document.body.offsetHeight;
    return performance.now() - began;
}})()"""
FILTERED = """const choice = document.querySelector("[data-filter=review]");
    choice.selectedIndex = 1;
    choice.dispatchEvent(new Event("change"));"""
SORTED = "document.querySelectorAll('#cases th button')[12].click();"


def folders(out: Path, count: int) -> list[Case]:
    """Case folders as a batch leaves them, with a device that two cases share here and there."""
    intake = intake_of()
    report = report_of(
        material_of([ran(name, FOR[name], intake) for name in all_of("last-click-hijack")], intake)
    )
    cases = []
    for number in range(count):
        name = f"case-{number:04}"
        folder = Folder(out / "cases" / name)
        folder.path.mkdir(parents=True)
        own: CaseReport = report.model_copy(update={"case_id": name})
        mark = {
            "kind": "device",
            "role": "signup.device",
            "value": f"d{number // 2 * (number % 10)}",
        }
        marks = {"case_id": name, "subject": f"P-{number}", "marks": [mark]}
        folder.write("report.json", own)
        folder.write("marks.json", CaseMarks.model_validate(marks))
        state = State(case_id=name, state="done", verdict=own.verdict.word, tokens=number * 7919)
        folder.write("state.json", state)
        cases.append(Case(case_id=name, question="q", evidence=("e",), subject=f"P-{number}"))
    return cases


def measured(browser: Browser, page_file: Path) -> dict[str, float]:
    """Milliseconds of a person's first acts on the page."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(page_file.as_uri())
    acts = {"filter": FILTERED, "sort": SORTED}
    found = {"interactive": float(page.evaluate(READY))}
    found |= {name: float(page.evaluate(TIMED.format(act))) for name, act in acts.items()}
    page.close()
    return found


def test_a_page_of_a_thousand_cases(tmp_path: Path) -> None:
    table: dict[str, dict[str, str]] = {}
    opened: list[dict[str, float]] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox"], chromium_sandbox=False
        )
        for size in SIZES:
            out = tmp_path / str(size)
            cases = folders(out, size)
            began = time.perf_counter()
            write_batch_page("cases", cases, out)
            written = {"written": 1_000 * (time.perf_counter() - began)}
            opened.append(written | measured(browser, out / "index.html"))
            table[f"{size} cases, ms"] = {name: f"{ms:.0f}" for name, ms in opened[-1].items()}
        browser.close()
    few, many = opened
    table["times as long"] = {name: ratio(many[name], few[name]) for name in many}
    show("case-pages", table)
