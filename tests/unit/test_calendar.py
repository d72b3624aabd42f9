"""The calendar on chosen days: shifts over midnight, breaks, holidays, clocks that change."""

from datetime import UTC, date, datetime, time, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import pytest

from mes.calendar import Calendar, Shift, Window, WindowKind
from mes.intervals import Interval, total

KOSTANAY = ZoneInfo("Asia/Qostanay")
BERLIN = ZoneInfo("Europe/Berlin")
CHICAGO = ZoneInfo("America/Chicago")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
NIGHT = Shift("night", time(22), time(6))
DAY_SHIFT = Shift("day", time(8), time(17), ((time(12), time(13)),), frozenset(range(5)))


def utc(day: date, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


def test_planned_time_is_shifts_without_breaks_inside_the_window() -> None:
    """Planned time is what shifts hold besides breaks, clipped to the window, in UTC."""
    monday = date(2026, 3, 2)
    calendar = Calendar(KOSTANAY, (DAY_SHIFT,))

    planned = calendar.planned(Interval(utc(monday, 4), utc(monday, 11)))

    assert planned == (
        Interval(utc(monday, 4), utc(monday, 7)),
        Interval(utc(monday, 8), utc(monday, 11)),
    )


def test_a_weekend_and_a_holiday_plan_nothing() -> None:
    """Shifts run on their weekdays, and an exception replaces what the rule says for its date."""
    nauryz, saturday = date(2026, 3, 23), date(2026, 3, 28)
    short = Shift("short", time(8), time(12))
    calendar = Calendar(KOSTANAY, (DAY_SHIFT,), exceptions={nauryz: (), saturday: (short,)})

    week = calendar.shifts(Interval(utc(nauryz), utc(date(2026, 3, 29), 20)))

    assert [(each.day, each.name) for each in week] == [
        *((date(2026, 3, day), "day") for day in (24, 25, 26, 27)),
        (saturday, "short"),
    ]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (BERLIN, date(2026, 3, 27), 8),
        (BERLIN, date(2026, 3, 28), 7),
        (BERLIN, date(2026, 10, 24), 9),
        (CHICAGO, date(2026, 3, 7), 7),
        (CHICAGO, date(2026, 10, 31), 9),
        (KOSTANAY, date(2024, 2, 29), 9),
    ],
)
def test_a_night_shift_has_its_real_length(zone: ZoneInfo, day: date, hours: int) -> None:
    """A shift from 22 to 6 lasts 7 or 9 hours in a night in which clocks change, and its planned time too."""
    calendar = Calendar(zone, (NIGHT,), exceptions={day - timedelta(days=1): (), day + timedelta(days=1): ()})
    window = Interval(utc(day, 12), utc(day + timedelta(days=2), 12))

    shifts = [each for each in calendar.shifts(window) if each.day == day]

    assert [each.interval.length for each in shifts] == [timedelta(hours=hours)]
    assert total(calendar.planned(shifts[0].interval)) == timedelta(hours=hours)


def test_kostanay_moved_to_utc_plus_5_in_2024() -> None:
    """The day on which Kazakhstan put its clocks back for good has 25 hours; the shift after it starts at 03:00 UTC."""
    calendar = Calendar(KOSTANAY, (DAY_SHIFT,))
    lengths = {
        each.day: each.interval.length
        for each in calendar.days(Interval(utc(date(2024, 2, 28)), utc(date(2024, 3, 3))))
    }

    assert lengths[date(2024, 2, 29)] == timedelta(hours=25)
    assert calendar.to_utc(datetime(2024, 2, 29, 8)) == utc(date(2024, 2, 29), 2)  # noqa: DTZ001 - local wall time
    assert calendar.to_utc(datetime(2024, 3, 1, 8)) == utc(date(2024, 3, 1), 3)  # noqa: DTZ001 - local wall time


def test_a_local_time_that_does_not_exist_is_the_first_instant_after_it() -> None:
    """Local times that clocks skip all mean the instant of the jump, so that order is kept."""
    calendar = Calendar(BERLIN, ())
    jump = utc(date(2026, 3, 29), 1)

    for minute in (0, 1, 30, 59):
        assert calendar.to_utc(datetime(2026, 3, 29, 2, minute, 7, 500)) == jump  # noqa: DTZ001 - local wall time
    assert calendar.to_utc(datetime(2026, 3, 29, 3)) == jump  # noqa: DTZ001 - local wall time
    assert calendar.to_utc(datetime(2026, 3, 29, 1, 59)) == jump - timedelta(minutes=1)  # noqa: DTZ001 - local wall time


def test_a_local_time_that_comes_twice_is_its_first_coming() -> None:
    """Local times that come twice mean the first."""
    wall = datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001 - local wall time

    assert Calendar(BERLIN, ()).to_utc(wall) == utc(date(2026, 10, 25), 0, 30)


