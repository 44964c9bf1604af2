"""Widgets, frames, files and movements that web agents fail on, driven by the outline's words."""

from __future__ import annotations

import asyncio
import re

import pytest
from browser.piloting import Office, Pilot

from orchestrator.errors import ToolFailed

pytestmark = [pytest.mark.table, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture
def pilot(visit: Pilot) -> Pilot:
    return visit


async def test_closed_shadow_roots_are_read_and_acted_in(pilot: Pilot) -> None:
    assert "closed words" in await pilot.goto("/closed-shadow")
    await pilot.do("type", ref=pilot.ref('textbox "Code"'), text="7a")
    assert "code 7a" in pilot.text
    assert "pressed deep inside" in await pilot.click('button "Deep inside"')


async def test_frames_of_another_site_below_the_fold_are_acted_in(pilot: Pilot) -> None:
    assert "Inside another site" in await pilot.goto("/cross-frames")
    assert "cross pressed" in await pilot.click('button "Press me"')
    await pilot.do("type", ref=pilot.ref('textbox "Coupon"'), text="TEN", submit=True)
    assert "sent TEN" in pilot.text


async def test_a_frame_under_a_banner_is_not_pressed_through(pilot: Pilot) -> None:
    await pilot.goto("/covered-frame")
    with pytest.raises(ToolFailed, match='is covered by dialog "Newsletter"'):
        await pilot.click('button "Apply"')
    await pilot.click('button "No thanks"')
    assert "sent" in await pilot.click('button "Apply"')


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ('date "Day"', "2026-03-31"),
        ('time "Hour"', "14:05"),
        ('color "Paint"', "#ff8800"),
        ('slider "Volume"', "45"),
        ('datetime "When"', "2026-03-31T09:30"),
        ('month "Month"', "2026-04"),
        ('week "Week"', "2026-W07"),
        ('number "Count"', "4"),
    ],
)
async def test_native_inputs_take_their_values(pilot: Pilot, field: str, text: str) -> None:
    await pilot.goto("/natives")
    await pilot.do("type", ref=pilot.ref(field), text=text)
    assert re.search(re.escape(field) + r'[^\n]* value="' + text, pilot.text)


async def test_native_inputs_say_what_they_take(pilot: Pilot) -> None:
    assert 'suggestions="cedar", "maple"' in await pilot.goto("/natives")
    with pytest.raises(ToolFailed, match="it takes YYYY-MM-DD"):
        await pilot.do("type", ref=pilot.ref('date "Day"'), text="tomorrow")
    with pytest.raises(ToolFailed, match="read-only"):
        await pilot.do("type", ref=pilot.ref('textbox "Fixed"'), text="new")


async def test_a_date_is_picked_in_a_calendar(pilot: Pilot) -> None:
    await pilot.goto("/date-picker")
    await pilot.click('textbox "Arrival"')
    assert "November 2026" in pilot.text
    await pilot.click('clickable hint="chevron-right"')
    assert "December 2026" in pilot.text
    assert 'value="2026-12-24"' in await pilot.click('"24"')


async def test_a_combobox_that_asks_the_server(pilot: Pilot) -> None:
    await pilot.goto("/autocomplete")
    await pilot.do("type", ref=pilot.ref('combobox "Destination"'), text="ber")
    assert 'option "Bergen"' in pilot.text
    assert '"going to Berlin"' in await pilot.click('option "Berlin"')
    await pilot.do("type", ref=pilot.ref('combobox "Destination"'), text="a")
    assert '"Aachen" {active}' in await pilot.do("press", keys="ArrowDown")
    assert "going to Aachen" in await pilot.do("press", keys="Enter")
    await pilot.do("select", ref=pilot.ref('combobox "Destination"'), labels=["Lisbon"])
    assert "going to Lisbon" in pilot.text


