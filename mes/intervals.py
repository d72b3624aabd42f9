"""Half-open UTC intervals `[start, end)` and the little algebra that the time model needs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # from which files and databases count their times
MICROSECOND = timedelta(microseconds=1)  # the resolution of every time here
MILLISECOND = timedelta(milliseconds=1)
BEGINNING_OF_TIME = datetime.min.replace(tzinfo=UTC)
END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """`[start, end)`, aware UTC, start <= end. Raises ValueError otherwise."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("an interval needs aware times")
        if self.end < self.start:
            raise ValueError(f"interval ends before it starts: {self.start} > {self.end}")

    @property
    def length(self) -> timedelta:
        """Exact to the microsecond."""
        return self.end - self.start

    def clip(self, window: "Interval") -> "Interval | None":
        """The part inside `window`, None if there is none or it is empty."""
        start, end = max(self.start, window.start), min(self.end, window.end)
        return Interval(start, end) if start < end else None

    def before(self, instant: datetime) -> "Interval":
        """The part before an instant; empty, and at that instant, where all of it comes later."""
        return Interval(min(self.start, instant), min(self.end, instant))

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end


_bounds = attrgetter("start", "end")


def union(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Sorted, disjoint, not touching; empty intervals vanish."""
    merged: list[Interval] = []
    for interval in sorted(intervals, key=_bounds):
        if interval.start == interval.end:
            continue
        if merged and interval.start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, interval.end))
        else:
            merged.append(interval)
    return tuple(merged)


def intersect(left: Sequence[Interval], right: Sequence[Interval]) -> tuple[Interval, ...]:
    """What lies in both; both must be sorted and disjoint, as `union` gives them."""
    found: list[Interval] = []
    i = j = 0
    while i < len(left) and j < len(right):
        one, other = left[i], right[j]
        if one.start < other.end and other.start < one.end and (part := one.clip(other)):
            found.append(part)
        if one.end <= other.end:
            i += 1
        else:
            j += 1
    return tuple(found)


def subtract(whole: Sequence[Interval], holes: Sequence[Interval]) -> tuple[Interval, ...]:
    """What lies in `whole` and not in `holes`; both sorted and disjoint."""
    left: list[Interval] = []
    for span in whole:
        at = span.start
        for hole in holes:
            if hole.end <= at or hole.start >= span.end:
                continue
            if hole.start > at:
                left.append(Interval(at, hole.start))
            at = max(at, hole.end)
        if at < span.end:
            left.append(Interval(at, span.end))
    return tuple(left)


def total(intervals: Iterable[Interval]) -> timedelta:
    """Sum of the lengths."""
    return sum((interval.length for interval in intervals), timedelta())
