"""Reads times as logs and exports write them, and says how the zone was found.

A column has one form, found from its values alone. A value that does not fit it has no time; it
never borrows one. Standard library only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

Parser = Callable[[str], "datetime | None"]
ENOUGH = 0.9
"""The share of a column's first values that have to fit a form."""
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2045, 1, 1, tzinfo=UTC)
MAX_SPREAD = timedelta(days=20 * 366)
"""Whole numbers that span more than this are numbers, not times."""
UNITS = {"epoch s": 1, "epoch ms": 10**3, "epoch us": 10**6, "epoch ns": 10**9}
ISO = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?"
    r" ?(Z|UTC|GMT|[+-]\d\d:?\d\d)?"
)
APACHE = re.compile(r"\[?(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d)(?: ([+-]\d{4}))?\]?")
SYSLOG = re.compile(r"([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d)")
DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
DOTTED = re.compile(r"(\d\d?)\.(\d\d?)\.(\d{4})[ T](\d\d):(\d\d)(?::(\d\d))?")
NUMBER = re.compile(r"\d{9,19}(?:\.\d{1,9})?")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Clock:
    """The form of a column of times. `zone` is a name, an offset, or "" when nobody knows;
    `found` says how it was found. Values without a zone of their own are read in `zone`, else
    as if they were UTC."""

    form: str
    zone: str
    found: str

    @property
    def is_known(self) -> bool:
        """Whether the values can be put on one time line with others."""
        return bool(self.zone)


def clock_of(values: Sequence[str], given: str = "", given_by: str = "") -> Clock | None:
    """The clock of a column from its first values; `given` is the zone that the case names."""
    seen = [value.strip() for value in values if value.strip()]
    if not seen:
        return None
    unit = _epoch_unit(seen)
    if unit:
        return Clock(unit, "UTC", "whole numbers in the range of this unit since 1970")
    for form, read in FORMS.items():
        fits = [value for value in seen if read(value) is not None]
        if len(fits) >= ENOUGH * len(seen):
            return _zoned(form, fits, given, given_by)
    return None


def _zoned(form: str, fits: Sequence[str], given: str, given_by: str) -> Clock:
    if form == "day":
        return Clock(form, "UTC", "calendar days, taken as they are written")
    written = {str(found.tzinfo) for value in fits if (found := FORMS[form](value)) is not None}
    if "None" not in written:
        zone = written.pop() if len(written) == 1 else "several offsets"
        return Clock(form, zone, "written in every value")
    if written != {"None"}:
        return Clock(form, given, "written in some values, " + (given_by or "unknown for others"))
    if given:
        return Clock(form, given, given_by)
    return Clock(form, "", "no zone is written, and the case names none")


def reader_of(clock: Clock) -> Parser:
    """A function from a written value to its time in UTC, or None."""
    if clock.form in UNITS:
        return lambda text: _epoch(text.strip(), UNITS[clock.form])
    parse, zone = FORMS[clock.form], zone_named(clock.zone)

    def read(text: str) -> datetime | None:
        found = parse(text.strip())
        if found is None:
            return None
        try:
            return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
        except (OverflowError, ValueError):
            return None

    return read


def zone_named(name: str) -> timezone | ZoneInfo:
    """A zone from `Europe/Berlin`, `+01:00`, `UTC`; UTC for anything else."""
    offset = re.fullmatch(r"(?:UTC)?([+-])(\d\d):?(\d\d)", name)
    if offset:
        shift = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-shift if offset[1] == "-" else shift)
    if name in ("", "UTC", "Z", "GMT", "several offsets"):
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return UTC


def doubtful(clock: Clock, text: str) -> str:
    """ "ambiguous" for a time that a change of clocks makes twice, "skipped" for one that it leaves
    out, else ""."""
    zone = zone_named(clock.zone)
    found = FORMS[clock.form](text.strip()) if clock.form in FORMS else None
    if found is None or found.tzinfo or not isinstance(zone, ZoneInfo) or clock.form == "day":
        return ""
    first, second = (found.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if first == second:
        return ""
    back = found.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    return "ambiguous" if back == found else "skipped"


def _iso(text: str) -> datetime | None:
    match = ISO.fullmatch(text)
    if match is None:
        return None
    fraction = (match[7] or "0")[:6].ljust(6, "0")
    numbers = [int(match[n] or 0) for n in range(1, 7)]
    return _made(numbers, int(fraction), _offset(match[8]))


def _apache(text: str) -> datetime | None:
    match = APACHE.fullmatch(text)
    if match is None or match[2] not in MONTHS:
        return None
    month = MONTHS.index(match[2]) + 1
    clock = [int(match[n]) for n in (4, 5, 6)]
    return _made([int(match[3]), month, int(match[1]), *clock], 0, _offset(match[7]))


def _syslog(text: str) -> datetime | None:
    """Syslog leaves the year out: these are read as of the year 1900, and said to have none."""
    match = SYSLOG.fullmatch(text)
    if match is None or match[1] not in MONTHS:
        return None
    month = MONTHS.index(match[1]) + 1
    return _made([1900, month, *(int(match[n]) for n in (2, 3, 4, 5))], 0, None)


def _dotted(text: str) -> datetime | None:
    match = DOTTED.fullmatch(text)
    if match is None:
        return None
    day, month, year = (int(match[n]) for n in (1, 2, 3))
    return _made([year, month, day, int(match[4]), int(match[5]), int(match[6] or 0)], 0, None)


def _day(text: str) -> datetime | None:
    match = DAY.fullmatch(text)
    if match is None:
        return None
    try:
        found = date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None
    return datetime(found.year, found.month, found.day, tzinfo=UTC)


FORMS: dict[str, Parser] = {
    "ISO 8601": _iso,
    "day": _day,
    "day/Mon/year:time": _apache,
    "day.month.year": _dotted,
    "syslog without a year": _syslog,
}


def _made(numbers: Sequence[int], micros: int, zone: timezone | None) -> datetime | None:
    year, month, day, hour, minute, second = numbers
    try:
        return datetime(year, month, day, hour, minute, second, micros, zone)
    except ValueError:
        return None


def _offset(text: str | None) -> timezone | None:
    if not text:
        return None
    if text in ("Z", "UTC", "GMT"):
        return UTC
    shift = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    if shift >= timedelta(hours=24):
        return None
    return timezone(-shift if text[0] == "-" else shift) if shift else UTC


def _epoch_unit(values: Sequence[str]) -> str:
    """The unit in which all values are times of our years, near to each other; or ""."""
    if not all(NUMBER.fullmatch(value) for value in values) or len(set(values)) < 2:
        return ""
    lengths = Counter(len(value.partition(".")[0]) for value in values)
    for unit, parts in UNITS.items():
        times = [_epoch(value, parts) for value in values]
        known = [time for time in times if time is not None and EARLIEST <= time <= LATEST]
        if len(known) == len(values) and len(lengths) == 1 and max(known) - min(known) < MAX_SPREAD:
            return unit
    return ""


def _epoch(text: str, parts: int) -> datetime | None:
    if not NUMBER.fullmatch(text):
        return None
    whole, _, fraction = text.partition(".")
    micros = int(whole) * 10**6 // parts
    if fraction:
        micros += int(fraction[:6].ljust(6, "0")) // parts
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    except OverflowError:
        return None
