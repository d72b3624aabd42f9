"""When the plant works: one shift from Monday to Friday with three breaks, in Kostanay's local time."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Qostanay")
WORK = (
    (time(8), time(10)),
    (time(10, 15), time(12)),
    (time(12, 30), time(14, 30)),
    (time(14, 45), time(16, 30)),
)
_WORKDAYS = 5


class Span(NamedTuple):
    """`[start, end)`, aware UTC."""

    start: datetime
    end: datetime


def working(day: date) -> tuple[Span, ...]:
    """The local day's stretches of work (7.5 h in all), none on Saturday and Sunday."""
    if day.weekday() >= _WORKDAYS:
        return ()
    return tuple(Span(_utc(day, start), _utc(day, end)) for start, end in WORK)


def stretches(start: datetime) -> Iterator[Span]:
    """All work from `start` on, for ever; the first stretch begins at `start` if that is within work."""
    day = start.astimezone(ZONE).date()
    while True:
        for span in working(day):
            if span.end > start:
                yield Span(max(span.start, start), span.end)
        day += timedelta(days=1)


def planned(start: datetime, end: datetime) -> list[Span]:
    """The work within `[start, end)`, in order."""
    found: list[Span] = []
    for span in stretches(start):
        if span.start >= end:
            break
        found.append(Span(span.start, min(span.end, end)))
    return found


def _utc(day: date, at: time) -> datetime:
    return datetime.combine(day, at, ZONE).astimezone(UTC)
