"""Texts of shifts, days, weeks, months and years on dashboards."""

from dataclasses import replace
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from mes.calendar import Calendar, Shift, WindowKind
from mes.config.names import DisplayNames
from mes.intervals import Interval
from mes.results.period_text import no_shift_text, period_text

ZONE = ZoneInfo("Asia/Qostanay")
CALENDAR = Calendar(ZONE, (Shift("day", time(8), time(16, 30), weekdays=frozenset(range(5))),))
FRIDAY, SUNDAY_NIGHT = (datetime(2026, 11, day, hour, tzinfo=ZONE) for day, hour in ((27, 12), (29, 23)))
NAMES = DisplayNames()


@pytest.mark.parametrize(
    ("kind", "until", "text"),
    [
        (WindowKind.SHIFT, FRIDAY, "Fri 27 Nov, day shift, 08:00-16:30, running"),
        (WindowKind.SHIFT, SUNDAY_NIGHT, "Fri 27 Nov, day shift, 08:00-16:30, ended"),
        (WindowKind.DAY, SUNDAY_NIGHT, "Fri 27 Nov, ended"),
        (WindowKind.WEEK, SUNDAY_NIGHT, "week 48, 23 Nov to 29, running"),
        (WindowKind.MONTH, SUNDAY_NIGHT, "November 2026, running"),
        (WindowKind.YEAR, SUNDAY_NIGHT, "2026, running"),
    ],
)
def test_a_period_has_its_date(kind: WindowKind, until: datetime, text: str) -> None:
    """A window says which day, week, month or year it is, a shift its local times, too, and whether it has ended."""
    (window,) = CALENDAR.windows(kind, Interval(FRIDAY.astimezone(UTC), FRIDAY.replace(hour=13).astimezone(UTC)))

    assert period_text(window, until.astimezone(UTC), CALENDAR, NAMES) == text


def test_a_name_does_not_end_the_text() -> None:
    """In InfluxDB a `|` stands between text and condition."""
    names = DisplayNames(shifts={"day": {"en": "A|B"}})
    (window,) = CALENDAR.windows(WindowKind.SHIFT, Interval(FRIDAY, FRIDAY.replace(hour=13)))

    assert period_text(window, FRIDAY, CALENDAR, names) == "Fri 27 Nov, A/B, 08:00-16:30, running"


def test_between_shifts_the_next_one_is_named() -> None:
    """On a Sunday night there is no shift until Monday; during a shift there is nothing to say."""
    assert no_shift_text(SUNDAY_NIGHT, CALENDAR) == "no shift until Mon 08:00"
    assert no_shift_text(FRIDAY, CALENDAR) == ""


@pytest.mark.parametrize(
    ("free", "text"),
    [
        (range(1, 10), "no shift until Thu 10 Dec 08:00"),
        (range(1, 30), "no shift in the next 14 days"),
    ],
)
def test_a_long_holiday_names_the_date(free: range, text: str) -> None:
    """A shift that is a week or more ahead has its date; of what is farther nothing is said."""
    holidays = {date(2026, 12, day): "holiday" for day in free} | {date(2026, 11, 30): "holiday"}
    calendar = replace(CALENDAR, holidays=holidays)

    assert no_shift_text(SUNDAY_NIGHT, calendar) == text