async def test_lists_drawn_by_scripts_are_selected_from(pilot: Pilot) -> None:
    await pilot.goto("/listboxes")
    await pilot.do("select", ref=pilot.ref('button "Any country"'), labels=["Country 57"])
    assert 'button "Country 57"' in pilot.text
    tag = pilot.ref('textbox value="" placeholder="Add a tag"')
    assert "Tags: urgent" in await pilot.do("select", ref=tag, labels=["Urgent"])
    with pytest.raises(ToolFailed, match='shows no option "purple"'):
        await pilot.do("select", ref=pilot.ref("textbox"), labels=["purple"])


async def test_a_list_is_sorted_and_a_knob_is_moved_with_the_pointer(pilot: Pilot) -> None:
    await pilot.goto("/pointer-drag")
    alpha, gamma = pilot.ref('text "Alpha"'), pilot.ref('text "Gamma"')
    await pilot.do("drag", source=alpha, target=gamma, place="after")
    assert "Beta>Gamma>Alpha" in pilot.text
    await pilot.do("drag", source=pilot.ref('text "Alpha"'), target=pilot.ref('text "Beta"'),
                   place="before")  # fmt: skip
    assert "Alpha>Beta>Gamma" in pilot.text
    knob = int(re.findall(r'\[(\d+)\] clickable "knob"', pilot.text)[0])
    assert "level 50" in await pilot.do("drag", source=knob, dx=142)
    with pytest.raises(ToolFailed, match="name a target"):
        await pilot.do("drag", source=knob)


async def test_a_card_is_dragged_to_a_column_off_the_screen(pilot: Pilot) -> None:
    await pilot.goto("/far-drag")
    card, done = pilot.ref('draggable "Write report"'), pilot.ref('clickable "Done"')
    assert "done has the card" in await pilot.do("drag", source=card, target=done)


async def test_a_menu_on_the_right_button(pilot: Pilot) -> None:
    await pilot.goto("/context-menu")
    await pilot.click('clickable "report.txt"', button="right")
    assert "Duplicate chosen" in await pilot.click('menuitem "Duplicate"')


async def test_menus_within_menus_open_on_hover(pilot: Pilot) -> None:
    assert "Chairs" not in await pilot.goto("/hover-menus")
    await pilot.do("hover", ref=pilot.ref('text "Catalogue"'))
    await pilot.do("hover", ref=pilot.ref('text "Furniture"'))
    assert "You came through a link." in await pilot.click('link "Chairs"')


async def test_a_slider_built_by_hand_is_set_to_a_value(pilot: Pilot) -> None:
    await pilot.goto("/aria-slider")
    slider = pilot.ref('slider "Budget"')
    assert "budget 250" in await pilot.do("type", ref=slider, text="250")
    with pytest.raises(ToolFailed, match="no step at 255"):
        await pilot.do("type", ref=slider, text="255")


async def test_a_page_that_asks_before_it_is_left(pilot: Pilot) -> None:
    await pilot.goto("/leaving")
    await pilot.do("type", ref=pilot.ref('textbox "Draft"'), text="half")
    text = await pilot.click('link "Leave"')
    assert "beforeunload was closed" in text
    assert "You came through a link." in text


async def test_windows_of_every_kind_become_tabs(pilot: Pilot) -> None:
    await pilot.goto("/windows")
    assert "You came through a link." in await pilot.click('button "Without opener"')
    await pilot.do("tabs", action="switch", tab=1)
    assert "Welcome" in await pilot.click('button "Small and late"')
    await pilot.do("tabs", action="switch", tab=1)
    assert "Written from outside" in await pilot.click('button "Written"')


@pytest.mark.parametrize(
    "place", ['file input "Choose a picture"', 'button "Browse"', 'button "Attach"', "Drop"]
)
async def test_files_are_uploaded_by_label_script_and_drop(
    pilot: Pilot, office: Office, place: str
) -> None:
    office.approves = True
    office.files["cat.png"] = b"meow"
    await pilot.goto("/uploads")
    words = 'clickable "Drop files here"' if place == "Drop" else place
    assert "got cat.png of 4" in await pilot.do("upload", ref=pilot.ref(words), path="cat.png")


