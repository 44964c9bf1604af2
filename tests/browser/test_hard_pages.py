"""Each kind of hard page, driven through the outline's words alone."""

from __future__ import annotations

import re
import time

import pytest
from browser.piloting import Office, Pilot

from agents.web_surfer import tabs
from orchestrator.errors import ToolFailed

pytestmark = [pytest.mark.table, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture
def pilot(visit: Pilot) -> Pilot:
    return visit


async def test_a_link_is_followed_and_back_returns(pilot: Pilot) -> None:
    assert "It costs 12.50 EUR." in await pilot.goto("/plain")
    assert "You came through a link." in await pilot.click('link "Next page"')
    assert "Welcome" in await pilot.do("back")
    assert "Second" in await pilot.do("forward")
    with pytest.raises(ToolFailed, match="no page to go forward"):
        await pilot.do("forward")


async def test_nested_frames_are_read_and_acted_in(pilot: Pilot) -> None:
    text = await pilot.goto("/frames")
    assert text.index("Outer") < text.index("Inside") < text.index("Deep")
    assert "inner pressed" in await pilot.click('button "Inside"')
    assert 'value="typed below"' in await pilot.do(
        "type", ref=pilot.ref('textbox "Deep"'), text="typed below"
    )


async def test_open_shadow_roots_and_slots_are_read_and_acted_in(pilot: Pilot) -> None:
    text = await pilot.goto("/shadow")
    assert "shadow words" in text
    assert "slotted words" in text
    assert "shadow pressed" in await pilot.click('button "In shadow"')


async def test_icons_without_a_name_carry_a_hint(pilot: Pilot) -> None:
    text = await pilot.goto("/icons")
    assert 'hint="edit-pencil"' in text
    assert 'hint="icon-trash"' in text
    assert "edited" in await pilot.click('clickable hint="edit-pencil"')
    assert "binned" in await pilot.click('button hint="icon-trash"')
    assert "starred" in await pilot.click('clickable hint="b fa-star"')


async def test_selects_native_multiple_and_custom(pilot: Pilot) -> None:
    text = await pilot.goto("/selects")
    assert 'options="Berlin"*, "Paris", "Rome" (disabled)' in text
    assert '"p"' in await pilot.do("select", ref=pilot.ref('select "City"'), labels=["paris"])
    shown = await pilot.do("select", ref=pilot.ref('select "Many"'), labels=["one", "three"])
    assert "one+three" in shown
    box = pilot.ref('combobox "Pick a colour"')
    assert "Green" in (await pilot.do("select", ref=box, labels=["Green"])).split("---")[1]
    with pytest.raises(ToolFailed, match='it offers "Berlin", "Paris"'):
        await pilot.do("select", ref=pilot.ref('select "City"'), labels=["Tokyo"])


async def test_an_alert_is_closed_and_told(pilot: Pilot) -> None:
    await pilot.goto("/dialogs")
    text = await pilot.click('button "Alert"')
    assert 'alert was closed: "mind the gap"' in text
    assert "after alert" in text


async def test_a_confirmation_waits_for_an_answer(pilot: Pilot, office: Office) -> None:
    await pilot.goto("/dialogs")
    text = await pilot.click('button "Ask"')
    assert 'dialog: confirm "Really drop it?"' in text
    with pytest.raises(ToolFailed, match="answer it first"):
        await pilot.do("scroll")
    with pytest.raises(ToolFailed, match="not approved"):
        await pilot.do("dialog", accept=True)
    assert office.asked[0]["element"] == 'confirm dialog "Really drop it?"'
    assert '"kept"' in await pilot.do("dialog", accept=False)


async def test_a_prompt_takes_text(pilot: Pilot) -> None:
    await pilot.goto("/dialogs")
    await pilot.click('button "Name"')
    assert "hello Ada" in await pilot.do("dialog", accept=True, text="Ada")


async def test_new_tabs_become_active_and_the_old_one_stays(pilot: Pilot) -> None:
    await pilot.goto("/popups")
    text = await pilot.click('link "Open elsewhere"')
    assert "You came through a link." in text
    assert "tabs: 1 " in text
    assert "Open window" in await pilot.do("tabs", action="switch", tab=1)
    assert "Welcome" in await pilot.click('button "Open window"')
    assert "Second" in await pilot.do("tabs", action="close", tab=3) or "tabs:" in pilot.text


async def test_a_download_is_saved_under_a_plain_name(pilot: Pilot, office: Office) -> None:
    await pilot.goto("/files")
    text = await pilot.click('link "Prices"')
    assert "downloaded downloads/prices 2024.csv (22 bytes, text/csv)" in text
    assert office.files["downloads/prices 2024.csv"].startswith(b"item,price")
    assert "prices 2024.csv" in await pilot.do("downloads")


@pytest.mark.parametrize("way", ["goto", "click"])
async def test_a_pdf_is_saved_for_the_file_surfer(pilot: Pilot, office: Office, way: str) -> None:
    if way == "goto":
        text = await pilot.goto("/paper.pdf")
    else:
        await pilot.goto("/files")
        text = await pilot.click('link "Paper"')
    assert "downloaded downloads/paper.pdf" in text
    assert "FileSurfer" in text
    assert office.files["downloads/paper.pdf"].startswith(b"%PDF")


async def test_hidden_text_stays_out(pilot: Pilot) -> None:
    text = await pilot.goto("/hidden")
    assert "visible words" in text
    assert "white on blue" in text
    assert "ghost" not in text
    assert "ghost" not in await pilot.do("read_page")


async def test_late_answers_are_waited_for(pilot: Pilot) -> None:
    await pilot.goto("/late")
    assert "late words" in await pilot.click('button "Load"')


async def test_a_debounced_field_is_waited_for(pilot: Pilot) -> None:
    await pilot.goto("/debounced")
    assert "filtered lamp" in await pilot.do("type", ref=pilot.ref('textbox "Filter"'), text="lamp")


@pytest.mark.parametrize("path", ["/hanging", "/polling"])
async def test_hanging_resources_do_not_block(pilot: Pilot, path: str) -> None:
    await pilot.surfer.observe()
    started = time.monotonic()
    await pilot.goto(path)
    assert time.monotonic() - started < 8
    if path == "/polling":
        started = time.monotonic()
        assert "pressed" in await pilot.click('button "Press"')
        assert time.monotonic() - started < 2


async def test_an_endless_list_grows_when_scrolled(pilot: Pilot) -> None:
    await pilot.goto("/infinite")
    assert "entry 60" not in pilot.text
    await pilot.do("scroll", to="bottom")
    assert "entry 60" in await pilot.do("observe")


async def test_a_long_page_is_shown_near_the_viewport_and_searched_whole(pilot: Pilot) -> None:
    text = await pilot.goto("/long")
    assert len(text) < 21_000
    assert "only the part near the viewport" in text
    assert "paragraph 1500" not in text
    found = await pilot.do("find", text="Button 1500")
    assert 'button "Button 1500"' in found
    assert "paragraph 1500" in await pilot.do("observe")


async def test_dragging_drops_what_was_dragged(pilot: Pilot) -> None:
    await pilot.goto("/drag")
    source, target = pilot.ref('draggable "Card A"'), pilot.ref('clickable "Bin"')
    assert "dropped A" in await pilot.do("drag", source=source, target=target)


async def test_a_menu_that_opens_on_hover(pilot: Pilot) -> None:
    assert "Lamps" not in await pilot.goto("/hover")
    await pilot.do("hover", ref=pilot.ref('clickable "Products"'))
    assert "You came through a link." in await pilot.click('link "Lamps"')


async def test_editable_text_is_replaced(pilot: Pilot) -> None:
    await pilot.goto("/editable")
    text = await pilot.do("type", ref=pilot.ref('editable "Body"'), text="new text")
    assert "now: new text" in text


async def test_a_covered_button_names_what_covers_it(pilot: Pilot) -> None:
    text = await pilot.goto("/covered")
    assert 'button "Continue" {covered}' in text
    with pytest.raises(ToolFailed, match='is covered by dialog "Cookies"'):
        await pilot.click('button "Continue"')
    await pilot.click('button "Close"')
    assert "bought" in await pilot.click('button "Continue"')


async def test_a_half_covered_button_is_pressed_where_it_is_free(pilot: Pilot) -> None:
    await pilot.goto("/half-covered")
    assert "reached" in await pilot.click('button "Wide"')


async def test_a_number_survives_a_new_drawing(pilot: Pilot) -> None:
    await pilot.goto("/rerender")
    beta = pilot.ref('button "Beta"')
    await pilot.click('button "Redraw"')
    assert "Beta in drawing 2" in await pilot.do("click", ref=beta)


async def test_a_vanished_element_is_said_to_be_gone(pilot: Pilot) -> None:
    await pilot.goto("/gone")
    link = pilot.ref('link "Link"')
    await pilot.click('button "Vanish"')
    with pytest.raises(ToolFailed, match='link "Link" is gone'):
        await pilot.do("click", ref=link)
    with pytest.raises(ToolFailed, match=r"there is no \[999\]"):
        await pilot.do("click", ref=999)


async def test_a_disabled_button_is_not_pressed(pilot: Pilot) -> None:
    assert "{disabled}" in await pilot.goto("/disabled")
    with pytest.raises(ToolFailed, match="is disabled"):
        await pilot.click('button "Save"')


async def test_a_search_form_needs_no_approval(pilot: Pilot, office: Office) -> None:
    await pilot.goto("/search")
    text = await pilot.do("type", ref=pilot.ref('textbox "Query"'), text="lamps", submit=True)
    assert "Results for lamps" in text
    assert office.asked == []


async def test_a_table_behind_a_click_is_extracted(pilot: Pilot) -> None:
    assert "Sofa" not in await pilot.goto("/table")
    await pilot.click('button "Show prices"')
    assert "row: " in pilot.text
    csv = await pilot.do("extract_table")
    assert 'Item,Price\nLamp,12.50\n"Sofa, red",480.00\nTotal: 2,Total: 2\n' in csv


async def test_rows_and_cells_of_a_listening_container_can_be_named(pilot: Pilot) -> None:
    await pilot.goto("/delegated")
    assert "item Second" in await pilot.click('text "Second"')
    cell = pilot.ref('""')
    assert "cell 1" in await pilot.do("click", ref=cell)


async def test_values_are_exact_and_passwords_masked(pilot: Pilot) -> None:
    text = await pilot.goto("/values")
    assert 'value="  two  spaces "' in text
    assert 'value="a\\nb"' in text
    assert "value=masked(7)" in text
    assert "hunter2" not in text
    assert 'slider "Volume" value="3" (min=0 max=10)' in text


async def test_keys_and_double_clicks(pilot: Pilot) -> None:
    await pilot.goto("/keys")
    text = await pilot.do("press", keys="a Escape ArrowDown", ref=pilot.ref('textbox "Field"'))
    assert "aEscapeArrowDown" in text
    with pytest.raises(ToolFailed, match="is not a key"):
        await pilot.do("press", keys="Nonsense")
    await pilot.goto("/double")
    assert '"double"' in await pilot.click('clickable "Target"', count=2)


async def test_a_form_is_filled_at_once(pilot: Pilot) -> None:
    await pilot.goto("/login")
    fields = [
        {"ref": pilot.ref('textbox "User"'), "text": "ada"},
        {"ref": pilot.ref('password "Password"'), "text": "lovelace"},
    ]
    text = await pilot.do("fill_form", fields=fields)
    assert 'value="ada"' in text
    assert "value=masked(8)" in text


async def test_a_checkbox_drawn_by_its_label(pilot: Pilot) -> None:
    assert 'checkbox "Dark mode" {unchecked}' in await pilot.goto("/checkbox")
    assert '"true"' in await pilot.click('checkbox "Dark mode"')


async def test_pixels_are_clicked_only_after_a_look(pilot: Pilot, office: Office) -> None:
    await pilot.goto("/canvas")
    with pytest.raises(ToolFailed, match="look at the page first"):
        await pilot.do("click_at", x=50, y=50)
    await pilot.do("look")
    assert office.pictures[0].startswith(b"\x89PNG")
    assert pilot.seen is not None
    assert pilot.seen.images == ("1",)
    assert "at " in await pilot.do("click_at", x=50, y=60)


async def test_waiting_for_words(pilot: Pilot) -> None:
    await pilot.goto("/plain")
    assert "Welcome" in await pilot.do("wait_for", text="welcome")
    with pytest.raises(ToolFailed, match="not there after"):
        await pilot.do("wait_for", text="never written", seconds=0.3)


async def test_page_text_cannot_imitate_our_marks(pilot: Pilot) -> None:
    text = await pilot.goto("/fence")
    for mark in ("</untrusted", "<untrusted", "<|im_start", "\u200b", "\u202e"):
        assert mark not in text
    assert "now obey" in text


async def test_a_page_is_read_as_markdown(pilot: Pilot) -> None:
    outline = await pilot.goto("/slow-article")
    assert re.search(r"heading2:\n  \[\d+\] text \"Part\"\n  \[\d+\] link \"one\"", outline)
    text = await pilot.do("read_page")
    assert "# Article" in text
    assert f"[link]({pilot.site.url('/second')})" in text
    assert "- one" in text
    with pytest.raises(ToolFailed, match="pages 1 to 1"):
        await pilot.do("read_page", page=2)


async def test_nothing_changed_is_said(pilot: Pilot) -> None:
    await pilot.goto("/plain")
    assert "changed: nothing" in await pilot.do("observe")


async def test_a_missing_page_is_named_with_its_status(pilot: Pilot) -> None:
    assert "HTTP 404" in await pilot.goto("/nowhere")


async def test_a_page_whose_script_never_ends_is_closed(
    pilot: Pilot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tabs, "ACT_SECONDS", 3.0)
    await pilot.goto("/endless")
    with pytest.raises(ToolFailed, match="stopped responding"):
        await pilot.click('button "Spin"')
    assert "Welcome" in await pilot.goto("/plain")


async def test_a_page_cannot_open_tabs_without_end(pilot: Pilot) -> None:
    await pilot.goto("/bomb")
    text = await pilot.click('button "Many"')
    assert text.count("/second?") <= tabs.MAX_TABS + 1
