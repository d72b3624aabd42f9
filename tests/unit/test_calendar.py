"""The calendar on chosen days: shifts over midnight, breaks, holidays, clocks that change."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import cast
from zoneinfo import ZoneInfo

import pytest

from mes.calendar import Calendar, Every, Maintenance, Rotation, Shift, Window, WindowKind
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

    assert [(window.day, window.name) for window in week] == [
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

    shifts = [shift for shift in calendar.shifts(window) if shift.day == day]

    assert [shift.interval.length for shift in shifts] == [timedelta(hours=hours)]
    assert total(calendar.planned(shifts[0].interval)) == timedelta(hours=hours)


def test_kostanay_moved_to_utc_plus_5_in_2024() -> None:
    """The day on which Kazakhstan put its clocks back for good has 25 hours; the shift after it starts at 03:00 UTC."""
    calendar = Calendar(KOSTANAY, (DAY_SHIFT,))
    lengths = {
        day.day: day.interval.length for day in calendar.days(Interval(utc(date(2024, 2, 28)), utc(date(2024, 3, 3))))
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

    assert [(night.name, night.day) for night in shift] == [("late", date(2026, 3, 2))]
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

    assert [hour.interval.start for hour in hours] == [utc(day, 2, 30), utc(day, 3, 30)]
    assert [hour.name for hour in hours] == ["2026-03-02 08:00", "2026-03-02 09:00"]


def test_hours_of_a_day_with_a_half_hour_change_fill_the_day() -> None:
    """Where clocks change by half an hour, the last hour of the day is half an hour and none overlap."""
    calendar = Calendar(LORD_HOWE, ())
    day = next(
        window
        for window in calendar.days(Interval(utc(date(2026, 4, 4)), utc(date(2026, 4, 6))))
        if window.day == date(2026, 4, 5)
    )
    hours = [hour for hour in calendar.hours(day.interval) if hour.day == day.day]

    assert day.interval.length == timedelta(hours=24, minutes=30)
    assert total(hour.interval for hour in hours) == day.interval.length
    assert hours[-1].interval.length == timedelta(minutes=30)


def test_windows_of_each_kind() -> None:
    """The kind of window chooses among hours, shifts, days, weeks, months and years."""
    calendar = Calendar(KOSTANAY, (DAY_SHIFT,))
    window = Interval(utc(date(2026, 3, 2), 3), utc(date(2026, 3, 2), 5))

    assert [len(calendar.windows(kind, window)) for kind in WindowKind] == [2, 1, 1, 1, 1, 1]


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
            cast("WindowKind", "decade"), Interval(utc(date(2026, 3, 2)), utc(date(2026, 3, 3)))
        )


def wall(day: date, hour: int = 0, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute))


def span(start: date, end: date) -> Interval:
    """From one midnight in Kostanay to another."""
    return Interval(utc(start) - timedelta(hours=5), utc(end) - timedelta(hours=5))


def teams(calendar: Calendar, day: date) -> dict[str, str | None]:
    """The team of each shift that starts on a date in Kostanay."""
    return {shift.name: shift.team for shift in calendar.shifts(span(day, day + timedelta(days=1))) if shift.day == day}


THREE = (Shift("early", time(6), time(14)), Shift("late", time(14), time(22)), NIGHT)
CONTINENTAL = "AABBAAABBAABBB"  # two days on, two off, three on; then the other way round


def test_three_teams_change_every_week() -> None:
    """Weeks count from the rotation's start, the cycle comes again, and a night shift keeps the team of its start."""
    cycle = tuple(dict(zip(("early", "late", "night"), order, strict=True)) for order in ("ABC", "CAB", "BCA"))
    calendar = Calendar(KOSTANAY, THREE, rotations=(Rotation(date(2026, 1, 5), Every.WEEK, cycle),))

    assert teams(calendar, date(2026, 1, 11)) == {"early": "A", "late": "B", "night": "C"}
    assert teams(calendar, date(2026, 1, 12)) == {"early": "C", "late": "A", "night": "B"}
    assert teams(calendar, date(2026, 1, 26)) == {"early": "A", "late": "B", "night": "C"}
    after_midnight = calendar.shift_of(calendar.to_utc(wall(date(2026, 1, 12), 3)))
    assert (after_midnight.name, after_midnight.team) == ("night", "C")


def test_four_teams_in_the_continental_pattern() -> None:
    """With a cycle of fourteen days, two teams share the days and two the nights, without a day off for the plant."""
    shifts = (Shift("day", time(7), time(19)), Shift("night", time(19), time(7)))
    cycle = tuple({"day": team, "night": {"A": "C", "B": "D"}[team]} for team in CONTINENTAL)
    calendar = Calendar(KOSTANAY, shifts, rotations=(Rotation(date(2026, 1, 5), Every.DAY, cycle),))
    days = [date(2026, 1, 19) + timedelta(days=day) for day in range(14)]

    assert "".join(str(teams(calendar, day)["day"]) for day in days) == CONTINENTAL
    assert {len(teams(calendar, day)) for day in days} == {2}