def test_an_aware_time_is_no_wall_time() -> None:
    """A time that already has a zone is refused."""
    with pytest.raises(ValueError, match="wall time"):
        Calendar(BERLIN, ()).to_utc(utc(date(2026, 1, 1)))


def test_the_production_day_of_a_night_shift_is_the_one_in_which_it_starts() -> None:
    """With a production day from 6 to 6, the shift that starts at midnight belongs to the day before."""
    calendar = Calendar(KOSTANAY, (Shift("late", time(0), time(6)),), time(6))
    window = Interval(utc(date(2026, 3, 2), 20), utc(date(2026, 3, 2), 21))

    shift = calendar.shifts(window)
    days = calendar.days(window)

    assert [(each.name, each.day) for each in shift] == [("late", date(2026, 3, 2))]
    assert days == (
        Window(
            WindowKind.DAY, "2026-03-02", date(2026, 3, 2), Interval(utc(date(2026, 3, 2), 1), utc(date(2026, 3, 3), 1))
        ),
    )
    assert calendar.day_of(utc(date(2026, 3, 3), 1)) == date(2026, 3, 3)


def test_hours_follow_the_local_clock() -> None:
    """Hours start when the local clock shows a whole hour, also in a zone that is half an hour off UTC."""
    calendar = Calendar(ZoneInfo("Asia/Kolkata"), ())
    day = date(2026, 3, 2)

    hours = calendar.windows(WindowKind.HOUR, Interval(utc(day, 3), utc(day, 4)))

    assert [each.interval.start for each in hours] == [utc(day, 2, 30), utc(day, 3, 30)]
    assert [each.name for each in hours] == ["2026-03-02 08:00", "2026-03-02 09:00"]


def test_hours_of_a_day_with_a_half_hour_change_fill_the_day() -> None:
    """Where clocks change by half an hour, the last hour of the day is half an hour and none overlap."""
    calendar = Calendar(LORD_HOWE, ())
    day = next(
        each
        for each in calendar.days(Interval(utc(date(2026, 4, 4)), utc(date(2026, 4, 6))))
        if each.day == date(2026, 4, 5)
    )
    hours = [each for each in calendar.hours(day.interval) if each.day == day.day]

    assert day.interval.length == timedelta(hours=24, minutes=30)
    assert total(each.interval for each in hours) == day.interval.length
    assert hours[-1].interval.length == timedelta(minutes=30)


def test_windows_of_each_kind() -> None:
    """The kind of window chooses among hours, shifts and days."""
    calendar = Calendar(KOSTANAY, (DAY_SHIFT,))
    window = Interval(utc(date(2026, 3, 2), 3), utc(date(2026, 3, 2), 5))

    assert [len(calendar.windows(kind, window)) for kind in WindowKind] == [2, 1, 1]


def test_breaks_over_midnight() -> None:
    """A night shift's break may straddle midnight or lie after it."""
    night = Shift("night", time(22), time(6), ((time(23, 45), time(0, 15)), (time(3), time(3, 30))))
    calendar = Calendar(KOSTANAY, (night,))
    shift = calendar.shifts(Interval(utc(date(2026, 3, 2), 18), utc(date(2026, 3, 2), 19)))[0]

    assert total(calendar.planned(shift.interval)) == timedelta(hours=7)
    assert len(calendar.planned(shift.interval)) == 3


def test_a_shift_that_ends_when_it_starts_lasts_a_day() -> None:
    """Equal start and end mean a whole day."""
    calendar = Calendar(KOSTANAY, (Shift("round", time(8), time(8)),))
    window = Interval(utc(date(2026, 3, 2)), utc(date(2026, 3, 5)))

    assert calendar.planned(window) == (window,)


@pytest.mark.parametrize(
    ("breaks", "weekdays", "start", "message"),
    [
        (((time(7), time(9)),), {0}, time(8), "not inside"),
        (((time(16), time(18)),), {0}, time(8), "not inside"),
        ((), {7}, time(8), "Monday"),
        ((), {0}, time(8, tzinfo=UTC), "without a zone"),
    ],
)
def test_a_shift_that_cannot_be_is_refused(
    breaks: tuple[tuple[time, time], ...], weekdays: set[int], start: time, message: str
) -> None:
    """Breaks outside the shift, unknown weekdays and aware times are refused with the shift's name."""
    with pytest.raises(ValueError, match=rf"shift odd: .*{message}"):
        Shift("odd", start, time(17), breaks, frozenset(weekdays))


def test_an_unknown_kind_of_window_is_refused() -> None:
    """A kind that is none of the closed set is a defect of the caller and is not answered with nothing."""
    with pytest.raises(AssertionError):
        Calendar(KOSTANAY, ()).windows(
            cast("WindowKind", "week"), Interval(utc(date(2026, 3, 2)), utc(date(2026, 3, 3)))
        )
