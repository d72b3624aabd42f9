"""The site's calendar: shifts, breaks and holidays become planned time in UTC; local time and DST end here.

Two rules hold where clocks are put forward or back. A local time that does not exist on a day (clocks put forward)
means the first instant that exists after it. A local time that comes twice means its first coming. Both keep the
order of local times, so that shifts which do not overlap on paper never overlap in fact.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import assert_never
from zoneinfo import ZoneInfo

from mes.intervals import Interval, intersect, subtract, union

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
EVERY_DAY = frozenset(range(7))


class WindowKind(StrEnum):
    """The windows over which figures are given."""

    HOUR = "hour"
    SHIFT = "shift"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Window:
    """A named window; `day` is the production day in which it starts."""

    kind: WindowKind
    name: str
    day: date
    interval: Interval


@dataclass(frozen=True, slots=True)
class Shift:
    """Working time by the local clock; an `end` not after `start` is on the next day (equal: a whole day).

    `breaks` lie inside the shift, `weekdays` are those on which it starts (0 is Monday).
    Raises ValueError for aware times, a break outside the shift, or a weekday that does not exist.
    """

    name: str
    start: time
    end: time
    breaks: tuple[tuple[time, time], ...] = ()
    weekdays: frozenset[int] = EVERY_DAY

    def __post_init__(self) -> None:
        if any(each.tzinfo is not None for pair in ((self.start, self.end), *self.breaks) for each in pair):
            raise ValueError(f"shift {self.name}: times are local, without a zone")
        if not self.weekdays <= EVERY_DAY:
            raise ValueError(f"shift {self.name}: weekdays go from 0, Monday, to 6")
        whole = self.after_start(self.end, at_least=timedelta(microseconds=1))
        for start, end in self.breaks:
            begins = self.after_start(start)
            if self.after_start(end, at_least=begins + timedelta(microseconds=1)) > whole:
                raise ValueError(f"shift {self.name}: the break {start} to {end} is not inside the shift")

    def after_start(self, clock: time, *, at_least: timedelta = timedelta()) -> timedelta:
        """How long after the shift's start the clock first shows `clock`, not before `at_least`; at most two days."""
        passed = (_since_midnight(clock) - _since_midnight(self.start)) % DAY
        return passed if passed >= at_least else passed + DAY


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a site works. `day_start` begins the production day; `exceptions` replace the shifts that start on a date.

    A production day bears the date on which it starts, and a shift belongs to the production day in which it starts.
    """

    zone: ZoneInfo
    shifts_by_rule: tuple[Shift, ...]
    day_start: time = time(0)
    exceptions: Mapping[date, tuple[Shift, ...]] = field(default_factory=dict)

    def planned(self, window: Interval) -> tuple[Interval, ...]:
        """Shifts without their breaks, inside `window`; sorted and disjoint."""
        working = [part for day, shift in self._starting(window) for part in self._working(day, shift)]
        return intersect(union(working), (window,))

    def shifts(self, window: Interval) -> tuple[Window, ...]:
        """Whole shifts that overlap `window`, in the order of their start; their breaks are not cut out."""
        found = [
            Window(WindowKind.SHIFT, shift.name, self.day_of(interval.start), interval)
            for day, shift in self._starting(window)
            if (interval := self._whole(day, shift)).clip(window)
        ]
        return tuple(sorted(found, key=lambda each: (each.interval, each.name)))

    def days(self, window: Interval) -> tuple[Window, ...]:
        """Whole production days that overlap `window`; 23 or 25 hours long where clocks change."""
        found = []
        for day in self._dates(window):
            interval = self._between(datetime.combine(day, self.day_start), datetime.combine(day + DAY, self.day_start))
            if interval.clip(window):
                found.append(Window(WindowKind.DAY, day.isoformat(), day, interval))
        return tuple(found)

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

    def windows(self, kind: WindowKind, window: Interval) -> tuple[Window, ...]:
        """All windows of a kind that overlap `window`."""
        match kind:
            case WindowKind.HOUR:
                return self.hours(window)
            case WindowKind.SHIFT:
                return self.shifts(window)
            case WindowKind.DAY:
                return self.days(window)
            case _:
                assert_never(kind)

    def day_of(self, instant: datetime) -> date:
        """The production day in which an instant lies."""
        day = instant.astimezone(self.zone).date()
        return day if instant >= self.to_utc(datetime.combine(day, self.day_start)) else day - DAY

    def to_utc(self, wall: datetime) -> datetime:
        """The UTC instant of a local wall time, by the two rules of this module. Raises ValueError if it is aware."""
        if wall.tzinfo is not None:
            raise ValueError(f"{wall} is not a local wall time")
        first = wall.replace(tzinfo=self.zone, fold=0).astimezone(UTC)
        second = wall.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        return first if first <= second else self._jump(second, first)

    def _jump(self, before: datetime, after: datetime) -> datetime:
        """The instant in (before, after] at which clocks are put forward; zones change at whole seconds."""
        old = before.astimezone(self.zone).utcoffset()
        before, after = before.replace(microsecond=0), after.replace(microsecond=0)
        while after - before > SECOND:
            middle = before + (after - before) // SECOND // 2 * SECOND
            if middle.astimezone(self.zone).utcoffset() == old:
                before = middle
            else:
                after = middle
        return after

    def _dates(self, window: Interval) -> Iterator[date]:
        """Local dates whose shifts, days or hours may reach into `window`; a shift is at most a day long."""
        day = window.start.astimezone(self.zone).date() - 2 * DAY
        last = window.end.astimezone(self.zone).date() + DAY
        while day <= last:
            yield day
            day += DAY

    def _starting(self, window: Interval) -> Iterator[tuple[date, Shift]]:
        for day in self._dates(window):
            by_rule = (each for each in self.shifts_by_rule if day.weekday() in each.weekdays)
            for shift in self.exceptions.get(day, by_rule):
                yield day, shift

    def _working(self, day: date, shift: Shift) -> tuple[Interval, ...]:
        start = datetime.combine(day, shift.start)
        breaks = []
        for begin, end in shift.breaks:
            begins = shift.after_start(begin)
            ends = shift.after_start(end, at_least=begins)
            breaks.append(self._between(start + begins, start + ends))
        return subtract((self._whole(day, shift),), union(breaks))

    def _whole(self, day: date, shift: Shift) -> Interval:
        start = datetime.combine(day, shift.start)
        return self._between(start, start + shift.after_start(shift.end, at_least=timedelta(microseconds=1)))

    def _between(self, start: datetime, end: datetime) -> Interval:
        return Interval(self.to_utc(start), self.to_utc(end))


def _since_midnight(clock: time) -> timedelta:
    return timedelta(hours=clock.hour, minutes=clock.minute, seconds=clock.second, microseconds=clock.microsecond)