def test_a_shift_rests_on_days_that_the_cycle_leaves_out() -> None:
    """By the day, a shift named elsewhere in the cycle does not take place; by the week it does, without a team."""
    cycle = ({"early": "A"}, {"late": "B"})
    by_day = Calendar(KOSTANAY, THREE, rotations=(Rotation(date(2026, 1, 5), Every.DAY, cycle),))
    by_week = Calendar(KOSTANAY, THREE, rotations=(Rotation(date(2026, 1, 5), Every.WEEK, cycle),))

    assert teams(by_day, date(2026, 1, 5)) == {"early": "A", "night": None}
    assert teams(by_day, date(2026, 1, 6)) == {"late": "B", "night": None}
    assert teams(by_week, date(2026, 1, 6)) == {"early": "A", "late": None, "night": None}


def test_a_rotation_holds_until_the_next_begins() -> None:
    """Before the first rotation shifts have no team; the order in which rotations are given changes nothing."""
    first = Rotation(date(2026, 1, 5), Every.DAY, ({"early": "A"},))
    second = Rotation(date(2026, 1, 7), Every.DAY, ({"early": "B"},))

    for rotations in ((first, second), (second, first)):
        calendar = Calendar(KOSTANAY, THREE[:1], rotations=rotations)
        found = [teams(calendar, date(2026, 1, day))["early"] for day in (4, 5, 6, 7, 8)]
        assert found == [None, "A", "A", "B", "B"]


def test_a_team_of_its_own_goes_before_the_rotation() -> None:
    """Shifts of a special day and overtime get the rotation's team for their name, unless they name one."""
    day = date(2026, 1, 5)
    own = Shift("late", time(14), time(18), team="C")
    calendar = Calendar(
        KOSTANAY,
        THREE,
        exceptions={day: (Shift("early", time(8), time(12)), own)},
        overtime={day: (Shift("extra", time(18), time(20)),)},
        rotations=(Rotation(day, Every.WEEK, ({"early": "A", "late": "B"},)),),
    )

    assert teams(calendar, day) == {"early": "A", "late": "C", "extra": None}


def test_no_shift_starts_on_a_holiday() -> None:
    """A night shift runs into the holiday and none starts on it; a special day and overtime hold all the same."""
    eve, holiday, other = date(2026, 3, 22), date(2026, 3, 23), date(2026, 3, 24)
    short = Shift("short", time(8), time(12))
    extra = Shift("extra", time(12), time(14))
    calendar = Calendar(
        KOSTANAY,
        (NIGHT,),
        exceptions={other: (short,)},
        holidays=dict.fromkeys((holiday, other), "Nauryz"),
        overtime={holiday: (extra,)},
    )

    assert [shift.name for shift in calendar.shifts(span(holiday, holiday + timedelta(days=1)))] == ["night", "extra"]
    assert calendar.starting(eve) == (NIGHT,)
    assert calendar.starting(other) == (short,)


def test_maintenance_is_taken_out_of_planned_time_once() -> None:
    """Maintenance over a break and over the shift's end costs only what was planned; the shift stays whole."""
    monday = date(2026, 3, 2)
    calendar = Calendar(
        KOSTANAY,
        (DAY_SHIFT,),
        maintenance_plan=(
            Maintenance("press", wall(monday, 11), wall(monday, 14)),
            Maintenance("oven", wall(monday, 13, 30), wall(monday, 14, 30)),
            Maintenance("roof", wall(monday, 16), wall(monday + timedelta(days=1), 9)),
        ),
    )
    window = span(monday, monday + timedelta(days=1))

    assert [shift.interval.length for shift in calendar.shifts(window)] == [timedelta(hours=9)]
    assert total(calendar.manned(window)) == timedelta(hours=9)
    assert total(calendar.breaks(window)) == timedelta(hours=1)
    assert total(calendar.maintenance(window)) == timedelta(hours=3, minutes=30)
    assert calendar.planned(window) == (
        Interval(utc(monday, 3), utc(monday, 6)),
        Interval(utc(monday, 9, 30), utc(monday, 11)),
    )


def test_off_shift_is_cut_at_production_days() -> None:
    """Between Friday's and Monday's shift lie the rest of Friday, two whole days, and Monday's morning."""
    calendar = Calendar(KOSTANAY, (DAY_SHIFT,))
    friday, monday = date(2026, 3, 6), date(2026, 3, 9)
    found = calendar.off_shift(Interval(calendar.to_utc(wall(friday, 17)), calendar.to_utc(wall(monday, 8))))

    assert [window.interval.length for window in found] == [timedelta(hours=hours) for hours in (7, 24, 24, 8)]
    assert {(window.kind, window.name, window.team) for window in found} == {(WindowKind.SHIFT, "off shift", None)}
    assert [window.day for window in found] == [date(2026, 3, day) for day in (6, 7, 8, 9)]