async def test_a_virtual_list_is_scrolled_and_picked_from(pilot: Pilot) -> None:
    await pilot.goto("/virtual-list")
    assert '"row 40"' not in pilot.text
    area = pilot.ref("scroll area")
    await pilot.do("scroll", ref=area, screens=2)
    assert "picked row 40" in await pilot.click('clickable "row 40"')
    await pilot.do("scroll", ref=area, to="bottom")
    assert '"row 9999"' in pilot.text


async def test_targets_under_sticky_bars_are_brought_out(pilot: Pilot) -> None:
    await pilot.goto("/sticky")
    assert "chose 45" in await pilot.click('button "Choice 45"')
    assert "chose 1" in await pilot.click('button "Choice 1"')


async def test_a_cookie_wall_fades_before_the_page_is_used(pilot: Pilot) -> None:
    assert 'button "Next day" {covered}' in await pilot.goto("/cookie-wall")
    await pilot.click('button "Only what is necessary"')
    assert "{covered}" not in pilot.text
    assert '"sun"' in await pilot.click('button "Next day"')


async def test_streams_and_polls_are_not_waited_for_twice(pilot: Pilot) -> None:
    assert "tick" in await pilot.goto("/stream")
    loop = asyncio.get_running_loop()
    took = []
    for _ in range(2):
        started = loop.time()
        assert "asked" in await pilot.click('button "Ask the server"')
        took.append(loop.time() - started)
    assert took[1] < took[0] - 2


async def test_parts_of_a_drawing_are_clicked(pilot: Pilot) -> None:
    await pilot.goto("/svg")
    assert "clicked north" in await pilot.click('clickable "North district"')
    assert "clicked south" in await pilot.click('clickable "South district"')
    assert "You came through a link." in await pilot.click('link "Legend"')


async def test_the_links_of_an_image_map_are_followed(pilot: Pilot) -> None:
    await pilot.goto("/image-map")
    assert "Welcome" in await pilot.click('link "Living room"')


async def test_a_tree_is_unfolded(pilot: Pilot) -> None:
    assert "2026" not in await pilot.goto("/tree")
    assert 'treeitem "Invoices" {expanded}' in await pilot.click('treeitem "Invoices"')
    assert "opened 2026" in await pilot.click('treeitem "2026"')


async def test_tabs_and_an_accordion(pilot: Pilot) -> None:
    assert "4.2 kg" not in await pilot.goto("/tabbed")
    assert "Weight: 4.2 kg" in await pilot.click('tab "Details"')
    assert "The overview." in await pilot.do("press", keys="ArrowRight")
    assert "Within 3 days." in await pilot.click('summary "Delivery"')


async def test_what_is_switched_off_is_said_and_not_pressed(pilot: Pilot) -> None:
    await pilot.goto("/switched-off")
    for words in ('button "Inert one"', 'textbox "Street"', 'button "Soft one"'):
        assert f"{words} {{disabled}}" in pilot.text
        with pytest.raises(ToolFailed, match="is disabled"):
            await pilot.do("click", ref=pilot.ref(words))
    with pytest.raises(ToolFailed, match="is covered by"):
        await pilot.click('link "Dead link"')


async def test_boxes_and_switches(pilot: Pilot) -> None:
    await pilot.goto("/choices")
    assert 'radio "Large" {focused checked}' in await pilot.click('radio "Large"')
    assert 'checkbox "I agree" {focused checked}' in await pilot.click('checkbox "I agree"')
    assert 'radio "Red" {focused checked}' in await pilot.click('radio "Red"')
    night = pilot.ref('switch "Night mode"')
    assert re.search(
        r'"Night mode" \{.*checked\}', await pilot.do("press", ref=night, keys="Space")
    )
    fields = [
        {"ref": pilot.ref('radio "Small"'), "text": "true"},
        {"ref": pilot.ref('checkbox "I agree"'), "text": "false"},
    ]
    text = await pilot.do("fill_form", fields=fields)
    assert 'radio "Small" {checked}' in text
    assert 'checkbox "I agree" {focused unchecked}' in text


