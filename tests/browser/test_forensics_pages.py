"""The pages of forensics in a real Chromium: chips open what they cite, filters and order work, and
hostile text runs nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from forensics_values import FOR, all_of, intake_of, material_of, ran, said
from playwright.async_api import Browser, Page, async_playwright

from agents.web_surfer.browser import find_chromium
from tasks.forensics.reporting.batch_page import Row, batch_files
from tasks.forensics.reporting.content import report_of
from tasks.forensics.reporting.overlaps import CaseMarks, overlaps
from tasks.forensics.reporting.pages import rendered

HOSTILE = (
    "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
)
CASES = 1_000


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=find_chromium(),
            args=["--no-sandbox"],
            chromium_sandbox=False,  # the tests may run as root
        )
        yield chromium
        await chromium.close()


async def opened(browser: Browser, place: Path, said: list[str]) -> Page:
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url))
    await page.goto(place.as_uri())
    assert said.pop(0) == place.as_uri()
    return page


async def test_a_chip_opens_the_rows_that_it_cites_and_hostile_text_does_nothing(
    browser: Browser, tmp_path: Path
) -> None:
    intake = intake_of()
    claims = [
        ran(name, FOR[name], intake, id=f"C3.1.{n}")
        for n, name in enumerate(all_of("last-click-hijack"), 1)
    ]
    made = material_of([*claims, said(1, "", "neutral", id="C4.1.1", text=HOSTILE)], intake)
    place = tmp_path / "report.html"
    place.write_bytes(rendered(report_of(made))["report.html"])
    heard: list[str] = []
    page = await opened(browser, place, heard)
    cited = page.locator('[id="claim-C3.1.3"] table')
    assert not await cited.is_visible()
    await page.locator("a.chip", has_text="C3.1.3").first.click()
    assert await cited.is_visible()
    assert "subject_quick" in await cited.inner_text()
    assert HOSTILE[:20] in await page.locator("body").inner_text()
    assert await page.title() == "case-7: report"
    assert heard == []


async def test_a_long_report_fits_a_phone_and_opens_every_fact_on_paper(
    browser: Browser, tmp_path: Path
) -> None:
    wide = {"columns": tuple(f"a_long_column_{n}" for n in range(30)), "rows": (("v" * 40,) * 30,)}
    claims = [said(n, "", "inculpatory", id=f"C5.1.{n}", text=f"Row {n} of 7.") for n in range(300)]
    claims.append(said(7, "", "exculpatory", id="C6.1.1", text="x" * 300))
    result = claims[5].results[0].model_copy(update=wide)
    claims[5] = claims[5].model_copy(update={"results": (result,)})
    place = tmp_path / "report.html"
    place.write_bytes(rendered(report_of(material_of(claims)))["report.html"])
    page = await opened(browser, place, [])
    cited = page.locator('[id="claim-C5.1.5"] table')
    for width in (1280, 390):
        await page.set_viewport_size({"width": width, "height": 844})
        assert await page.evaluate("document.documentElement.scrollWidth") == width
    assert not await cited.is_visible()
    await page.emulate_media(media="print")
    await page.set_viewport_size({"width": 690, "height": 1000})  # A4 within its margins
    assert await cited.is_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 690


async def test_a_thousand_cases_are_filtered_and_ordered(browser: Browser, tmp_path: Path) -> None:
    words = ("inconclusive", "not_supported", "allegation_supported", "needs_human")
    rows = [
        Row(
            case_id=f"case-{n:04}",
            title=HOSTILE if n == 7 else "",
            state="done",
            verdict=words[n % 4],
            mechanisms=("cookie-stuffing",) if n % 5 == 0 else (),
            missing=("cookie-stuffing/embedded",) if n % 10 == 3 else (),
            tokens=(n * 7919) % 1_000_003,
            usd="" if n % 2 else f"{n % 13}.{n % 11:04}",
            report=f"cases/case-{n:04}/report.html",
        )
        for n in range(CASES)
    ]
    mark = {"kind": "device", "role": "signup.device", "value": "dev-9"}
    shared = overlaps(
        CaseMarks.model_validate({"case_id": name, "subject": name, "marks": [mark]})
        for name in ("case-0001", "case-0002")
    )
    place = tmp_path / "index.html"
    place.write_bytes(batch_files("a batch", rows, shared)["index.html"])
    heard: list[str] = []
    page = await opened(browser, place, heard)
    assert await page.locator("#shown").inner_text() == "1000 of 1000 cases, the first 200 shown"
    assert await page.locator("#cases tbody tr:visible").count() == 200
    await page.locator("[data-filter=verdict]").select_option("allegation_supported")
    await page.locator("[data-filter=mechanism]").select_option("cookie-stuffing")
    wanted = [r for r in rows if r.verdict == "allegation_supported" and r.mechanisms]
    assert await page.locator("#shown").inner_text() == f"{len(wanted)} of 1000 cases"
    await page.locator("th button", has_text="tokens").click()
    first = await page.locator("#cases tbody tr:visible td:first-child").first.inner_text()
    assert first.startswith(min(wanted, key=lambda row: row.tokens).case_id)
    for head in ("USD", "USD"):
        await page.locator("th button", has_text=head).click()
    first = await page.locator("#cases tbody tr:visible td:nth-child(13)").first.inner_text()
    assert float(first) == max(float(row.usd) for row in wanted if row.usd)
    await page.locator("#words").fill("case-0010")
    assert await page.locator("#cases tbody tr:visible").count() == 1
    await page.locator("#words").fill("")
    for key in ("verdict", "mechanism"):
        await page.locator(f"[data-filter={key}]").select_option("")
    await page.locator("[data-filter=missing]").select_option("cookie-stuffing/embedded")
    assert await page.locator("#shown").inner_text() == "100 of 1000 cases"
    await page.locator("[data-filter=missing]").select_option("")
    await page.locator("#all").click()
    assert await page.locator("#cases tbody tr:visible").count() == CASES
    link = page.locator("h2 ~ .scroll a", has_text="case-0002")
    assert await link.get_attribute("href") == "cases/case-0002/report.html"
    assert await page.title() == "a batch: cases"
    assert heard == []
