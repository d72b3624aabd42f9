"""Laws of the calendar, over zones and seasons."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mes.calendar import Calendar, Every, Maintenance, Rotation, Shift, Window, WindowKind
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
clock = st.times().map(lambda local: local.replace(second=0, microsecond=0))
starts = st.datetimes(datetime(2023, 1, 1), datetime(2027, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001 - bounds are naive
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
    found = [cell.interval for cell in Calendar(zone, (), day_start).windows(kind, window)]

    assert touching(found)
    assert found[0].start <= window.start
    assert window.end <= found[-1].end


@settings(deadline=None)
@given(zones, starts, lengths)
def test_three_shifts_fill_the_day(zone: ZoneInfo, start: datetime, length: timedelta) -> None:
    """Shifts that follow each other on paper do so in fact, also where clocks change."""
    window = Interval(start, start + length)
    found = [shift.interval for shift in Calendar(zone, THREE_SHIFTS, time(6)).shifts(window)]

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
    assert intersect(planned, union(shift.interval for shift in calendar.shifts(window))) == planned


@settings(deadline=None)
@given(zones, st.dates(date(2023, 1, 1), date(2027, 1, 1)), st.lists(clock, min_size=2, max_size=2).map(sorted))
def test_local_order_is_kept(zone: ZoneInfo, day: date, clocks: list[time]) -> None:
    """An earlier local time is never a later instant."""
    early, late = (Calendar(zone, ()).to_utc(datetime.combine(day, local)) for local in clocks)

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
        assert next(window.day for window in days if shift.interval.start in window.interval) == shift.day


@settings(deadline=None)
@given(zones, starts, lengths)
def test_breaks_are_taken_out_once(zone: ZoneInfo, start: datetime, length: timedelta) -> None:
    """A whole number of shifts has their length less that of the breaks, as far as clocks let them exist."""
    calendar = Calendar(zone, THREE_SHIFTS)
    for shift in calendar.shifts(Interval(start, start + length)):
        breaks_most = {"early": 30, "late": 0, "night": 75 + 60}[shift.name]
        missing = shift.interval.length - total(calendar.planned(shift.interval))
        assert timedelta() <= missing <= timedelta(minutes=breaks_most)


TWO_SHIFTS = (
    Shift("early", time(6), time(14), ((time(10), time(10, 30)),), frozenset(range(5))),
    Shift("late", time(14), time(22), ((time(18), time(18, 30)),), frozenset(range(5))),
)
TURNING = Rotation(date(2023, 1, 2), Every.DAY, ({"early": "A", "late": "B"}, {"early": "B"}, {}, {"late": "A"}))
EXTRA = Shift("extra", time(23), time(3), ((time(0), time(0, 20)),))
MIDDLE = {  # dates on which clocks change, by zone
    "Asia/Qostanay": date(2024, 2, 29),
    "Europe/Berlin": date(2026, 3, 29),
    "America/Chicago": date(2026, 11, 1),
    "Australia/Lord_Howe": date(2026, 4, 5),
    "UTC": date(2026, 1, 1),
}
dates = st.dates(date(2023, 1, 1), date(2027, 1, 1))


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    """Calendars with all that there is: special days, holidays, overtime, rotations, maintenance, near to `MIDDLE`."""
    zone, middle = draw(st.sampled_from(list(MIDDLE.items())))
    near = st.integers(-9, 9).map(lambda days: middle + timedelta(days=days))
    plans = draw(st.lists(st.tuples(near, clock, st.timedeltas(timedelta(minutes=1), timedelta(days=2))), max_size=3))
    pattern = draw(st.sampled_from([(), TWO_SHIFTS, THREE_SHIFTS, (Shift("round", time(8), time(8)),)]))
    return Calendar(
        ZoneInfo(zone),
        pattern,
        draw(clock),
        exceptions=dict.fromkeys(draw(st.lists(near, max_size=2)), ()),
        holidays=dict.fromkeys(draw(st.lists(near, max_size=4)), "holiday"),
        overtime=dict.fromkeys(draw(st.lists(near, max_size=2)) if pattern in ((), TWO_SHIFTS) else (), (EXTRA,)),
        rotations=(TURNING,) if draw(st.booleans()) else (),
        maintenance_plan=tuple(
            Maintenance("plan", start, start + length)
            for start, length in ((datetime.combine(day, at), length) for day, at, length in plans)
        ),
    )


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Calendar, Interval]:
    """A calendar and a window around the date on which its clocks change."""
    calendar = draw(calendars())
    noon = datetime.combine(MIDDLE[calendar.zone.key or ""], time(12), tzinfo=UTC)
    start = noon + draw(st.timedeltas(timedelta(days=-6), timedelta(days=3)))
    return calendar, Interval(start, start + draw(lengths))


def all_shifts(calendar: Calendar, window: Interval) -> list[Window]:
    found = [*calendar.shifts(window), *calendar.off_shift(window)]
    return sorted(found, key=lambda part: part.interval)


def holding(windows: list[Window], instant: datetime) -> list[Window]:
    return [window for window in windows if instant in window.interval]


BERLIN = Calendar(ZoneInfo("Europe/Berlin"), THREE_SHIFTS, time(6))
KOSTANAY = Calendar(ZoneInfo("Asia/Qostanay"), TWO_SHIFTS)


def around(*day: int) -> Interval:
    noon = datetime(*day, 12, tzinfo=UTC)  # type: ignore[misc,arg-type]  # year, month and day
    return Interval(noon - timedelta(days=1), noon + timedelta(days=1))


@settings(deadline=None)
@given(scenes())
@example((BERLIN, around(2026, 3, 29)))
@example((BERLIN, around(2026, 10, 25)))
@example((KOSTANAY, around(2024, 3, 1)))
def test_shifts_and_the_stretches_between_them_tile_time(scene: tuple[Calendar, Interval]) -> None:
    """Shifts and stretches off shift cover any window without a hole and without overlap, and are whole."""
    calendar, window = scene
    found = all_shifts(calendar, window)

    assert touching([shift.interval for shift in found])
    assert found[0].interval.start <= window.start
    assert window.end <= found[-1].interval.end
    for shift in found:
        assert all_shifts(calendar, shift.interval) == [shift]


@settings(deadline=None)
@given(scenes(), st.floats(0, 1, exclude_max=True))
@example((BERLIN, around(2026, 3, 29)), 0.55)
@example((BERLIN, around(2026, 10, 25)), 0.55)
@example((KOSTANAY, around(2024, 3, 1)), 0.3)
def test_every_instant_is_in_exactly_one_window_of_each_kind(scene: tuple[Calendar, Interval], share: float) -> None:
    """An instant has one hour, one shift or stretch between shifts, one day, week, month and year."""
    calendar, window = scene
    instant = window.start + window.length * share

    for kind in WindowKind:
        wide = all_shifts(calendar, window) if kind is WindowKind.SHIFT else [*calendar.windows(kind, window)]
        assert len(holding(wide, instant)) == 1
    assert holding(all_shifts(calendar, window), instant) == [calendar.shift_of(instant)]
    assert holding([*calendar.days(window)], instant)[0].day == calendar.day_of(instant)


@settings(deadline=None)
@given(scenes(), st.sampled_from([WindowKind.WEEK, WindowKind.MONTH, WindowKind.YEAR]))
def test_production_days_tile_weeks_months_and_years(scene: tuple[Calendar, Interval], kind: WindowKind) -> None:
    """A week, a month and a year begin and end with a production day, and follow each other without a hole."""
    calendar, window = scene
    found = calendar.windows(kind, window)

    assert touching([span.interval for span in found])
    for span in found:
        days = calendar.days(span.interval)
        assert touching([day.interval for day in days])
        assert Interval(days[0].interval.start, days[-1].interval.end) == span.interval
        assert span.day == days[0].day


@settings(deadline=None)
@given(scenes())
def test_shifts_are_planned_time_breaks_and_maintenance(scene: tuple[Calendar, Interval]) -> None:
    """Planned time, breaks and maintenance do not overlap and together are the time of the shifts."""
    calendar, window = scene
    manned = calendar.manned(window)
    parts = (calendar.planned(window), calendar.breaks(window), calendar.maintenance(window))

    assert union(span for part in parts for span in part) == manned
    assert sum((total(part) for part in parts), timedelta()) == total(manned)
    assert manned == intersect(union(shift.interval for shift in calendar.shifts(window)), (window,))
    assert intersect(parts[0], manned) == parts[0]


@settings(deadline=None)
@given(scenes(), st.floats(0, 1))
def test_cutting_a_window_changes_no_sum(scene: tuple[Calendar, Interval], share: float) -> None:
    """Planned time, breaks, maintenance and shifts of the parts of a window are those of the whole."""
    calendar, window = scene
    cut = window.start + window.length * share
    left, right = Interval(window.start, cut), Interval(cut, window.end)

    for part in (calendar.planned, calendar.breaks, calendar.maintenance, calendar.manned):
        assert union([*part(left), *part(right)]) == part(window)
        assert total(part(left)) + total(part(right)) == total(part(window))


@settings(deadline=None)
@given(starts, lengths, st.sampled_from([("Asia/Kolkata", "Asia/Calcutta"), ("Europe/Berlin", "Arctic/Longyearbyen")]))
def test_the_label_of_the_zone_changes_nothing(start: datetime, length: timedelta, names: tuple[str, str]) -> None:
    """Two names of one zone, and a window that is written in another offset, give the same."""
    one, other = (Calendar(ZoneInfo(name), THREE_SHIFTS, time(6)) for name in names)
    there = start.astimezone(timezone(timedelta(hours=5)))
    window, relabelled = Interval(start, start + length), Interval(there, there + length)

    assert one.planned(window) == other.planned(window) == one.planned(relabelled)
    for kind in WindowKind:
        assert one.windows(kind, window) == other.windows(kind, window) == one.windows(kind, relabelled)
    assert one.off_shift(window) == other.off_shift(window) == one.off_shift(relabelled)


@settings(deadline=None)
@given(calendars(), dates)
def test_a_rotation_takes_shifts_away_and_adds_none(calendar: Calendar, day: date) -> None:
    """What starts on a date is what the calendar names for it, and only a rotation or a holiday leaves some out."""
    named = (*calendar.exceptions.get(day, calendar.shifts_by_rule), *calendar.overtime.get(day, ()))

    assert set(calendar.starting(day)) <= set(named)
    assert set(calendar.overtime.get(day, ())) <= set(calendar.starting(day))