def test_long_holidays_are_off_shift() -> None:
    """Without any shift for months, each production day is one stretch."""
    window = span(date(2026, 1, 1), date(2026, 9, 1))
    days = Calendar(KOSTANAY, ()).days(window)

    assert [stretch.interval for stretch in Calendar(KOSTANAY, ()).off_shift(window)] == [day.interval for day in days]
    assert len(days) == 243


def test_an_instant_lies_in_its_shift_or_between_shifts() -> None:
    """A shift holds its start and not its end; a break belongs to the shift."""
    calendar = Calendar(KOSTANAY, (DAY_SHIFT,))
    monday = date(2026, 3, 2)
    clocks = [(7, 59), (8, 0), (12, 30), (16, 59), (17, 0)]

    found = [calendar.shift_of(calendar.to_utc(wall(monday, *clock))).name for clock in clocks]

    assert found == ["off shift", "day", "day", "day", "off shift"]


def test_nothing_overlaps_an_empty_window() -> None:
    """A window without length holds no time and overlaps no window."""
    calendar = Calendar(KOSTANAY, (DAY_SHIFT,))
    noon = utc(date(2026, 3, 2), 7)
    empty = Interval(noon, noon)

    assert [calendar.windows(kind, empty) for kind in WindowKind] == [()] * len(WindowKind)
    assert calendar.off_shift(empty) == ()
    assert calendar.manned(empty) == calendar.planned(empty) == ()


@pytest.mark.parametrize(
    ("day", "names"),
    [
        (date(2026, 3, 8), ("2026-W10", "2026-03", "2026")),
        (date(2026, 12, 31), ("2026-W53", "2026-12", "2026")),
        (date(2027, 1, 3), ("2026-W53", "2027-01", "2027")),
        (date(2027, 1, 4), ("2027-W01", "2027-01", "2027")),
        (date(2028, 2, 29), ("2028-W09", "2028-02", "2028")),
    ],
)
def test_weeks_months_and_years_have_names(day: date, names: tuple[str, str, str]) -> None:
    """Weeks bear the name of ISO 8601, in which the first days of a year may belong to the year before."""
    calendar = Calendar(KOSTANAY, (), time(6))
    noon = calendar.to_utc(wall(day, 12))
    window = Interval(noon, noon + timedelta(hours=1))
    kinds = (WindowKind.WEEK, WindowKind.MONTH, WindowKind.YEAR)

    assert tuple(calendar.windows(kind, window)[0].name for kind in kinds) == names


def test_a_month_is_made_of_whole_production_days() -> None:
    """With a production day from 6 to 6, March begins at 6 o'clock of its first day; the year has its 365 days."""
    calendar = Calendar(KOSTANAY, (), time(6))
    window = span(date(2026, 3, 1), date(2026, 4, 2))

    months = calendar.windows(WindowKind.MONTH, window)
    year = calendar.windows(WindowKind.YEAR, window)[0]

    assert [(month.name, month.day) for month in months] == [
        ("2026-02", date(2026, 2, 1)),
        ("2026-03", date(2026, 3, 1)),
        ("2026-04", date(2026, 4, 1)),
    ]
    assert months[1].interval == Interval(utc(date(2026, 3, 1), 1), utc(date(2026, 4, 1), 1))
    assert year.interval.length == timedelta(days=365)


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/St_Johns", date(2006, 10, 29)),  # back from 00:01 to 23:01 of the day before
        ("Pacific/Apia", date(2011, 12, 30)),  # a date that was left out
        ("Asia/Qostanay", date(2024, 2, 29)),  # back from midnight to 23:00
    ],
)
def test_days_in_which_the_date_itself_jumps(zone: str, day: date) -> None:
    """Every instant is in the production day that `day_of` names, also where clocks change around midnight."""
    calendar = Calendar(ZoneInfo(zone), (NIGHT,))
    instants = [utc(day) + timedelta(minutes=30 * step) for step in range(-96, 144)]
    days = calendar.days(Interval(instants[0], instants[-1]))

    assert all(left.interval.end == right.interval.start for left, right in pairwise(days))
    for instant in instants:
        assert [window.day for window in days if instant in window.interval] == [calendar.day_of(instant)] * (
            instant < days[-1].interval.end
        )


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (wall(date(2026, 3, 2), 8), wall(date(2026, 3, 2), 8), "ends before it starts"),
        (utc(date(2026, 3, 2), 8), wall(date(2026, 3, 2), 9), "without a zone"),
        (wall(date(2026, 3, 2), 8), utc(date(2026, 3, 2), 9), "without a zone"),
    ],
)
def test_maintenance_that_cannot_be_is_refused(start: datetime, end: datetime, message: str) -> None:
    """Maintenance without length and aware times are refused with its name."""
    with pytest.raises(ValueError, match=f"maintenance press.*{message}"):
        Maintenance("press", start, end)


def test_a_rotation_without_entries_is_refused() -> None:
    """A cycle holds at least one entry."""
    with pytest.raises(ValueError, match="at least one entry"):
        Rotation(date(2026, 1, 5), Every.WEEK, ())
