"""The demo as a person runs it: real files, real container, real browser, and no key.

Every expected answer is computed from the changed material by other code than the demo's.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from demo_oracle import cheapest
from openai_server import serve
from openai_wire import from_request_policy
from sampling import sampled

from orchestrator.events import Outcome
from orchestrator.settings import ModelSettings, Settings, WebSettings
from tasks import api
from tasks.demo.make_material import DISCOUNTS, OFFERS, STATUS, Row, Terms, write_catalogue
from tasks.demo.make_material import write_terms as write_pdf
from tasks.demo.play import MATERIAL, demo_task
from tasks.demo.policy import policy

PART_PAGE = "site/parts/hx-4420.html"


@dataclass(frozen=True)
class Demo:
    """A copy of the material that may be changed, and runs on it."""

    folder: Path
    home: Path

    async def run(self, task: str | None = None, **changed: object) -> Outcome:
        async with demo_task(self.folder) as demo:
            web = WebSettings(allow_hosts=demo.allow_hosts)
            settings = Settings(demo=True, home=self.home, web=web).model_copy(update=changed)
            async with api.open(settings) as quaestor:
                return await quaestor.run(task or demo.task, demo.attachments)

    def edit(self, page: str, old: str, new: str) -> None:
        path = self.folder / page
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def write_offers(self, offers: Sequence[Row]) -> None:
        write_catalogue(self.folder / "catalogue.xlsx", offers)

    def write_terms(self, terms: Terms) -> None:
        write_pdf(self.folder / "terms.pdf", terms)


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    shutil.copytree(MATERIAL, tmp_path / "material")
    return Demo(tmp_path / "material", tmp_path / "home")


def without(rows: Sequence[Row], name: str) -> list[Row]:
    return [row for row in rows if name not in row]


def assert_answers(outcome: Outcome, expected: tuple[str, str] | None) -> None:
    assert expected is not None
    name, total = expected
    assert outcome.outcome == "answered"
    assert f"{name} is the cheapest approved supplier" in (outcome.answer or "")
    assert f"delivered: EUR {total} in total" in (outcome.answer or "")
    assert (outcome.basis, outcome.unsupported, outcome.missing) == ("mixed", (), ())


def dearer_ellis(demo: Demo) -> None:
    offers = [row if row[2] != "Ellis Components" else (*row[:4], 6.30, row[5]) for row in OFFERS]
    demo.write_offers(offers)


def smaller_discount(demo: Demo) -> None:
    steps = [("Ellis Components", 100, "4.0 %"), *without(DISCOUNTS, "Ellis Components")]
    demo.write_terms(Terms(discounts=steps))


def corvus_approved(demo: Demo) -> None:
    status = [*without(STATUS, "Corvus Trading"), ("Corvus Trading", "approved", "2026-11-01")]
    demo.write_terms(Terms(status=status))


def shipping_waived_early(demo: Demo) -> None:
    demo.write_terms(Terms(free_from="1,400.00"))


def dearer_shipping(demo: Demo) -> None:
    demo.edit("site/shipping.html", "45.00", "1,045.00")


def dorset_has_it(demo: Demo) -> None:
    demo.edit(PART_PAGE, "<td>160</td>", "<td>1,160</td>")


def ellis_sold_out(demo: Demo) -> None:
    demo.edit(PART_PAGE, "<td>1,200</td>", "<td>249</td>")


def long_catalogue(demo: Demo) -> None:
    filler = [(f"ZZ-{n:04}", "Something else", "Alder & Finch", 1, 1.0, 1) for n in range(450)]
    demo.write_offers([*filler, *OFFERS])


CHANGES: list[tuple[Callable[[Demo], None], str]] = [
    (dearer_ellis, "Brunel Supply"),
    (corvus_approved, "Corvus Trading"),
    (dearer_shipping, "Brunel Supply"),
    (ellis_sold_out, "Brunel Supply"),
    (lambda _demo: None, "Ellis Components"),
    (smaller_discount, "Brunel Supply"),
    (shipping_waived_early, "Brunel Supply"),
    (dorset_has_it, "Dorset Metals"),
    (long_catalogue, "Ellis Components"),
]


@pytest.mark.parametrize(("change", "winner"), sampled(CHANGES, 2))
async def test_a_change_in_any_source_changes_the_answer_as_it_should(
    demo: Demo, change: Callable[[Demo], None], winner: str
) -> None:
    change(demo)
    expected = cheapest(demo.folder)
    assert expected is not None
    assert expected[0] == winner
    assert_answers(await demo.run(), expected)


@pytest.mark.soak
async def test_another_part_and_quantity_is_another_answer(demo: Demo) -> None:
    task = (demo.folder / "task.txt").read_text(encoding="utf-8")
    changed = task.replace("240", "600").replace("HX-4420", "HX-4435")
    (demo.folder / "task.txt").write_text(changed, encoding="utf-8")
    assert_answers(await demo.run(), cheapest(demo.folder, "HX-4435", 600))


@pytest.mark.soak
async def test_when_nobody_has_enough_the_answer_says_so(demo: Demo) -> None:
    task = (demo.folder / "task.txt").read_text(encoding="utf-8")
    (demo.folder / "task.txt").write_text(task.replace("240", "90,000"), encoding="utf-8")
    outcome = await demo.run()
    assert cheapest(demo.folder, units=90_000) is None
    assert outcome.outcome == "answered"
    assert "No approved supplier can deliver 90,000 units" in (outcome.answer or "")


async def test_the_answer_cites_the_sheet_the_pdf_both_pages_and_the_program(demo: Demo) -> None:
    outcome = await demo.run()
    refs = {item.source.ref.partition("127.0.0.1:")[2][5:] or item.source.ref: item.locator
            for item in outcome.evidence}  # fmt: skip
    assert {"inputs/catalogue.xlsx", "inputs/terms.pdf", "ComputerTerminal"} <= refs.keys()
    assert {"/parts/hx-4420.html", "/shipping.html"} <= refs.keys()
    assert refs["ComputerTerminal"].endswith("(exit 0)")


@pytest.mark.parametrize(
    ("page", "named"),
    sampled(
        [(PART_PAGE, "the stock of part HX-4420"), ("site/shipping.html", "the shipping rates")], 1
    ),
)
async def test_a_removed_page_ends_without_an_answer_and_names_what_is_missing(
    demo: Demo, page: str, named: str
) -> None:
    (demo.folder / page).unlink()
    outcome = await demo.run()
    assert outcome.outcome in ("gave_up", "partial")
    assert named in outcome.missing
    assert "cheapest" not in (outcome.answer or "")


@pytest.mark.soak
async def test_a_page_that_the_search_does_not_find_is_reached_by_links(demo: Demo) -> None:
    page = demo.folder / PART_PAGE
    page.rename(page.with_suffix(".htm"))
    demo.edit("site/parts.html", "hx-4420.html", "hx-4420.htm")
    outcome = await demo.run()
    page.with_suffix(".htm").rename(page)
    assert_answers(outcome, cheapest(demo.folder))


@pytest.mark.soak
async def test_a_part_that_is_not_in_the_sheet_ends_without_an_answer(demo: Demo) -> None:
    demo.write_offers(without(OFFERS, "HX-4420"))
    outcome = await demo.run()
    assert outcome.outcome in ("gave_up", "partial")
    assert "the prices of part HX-4420" in outcome.missing


async def test_without_the_browser_the_run_ends_without_an_answer(demo: Demo) -> None:
    outcome = await demo.run(web=WebSettings(enabled=False))
    assert outcome.outcome in ("gave_up", "partial")
    assert "the stock of part HX-4420" in outcome.missing
    assert "the shipping rates" in outcome.missing


async def test_a_demo_run_replays_offline_to_the_same_digest(demo: Demo) -> None:
    outcome = await demo.run()
    async with api.open(Settings(demo=True, home=demo.home)) as quaestor:
        replay = await quaestor.replay(outcome.run)
    assert (replay.same, replay.divergence) == (True, None)


WEAK = {"mode": "text", "tools": False, "vision": False, "system_role": False}
LYING = {"lies": frozenset({"format", "tools", "vision"}), "keep_last": 4096}
ENDPOINTS: dict[str, dict[str, object]] = {
    "lying, keeps the last 4,096 tokens": LYING,
    "text only": WEAK,
    "strict": {},
    "JSON mode": {"mode": "json"},
    "no tools": {"tools": False},
    "no system role": {"system_role": False},
    "window of 8k": {"window": 8192},
    "keeps the last 4,096 tokens": {"keep_last": 4096},
    "keeps half of 8,192 tokens": {"keep_last": 8192, "half": True},
}


@pytest.mark.parametrize("endpoint", sampled(list(ENDPOINTS), 1))
async def test_the_demo_finishes_over_every_kind_of_endpoint(demo: Demo, endpoint: str) -> None:
    with serve(from_request_policy(policy), **ENDPOINTS[endpoint]) as server:
        models = ModelSettings(name="scripted", base_url=server.base_url)
        outcome = await demo.run(demo=False, models=models)
    assert_answers(outcome, cheapest(demo.folder))
