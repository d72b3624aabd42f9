"""Closed shifts: which there are, and whether what somebody is about to journal affects one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mes.calendar import Calendar, Window, WindowKind
from mes.intervals import MICROSECOND, Interval
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    Journaled,
    ReasonAssigned,
    ShiftClosed,
    ShiftReopened,
    StateChanged,
    StationEvent,
    StationId,
    UnitsCounted,
)
from mes.oee.stops import NotAllowed, closed_shifts

WHOLE = "interval"  # the name of a window that is none of the calendar's


class ClosingReader(Protocol):
    """Where the journal's closings are read; the journal's reader is one."""

    def closings(self, station: StationId) -> list[Journaled]:
        """Every closing and reopening of a station's shifts, in journal order."""
        ...

    def states_from(self, station: StationId, instant: datetime, limit: int) -> list[Journaled]:
        """The first changes of state or connection from an instant on, oldest first."""
        ...


class Closings:
    """The shifts that are closed in a journal as it is now; make another one after something was written."""

    def __init__(self, reader: ClosingReader) -> None:
        self._reader = reader
        self._closed: dict[StationId, Sequence[Interval]] = {}

    def require_open(self, events: Iterable[StationEvent]) -> None:
        """Raises NotAllowed (code `shift_closed`) if an event affects a closed shift of its station.

        Closing and reopening themselves affect none. What controllers send is never asked here: it is kept.
        """
        for event in events:
            if isinstance(event, ShiftClosed | ShiftReopened) or not self.has_closed(event.station):
                continue
            about = self._affected(event)
            for shift in self._of(event.station):
                if about.start < shift.end and shift.start < about.end:
                    raise _refusal(event.station, shift)

    def has_closed(self, station: StationId) -> bool:
        """Whether any shift of a station is closed."""
        return bool(self._of(station))

    def _of(self, station: StationId) -> Sequence[Interval]:
        if station not in self._closed:
            self._closed[station] = tuple(closed_shifts(closing.event for closing in self._reader.closings(station)))
        return self._closed[station]

    def _affected(self, event: StationEvent) -> Interval:
        """The stretch of a station's time of which an event says something; never empty."""
        start, end = event.time, event.time + MICROSECOND
        match event:
            case ReasonAssigned():
                start, end = event.start, event.end or max(event.time, event.start)
            case UnitsCounted():
                start = min(event.since or start, start)
            case ConnectionRestored() | StateChanged() | ConnectionLost():
                if isinstance(event, ConnectionRestored):
                    start = min(event.since, start)
                after = self._reader.states_from(event.station, end, 1)
                end = after[0].event.time if after else datetime.max.replace(tzinfo=start.tzinfo)
            case _:
                pass
        return Interval(start, max(end, start + MICROSECOND))


@dataclass(frozen=True, slots=True)
class Closing:
    """A shift that is closed, in the window that it was closed for.

    `in_calendar`: the calendar has this shift; it has not where it was changed since, and no other window is this one.
    """

    window: Window
    event: ShiftClosed
    in_calendar: bool


def closings_in(reader: ClosingReader, calendar: Calendar, station: StationId, span: Interval) -> tuple[Closing, ...]:
    """The closed shifts of a station that overlap a stretch of time, in order."""
    closed = closed_shifts(journaled.event for journaled in reader.closings(station))
    shifts = {window.interval: window for window in calendar.shifts(span)}
    return tuple(
        Closing(
            shifts.get(shift, Window(WindowKind.DAY, WHOLE, calendar.day_of(shift.start), shift)),
            event,
            in_calendar=shift in shifts,
        )
        for shift, event in closed.items()
        if shift.clip(span) is not None
    )


def _refusal(station: StationId, shift: Interval) -> NotAllowed:
    return NotAllowed("shift_closed", station=station, start=shift.start, end=shift.end)
