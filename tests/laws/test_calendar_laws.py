"""Laws of the calendar, over zones and seasons."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from mes.calendar import Calendar, Shift, WindowKind
from mes.intervals import Interval, intersect, total, union

ZONES = [
    ZoneInfo(name)
    for name in ("Asia/Qostanay", "Europe/Berlin", "America/Chicago", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")
]
THREE_SHIFTS = (
    Shift("early", time(6), time(14), ((time(10), time(10, 30)),)),
    Shift("late", time(14), time(22)),
    Shift("night", time(22), time(6), ((time(1, 45), time(2, 30)), (time(2, 45), time(3, 15)))),
)
zones = st.sampled_from(ZONES)
clock = st.times().map(lambda each: each.replace(second=0, microsecond=0))
starts = st.datetimes(datetime(2023, 1, 1), datetime(2027, 1, 1)).map(lambda each: each.replace(tzinfo=UTC))  # noqa: DTZ001 - bounds are naive
lengths = st.timedeltas(timedelta(minutes=1), timedelta(days=6))


def touching(windows: list[Interval]) -> bool:
    return all(left.end == right.start for left, right in pairwise(windows))


@settings(deadline=None)
@given(zones, starts, lengths, clock, st.sampled_from([WindowKind.HOUR, WindowKind.DAY]))
def test_hours_and_days_are_laid_end_to_end(
    zone: ZoneInfo, start: datetime, length: timedelta, day_start: time, kind: WindowKind
) -> None:
    """Hours and days cover any window without a hole and without overlap, so that each instant is in one of each."""
    window = Interval(start, start + length)
    found = [each.interval for each in Calendar(zone, (), day_start).windows(kind, window)]

    assert touching(found)
    assert found[0].start <= window.start
    assert window.end <= found[-1].end


@settings(deadline=None)
@given(zones, starts, lengths)
def test_three_shifts_fill_the_day(zone: ZoneInfo, start: datetime, length: timedelta) -> None:
    """Shifts that follow each other on paper do so in fact, also where clocks change."""
    window = Interval(start, start + length)
    found = [each.interval for each in Calendar(zone, THREE_SHIFTS, time(6)).shifts(window)]

    assert touching(found)
    assert found[0].start <= window.start
    assert window.end <= found[-1].end


@settings(deadline=None)
@given(zones, starts, lengths, st.floats(0, 1))
def test_cutting_a_window_changes_no_planned_second(
    zone: ZoneInfo, start: datetime, length: timedelta, share: float
) -> None:
    """Planned time of the parts is planned time of the whole, and lies in shifts."""
    calendar = Calendar(zone, THREE_SHIFTS)
    window = Interval(start, start + length)
    cut = start + length * share
    planned = calendar.planned(window)
    parts = [*calendar.planned(Interval(start, cut)), *calendar.planned(Interval(cut, window.end))]

    assert union(parts) == planned
    assert intersect(planned, union(each.interval for each in calendar.shifts(window))) == planned


@settings(deadline=None)
@given(zones, st.dates(date(2023, 1, 1), date(2027, 1, 1)), st.lists(clock, min_size=2, max_size=2).map(sorted))
def test_local_order_is_kept(zone: ZoneInfo, day: date, clocks: list[time]) -> None:
    """An earlier local time is never a later instant."""
    early, late = (Calendar(zone, ()).to_utc(datetime.combine(day, each)) for each in clocks)

    assert early <= late


@settings(deadline=None)
@given(zones, st.dates(date(2023, 1, 1), date(2027, 1, 1)), clock)
def test_local_times_that_exist_come_back(zone: ZoneInfo, day: date, at: time) -> None:
    """Where a local time exists, its instant shows it; where it does not, its instant shows a later one."""
    wall = datetime.combine(day, at)
    back = Calendar(zone, ()).to_utc(wall).astimezone(zone).replace(tzinfo=None)
    exists = wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall

    assert back == wall if exists else back > wall


@settings(deadline=None)
@given(zones, st.dates(date(2023, 1, 1), date(2027, 1, 1)), clock)
def test_every_shift_is_in_one_production_day(zone: ZoneInfo, day: date, day_start: time) -> None:
    """The production day that a shift bears is the day window in which it starts."""
    calendar = Calendar(zone, THREE_SHIFTS, day_start)
    noon = datetime.combine(day, time(12), tzinfo=UTC)

    for shift in calendar.shifts(Interval(noon, noon + timedelta(days=1))):
        days = calendar.days(Interval(shift.interval.start, shift.interval.start + timedelta(minutes=1)))
        assert next(each.day for each in days if shift.interval.start in each.interval) == shift.day


@settings(deadline=None)
@given(zones, starts, lengths)
def test_breaks_are_taken_out_once(zone: ZoneInfo, start: datetime, length: timedelta) -> None:
    """A whole number of shifts has their length less that of the breaks, as far as clocks let them exist."""
    calendar = Calendar(zone, THREE_SHIFTS)
    for shift in calendar.shifts(Interval(start, start + length)):
        breaks_most = {"early": 30, "late": 0, "night": 75 + 60}[shift.name]
        missing = shift.interval.length - total(calendar.planned(shift.interval))
        assert timedelta() <= missing <= timedelta(minutes=breaks_most)