async def test_a_modal_dialog_and_a_popover(pilot: Pilot) -> None:
    await pilot.goto("/modal")
    await pilot.click('button "Edit profile"')
    with pytest.raises(ToolFailed, match="is covered by"):
        await pilot.click('button "Behind"')
    await pilot.do("type", ref=pilot.ref('textbox "Nick"'), text="ada")
    assert "kept ada" in await pilot.click('button "Keep"')
    assert "In stock only" in await pilot.click('button "Filters"')


async def test_messages_that_vanish_are_noted(pilot: Pilot) -> None:
    await pilot.goto("/toast")
    assert 'shown for a moment: "Draft number 17 saved"' in await pilot.click('button "Save draft"')
    assert 'text "Copied"' in await pilot.click('button "Copy link"')


async def test_a_wizard_is_walked_through(pilot: Pilot) -> None:
    await pilot.goto("/wizard")
    await pilot.do("type", ref=pilot.ref('textbox "Name"'), text="Ada")
    await pilot.click('button "Next"')
    await pilot.do("type", ref=pilot.ref('number "Seats"'), text="2")
    await pilot.click('button "Back"')
    assert 'value="Ada"' in pilot.text
    await pilot.click('button "Next"')
    assert "Ada, 2 seats" in await pilot.click('button "Next"')
    assert "All set" in await pilot.click('button "Finish"')


async def test_results_in_pages_and_the_way_back(pilot: Pilot) -> None:
    await pilot.goto("/pages-of-results")
    assert "Result 15" in await pilot.click('link "3"')
    assert "Result 20" in await pilot.click('link "\u203a"')
    assert "Result 15" in await pilot.do("back")
    assert "Result 20" in await pilot.do("forward")


async def test_what_works_by_keys_alone(pilot: Pilot) -> None:
    await pilot.goto("/keyboard")
    board = pilot.ref('grid "Board"')
    assert re.search(
        r'"?C"? \{active\}', await pilot.do("press", ref=board, keys="ArrowRight ArrowRight")
    )
    assert "played C" in await pilot.do("press", keys="Enter")
    assert "Shortcuts: J next" in await pilot.do("press", keys="?")
    assert "Shortcuts" not in await pilot.do("press", keys="Escape")
    assert "command palette" in await pilot.do("press", keys="Control+k")


async def test_scrollers_in_scrollers(pilot: Pilot) -> None:
    await pilot.goto("/nested-scroll")
    terms = pilot.ref('scroll area "terms"')
    await pilot.do("scroll", ref=terms, to="bottom")
    assert "Thank you" in await pilot.click('button "I have read it"')
    assert "Very bottom" in await pilot.do("scroll", to="bottom")


async def test_a_page_from_right_to_left_reaches_to_the_left(pilot: Pilot) -> None:
    assert "السعر 42" in await pilot.goto("/right-to-left")
    assert "تم الطلب" in await pilot.click('button "اطلب"')


async def test_signs_and_single_characters(pilot: Pilot) -> None:
    text = await pilot.goto("/emoji")
    label = re.search(r'"([^"]*Astronaut)"', text)
    assert label is not None
    assert "astro" in await pilot.do("select", ref=pilot.ref('select "Role"'), labels=[label[1]])
    assert "liked" in await pilot.click('button "\u2764"')
    assert "plus" in await pilot.click('button "+"')
    assert '"x"' in await pilot.click('button "\u00d7"')
    assert "seven" in await pilot.click('clickable "7"')
    assert "Cafe\u0301" in text


