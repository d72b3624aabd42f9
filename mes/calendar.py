"""The site's calendar: shifts, breaks and holidays become planned time in UTC; local time and DST end here.

Two rules hold where clocks are put forward or back. A local time that does not exist on a day (clocks put forward)
means the first instant that exists after it. A local time that comes twice means its first coming. Both keep the
order of local times, so that shifts which do not overlap on paper never overlap in fact.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Literal, assert_never
from zoneinfo import ZoneInfo

from mes.intervals import MICROSECOND, Interval, intersect, subtract, union

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
EVERY_DAY = frozenset(range(7))
OFF_SHIFT = "off shift"


class WindowKind(StrEnum):
    """The windows over which figures are given; weeks are those of ISO 8601."""

    HOUR = "hour"
    SHIFT = "shift"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


OfDays = Literal[WindowKind.DAY, WindowKind.WEEK, WindowKind.MONTH, WindowKind.YEAR]
LONGEST: Mapping[WindowKind, timedelta] = {
    WindowKind.DAY: DAY,
    WindowKind.WEEK: 7 * DAY,
    WindowKind.MONTH: 31 * DAY,
    WindowKind.YEAR: 366 * DAY,
}


@dataclass(frozen=True, slots=True)
class Window:
    """A named window; `day` is the production day in which it starts, `team` the one that works a shift."""

    kind: WindowKind
    name: str
    day: date
    interval: Interval
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Shift:
    """Working time by the local clock; an `end` not after `start` is on the next day (equal: a whole day).

    `breaks` lie inside the shift, `weekdays` are those on which it starts (0 is Monday). A `team` of its own goes
    before the one that a rotation gives it.
    Raises ValueError for aware times, a break outside the shift, or a weekday that does not exist.
    """

    name: str
    start: time
    end: time
    breaks: tuple[tuple[time, time], ...] = ()
    weekdays: frozenset[int] = EVERY_DAY
    team: str | None = None

    def __post_init__(self) -> None:
        if any(clock_time.tzinfo is not None for pair in ((self.start, self.end), *self.breaks) for clock_time in pair):
            raise ValueError(f"shift {self.name}: times are local, without a zone")
        if not self.weekdays <= EVERY_DAY:
            raise ValueError(f"shift {self.name}: weekdays go from 0, Monday, to 6")
        whole = self.after_start(self.end, at_least=MICROSECOND)
        for start, end in self.breaks:
            begins = self.after_start(start)
            if self.after_start(end, at_least=begins + MICROSECOND) > whole:
                raise ValueError(f"shift {self.name}: the break {start} to {end} is not inside the shift")

    def after_start(self, clock: time, *, at_least: timedelta = timedelta()) -> timedelta:
        """How long after the shift's start the clock first shows `clock`, not before `at_least`; at most two days."""
        passed = _clock_between(self.start, clock)
        return passed if passed >= at_least else passed + DAY

    def on(self, day: date) -> tuple[datetime, datetime]:
        """Start and end in wall time, without a zone, of the shift that starts on a date."""
        start = datetime.combine(day, self.start)
        return start, start + self.after_start(self.end, at_least=MICROSECOND)

    def breaks_on(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """The same of each break."""
        start = datetime.combine(day, self.start)
        for begin, end in self.breaks:
            begins = self.after_start(begin)
            yield start + begins, start + self.after_start(end, at_least=begins)


class Every(StrEnum):
    """How long an entry of a rotation holds."""

    WEEK = "week"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Rotation:
    """Which team works which shift from the date `start` on: entries of shift name to team, each for a week or a day.

    By the day, a shift that the cycle names somewhere takes place only on days whose entry names it.
    Raises ValueError for a cycle without entries.
    """

    start: date
    every: Every
    cycle: tuple[Mapping[str, str], ...]

    def __post_init__(self) -> None:
        if not self.cycle:
            raise ValueError("a rotation needs at least one entry in its cycle")

    def teams(self, day: date) -> Mapping[str, str]:
        """The entry that holds on a date: the team of each shift that starts on it."""
        passed = (day - self.start).days // (7 if self.every is Every.WEEK else 1)
        return self.cycle[passed % len(self.cycle)]

    def rests(self, shift: str, day: date) -> bool:
        """Whether the cycle leaves out a shift on a date."""
        return self.every is Every.DAY and shift not in self.teams(day) and any(shift in entry for entry in self.cycle)


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Time planned for maintenance, from `start` to `end` in wall time without a zone.

    Raises ValueError for aware times and an end that is not after the start.
    """

    name: str
    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError(f"maintenance {self.name}: times are local, without a zone")
        if self.end <= self.start:
            raise ValueError(f"maintenance {self.name} ends before it starts")


@dataclass(frozen=True, slots=True)
class _Turn:
    """A shift on its date: `planned`, `breaks` and `maintenance` are disjoint and together the whole of it."""

    window: Window
    planned: tuple[Interval, ...]
    breaks: tuple[Interval, ...]
    maintenance: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a site works. `day_start` begins the production day; `exceptions` replace the shifts that start on a date.

    On a date of `holidays` (with their names) no shift starts, unless it is one of `exceptions`. `overtime` comes
    beside the shifts of its date, whatever that is. The rotation with the latest start not after a date gives the
    teams of its shifts. `maintenance_plan` takes time out of shifts. A production day bears the date on which it
    starts, and a shift belongs to the production day in which it starts. Shifts must not overlap each other.
    """

    zone: ZoneInfo
    shifts_by_rule: tuple[Shift, ...]
    day_start: time = time(0)
    exceptions: Mapping[date, tuple[Shift, ...]] = field(default_factory=dict)
    holidays: Mapping[date, str] = field(default_factory=dict)
    overtime: Mapping[date, tuple[Shift, ...]] = field(default_factory=dict)
    rotations: tuple[Rotation, ...] = ()
    maintenance_plan: tuple[Maintenance, ...] = ()
    _turns_by_date: dict[date, tuple[_Turn, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def planned(self, window: Interval) -> tuple[Interval, ...]:
        """Shifts without their breaks and without maintenance, inside `window`; sorted and disjoint."""
        return _inside(window, (part for turn in self._turns(window) for part in turn.planned))

    def breaks(self, window: Interval) -> tuple[Interval, ...]:
        """The breaks of shifts, inside `window`; sorted and disjoint."""
        return _inside(window, (part for turn in self._turns(window) for part in turn.breaks))

    def maintenance(self, window: Interval) -> tuple[Interval, ...]:
        """Planned maintenance in shifts and outside their breaks, inside `window`; sorted and disjoint."""
        return _inside(window, (part for turn in self._turns(window) for part in turn.maintenance))

    def manned(self, window: Interval) -> tuple[Interval, ...]:
        """Whole shifts inside `window`: planned time, breaks and maintenance together; sorted and disjoint."""
        return _inside(window, (turn.window.interval for turn in self._turns(window)))

    def shifts(self, window: Interval) -> tuple[Window, ...]:
        """Whole shifts that overlap `window`, in the order of their start; their breaks are not cut out."""
        found = (turn.window for turn in self._turns(window))
        return tuple(sorted(found, key=lambda stretch: (stretch.interval, stretch.name)))

    def off_shift(self, window: Interval) -> tuple[Window, ...]:
        """Whole stretches between shifts that overlap `window`, cut where production days start.

        With `shifts` they tile all of time: every instant lies in exactly one of both.
        """
        days = [day.interval for day in self.days(window)]
        if not days:
            return ()
        around = Interval(days[0].start, days[-1].end)
        stretches = intersect(subtract((around,), self.manned(around)), days)
        return tuple(
            Window(WindowKind.SHIFT, OFF_SHIFT, self.day_of(stretch.start), stretch)
            for stretch in stretches
            if stretch.clip(window)
        )

    def shift_of(self, instant: datetime) -> Window:
        """The shift, or the stretch between shifts, in which an instant lies."""
        window = Interval(instant, instant + MICROSECOND)
        return (self.shifts(window) or self.off_shift(window))[0]

    def hours(self, window: Interval) -> tuple[Window, ...]:
        """Whole hours that overlap `window`, counted from each local midnight; names are the local time of the start.

        The last of a day is shorter where clocks change by a part of an hour.
        """
        found = []
        for day in self._dates(window):
            midnight = self._between(datetime.combine(day, time()), datetime.combine(day + DAY, time()))
            start = midnight.start
            while start < midnight.end:
                interval = Interval(start, min(start + HOUR, midnight.end))
                if interval.clip(window):
                    name = f"{start.astimezone(self.zone):%Y-%m-%d %H:%M}"
                    found.append(Window(WindowKind.HOUR, name, self.day_of(start), interval))
                start = interval.end
        return tuple(found)

    def days(self, window: Interval) -> tuple[Window, ...]:
        """Whole production days that overlap `window`; 23 or 25 hours long where clocks change."""
        return self._of_days(WindowKind.DAY, window)

    def windows(self, kind: WindowKind, window: Interval) -> tuple[Window, ...]:
        """All windows of a kind that overlap `window`; weeks, months and years are made of whole production days.

        For shifts these are the shifts alone; `off_shift` gives the stretches between them.
        """
        match kind:
            case WindowKind.HOUR:
                return self.hours(window)
            case WindowKind.SHIFT:
                return self.shifts(window)
            case WindowKind.DAY | WindowKind.WEEK | WindowKind.MONTH | WindowKind.YEAR:
                return self._of_days(kind, window)
            case _:
                assert_never(kind)

    def day_of(self, instant: datetime) -> date:
        """The production day in which an instant lies."""
        day = instant.astimezone(self.zone).date() + DAY
        while instant < self._day_begin(day):
            day -= DAY
        return day

    def starting(self, day: date) -> tuple[Shift, ...]:
        """The shifts that start on a date by the local clock, overtime last."""
        regular = self.exceptions.get(day)
        if regular is None:
            regular = () if day in self.holidays else self._by_rule(day)
        return (*regular, *self.overtime.get(day, ()))

    def to_utc(self, wall: datetime) -> datetime:
        """The instant of a local wall time; see the module's two rules. Raises ValueError for an aware time."""
        if wall.tzinfo is not None:
            raise ValueError("a wall time has no zone")
        return _utc(self.zone, wall)

    def _turns(self, window: Interval) -> Iterator[_Turn]:
        """The shifts that overlap `window`; what a date holds is worked out once."""
        for day in self._dates(window):
            turns = self._turns_by_date.get(day)
            if turns is None:
                turns = self._turns_by_date[day] = tuple(self._turn(day, shift) for shift in self.starting(day))
            for turn in turns:
                whole = turn.window.interval
                if max(whole.start, window.start) < min(whole.end, window.end):
                    yield turn

    def _turn(self, day: date, shift: Shift) -> _Turn:
        start, end = shift.on(day)
        whole = self._between(start, end)
        breaks = union(self._between(*hours) for hours in shift.breaks_on(day))
        maintenance = union(
            self._between(period.start, period.end)
            for period in self.maintenance_plan
            if period.start < end and period.end > start
        )
        working = subtract((whole,), breaks)
        return _Turn(
            Window(WindowKind.SHIFT, shift.name, self.day_of(whole.start), whole, self._team(day, shift)),
            planned=subtract(working, maintenance),
            breaks=breaks,
            maintenance=intersect(working, maintenance),
        )

    def _by_rule(self, day: date) -> tuple[Shift, ...]:
        rotation = self._rotation(day)
        return tuple(
            shift
            for shift in self.shifts_by_rule
            if day.weekday() in shift.weekdays and not (rotation and rotation.rests(shift.name, day))
        )

    def _team(self, day: date, shift: Shift) -> str | None:
        rotation = self._rotation(day)
        by_rotation = rotation.teams(day).get(shift.name) if rotation else None
        return shift.team or by_rotation

    def _rotation(self, day: date) -> Rotation | None:
        begun = [rotation for rotation in self.rotations if rotation.start <= day]
        return max(begun, key=lambda shift: shift.start, default=None)

    def _of_days(self, kind: OfDays, window: Interval) -> tuple[Window, ...]:
        """Whole windows that overlap `window` and consist of whole production days."""
        found = []
        first, name = _period(kind, self.day_of(window.start))
        start = self._day_begin(first)
        while start < window.end:
            following, following_name = _period(kind, first + LONGEST[kind])
            interval = Interval(start, self._day_begin(following))
            if interval.clip(window):
                found.append(Window(kind, name, first, interval))
            first, name, start = following, following_name, interval.end
        return tuple(found)

    def _day_begin(self, day: date) -> datetime:
        return self.to_utc(datetime.combine(day, self.day_start))

    def _dates(self, window: Interval) -> Iterator[date]:
        """Local dates whose shifts or hours may reach into `window`; a shift is at most a day long."""
        day = window.start.astimezone(self.zone).date() - 2 * DAY
        last = window.end.astimezone(self.zone).date() + DAY
        while day <= last:
            yield day
            day += DAY

    def _between(self, start: datetime, end: datetime) -> Interval:
        return Interval(self.to_utc(start), self.to_utc(end))


def _inside(window: Interval, parts: Iterable[Interval]) -> tuple[Interval, ...]:
    return intersect(union(parts), (window,))


def _period(kind: OfDays, day: date) -> tuple[date, str]:
    """First date and name of the day, week, month or year that holds a date."""
    match kind:
        case WindowKind.DAY:
            return day, day.isoformat()
        case WindowKind.WEEK:
            year, week, weekday = day.isocalendar()
            return day - (weekday - 1) * DAY, f"{year}-W{week:02}"
        case WindowKind.MONTH:
            return day.replace(day=1), f"{day:%Y-%m}"
        case WindowKind.YEAR:
            return day.replace(month=1, day=1), f"{day:%Y}"
        case _:
            assert_never(kind)


@lru_cache(maxsize=2**14)
def _utc(zone: ZoneInfo, wall: datetime) -> datetime:
    """The instant of a wall time; the same few of each date are asked for again and again."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return first if first <= second else _jump(zone, second, first)


def _jump(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The instant in (before, after] at which clocks are put forward; zones change at whole seconds."""
    old = before.astimezone(zone).utcoffset()
    before, after = before.replace(microsecond=0), after.replace(microsecond=0)
    while after - before > SECOND:
        middle = before + (after - before) // SECOND // 2 * SECOND
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


@lru_cache(maxsize=2**10)
def _clock_between(start: time, end: time) -> timedelta:
    """How far the clock goes from `start` until it first shows `end`, below a day; asked for on every date."""
    return (datetime.combine(date.min, end) - datetime.combine(date.min, start)) % DAY
