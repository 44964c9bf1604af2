"""Times as logs write them: the form, the zone, how it was found, and what stays doubtful."""

from __future__ import annotations

import pytest

from sandbox.inside.forensics.times import clock_of, doubtful, reader_of

READ = {
    "2026-05-16T00:10:00.000Z": ("ISO 8601", "UTC", "2026-05-16T00:10:00+00:00"),
    "2026-05-16 00:10:00,5+05:30": ("ISO 8601", "UTC+05:30", "2026-05-15T18:40:00.500000+00:00"),
    "16/May/2026:00:10:00 +0200": ("day/Mon/year:time", "UTC+02:00", "2026-05-15T22:10:00+00:00"),
    "2026-05-16": ("day", "UTC", "2026-05-16T00:00:00+00:00"),
    "16.05.2026 00:10": ("day.month.year", "", "2026-05-16T00:10:00+00:00"),
    "2026/05/16 00:10": ("ISO 8601", "", "2026-05-16T00:10:00+00:00"),
}


@pytest.mark.parametrize(("text", "expected"), READ.items(), ids=READ)
def test_a_form_is_found_from_values_alone(text: str, expected: tuple[str, str, str]) -> None:
    clock = clock_of([text])
    assert clock is not None
    found = reader_of(clock)(text)
    assert found is not None
    assert (clock.form, clock.zone, found.isoformat()) == expected


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["1747354200", "1747354999"], "epoch s"),
        (["1747354200123", "1747354999456"], "epoch ms"),
        (["1747354200.5", "1747354999.25"], "epoch s"),
        (["1747354200123456", "1747354999456789"], "epoch us"),
    ],
)
def test_epochs_are_told_by_their_range(values: list[str], form: str) -> None:
    clock = clock_of(values)
    assert clock is not None
    assert (clock.form, clock.zone) == (form, "UTC")
    assert all(reader_of(clock)(value) is not None for value in values)


@pytest.mark.parametrize(
    "values",
    [
        ["1000000000", "2000000000"],
        ["4915112345678", "1715112345678"],
        ["clk_1", "clk_2"],
        ["99.0", "49.0"],
        ["1747354200", "x"],
        [],
        ["2026-13-45T00:00:00Z"],
    ],
)
def test_what_is_no_time_gets_no_clock(values: list[str]) -> None:
    assert clock_of(values) is None


def test_a_zone_that_nobody_names_is_unknown_and_said_to_be() -> None:
    clock = clock_of(["2026-05-16 00:10:00"])
    assert clock is not None
    assert not clock.is_known
    assert "names none" in clock.found


def test_a_zone_of_the_case_is_used_and_named_as_such() -> None:
    clock = clock_of(["2026-07-01 12:00:00"], "Europe/Berlin", "the case says so")
    assert clock is not None
    assert clock.found == "the case says so"
    found = reader_of(clock)("2026-07-01 12:00:00")
    assert found is not None
    assert found.hour == 10


def test_hours_around_a_change_of_clocks_are_doubtful() -> None:
    clock = clock_of(["2026-10-25 02:30:00"], "Europe/Berlin", "the case")
    assert clock is not None
    assert doubtful(clock, "2026-10-25 02:30:00") == "ambiguous"
    assert doubtful(clock, "2026-03-29 02:30:00") == "skipped"
    assert doubtful(clock, "2026-06-01 02:30:00") == ""


def test_a_value_that_does_not_fit_has_no_time() -> None:
    values = ["2026-05-16T00:10:00Z"] * 19 + ["yesterday"]
    clock = clock_of(values)
    assert clock is not None
    assert reader_of(clock)("yesterday") is None