async def test_long_values_are_cut_and_counted(pilot: Pilot) -> None:
    text = await pilot.goto("/long-values")
    assert 'END"' in text
    assert "(+3000 characters)" in text


async def test_a_row_of_digits_takes_a_code(pilot: Pilot) -> None:
    await pilot.goto("/one-time-code")
    await pilot.do("type", ref=pilot.ref('textbox "Digit 1"'), text="482913")
    assert "code 482913 taken" in pilot.text


async def test_one_page_with_many_addresses(pilot: Pilot) -> None:
    await pilot.goto("/spa")
    assert "View one" in await pilot.click('link "One"')
    assert "View two" in await pilot.click('link "Two"')
    assert "View one" in await pilot.do("back")


async def test_a_link_within_the_page(pilot: Pilot) -> None:
    await pilot.goto("/fragments")
    assert "They arrived." in await pilot.click('link "Chapter 9"')
    assert "#late" in pilot.text
    assert "Chapter 9" in await pilot.do("back")


async def test_tables_of_every_kind_are_extracted(pilot: Pilot, office: Office) -> None:
    await pilot.goto("/tables")
    plan = await pilot.do("extract_table", ref=pilot.ref('"North"'))
    assert "Region,Sales,Sales\nRegion,2025,2026\nNorth,10,12\nNorth,11,13\n" in plan
    await pilot.do("find", text="Bolt")
    stock = pilot.ref('"Bolt"')
    assert "Part,Left\nBolt,7\n" in await pilot.do("extract_table", ref=stock)
    largest = await pilot.do("extract_table")
    assert "3001 rows, 2 columns" in largest
    assert "whole table is in downloads/table.csv" in largest
    assert b"2999,8994001\n" in office.files["downloads/table.csv"]
    await pilot.do("find", text="hidden root")
    ref = pilot.ref('"hidden root"')
    assert "hidden root,99" in await pilot.do("extract_table", ref=ref)


async def test_what_moves_is_waited_for(pilot: Pilot) -> None:
    await pilot.goto("/moving")
    await pilot.click('button "Open panel"')
    assert "panel used" in await pilot.click('button "Use panel"')
    assert "replaced and pressed" in await pilot.click('button "Restless"')


async def test_a_canvas_is_offered_as_a_picture(pilot: Pilot, office: Office) -> None:
    text = await pilot.goto("/canvas-only")
    assert "look shows it as a picture" in text
    assert "ghost" not in text
    await pilot.do("look")
    assert office.pictures
    assert "hit the green" in await pilot.do("click_at", x=248, y=138)


async def test_handlers_at_the_root_make_cards_clickable(pilot: Pilot) -> None:
    await pilot.goto("/framework")
    likes = re.findall(r'\[(\d+)\] clickable hint="ico like"', pilot.text)
    assert "liked Chair" in await pilot.do("click", ref=int(likes[1]))
    assert "opened Desk" in await pilot.click('heading3 "Desk"')


async def test_bad_tls_and_redirect_loops_are_named_in_one_line(pilot: Pilot) -> None:
    for url, why in (
        (f"https://{pilot.site.tls_authority}/plain", "ERR_CERT_AUTHORITY_INVALID"),
        (pilot.site.url("/loop"), "ERR_TOO_MANY_REDIRECTS"),
    ):
        with pytest.raises(ToolFailed, match=why) as failed:
            await pilot.do("goto", url=url)
        assert "\n" not in str(failed.value)


@pytest.mark.soak  # ten megabytes
async def test_ten_megabytes_are_shown_in_part_and_found_as_a_whole(pilot: Pilot) -> None:
    text = await pilot.goto("/ten-megabytes")
    assert "Item 1" in text
    assert len(text) < 20_000
    assert 'link "Details 9999"' in await pilot.do("find", text="Details 9999")
    assert "You came through a link." in await pilot.click('link "Details 9999"')
