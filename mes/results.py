"""The one door to every figure: board, report, InfluxDB, demo and replay all ask here and so give the same answer."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Protocol

from mes.calendar import Calendar, Window, WindowKind
from mes.intervals import Interval
from mes.model import Journaled, StationId, StationStandard, UnitCompleted
from mes.oee.kpi import Kpi, kpi
from mes.oee.timeline import Timeline, timeline

__all__ = ["EventReader", "Results", "Window", "WindowKind"]


class EventReader(Protocol):
    """Where journaled events are read; the journal's reader is one."""

    def events(self, station: StationId, *, until: datetime | None = None) -> Iterator[Journaled]:
        """All events of a station, in the order of their seq; with `until`, those whose time is before it."""
        ...

    def last_seq(self, station: StationId | None = None) -> int:
        """The seq of the last event of a station, or of any; 0 if there is none."""
        ...


class Results:
    """Figures of stations out of a journal; keeps a station's time line until the station has a new event.

    Raises KeyError for a station that is not in `stations`, and what the reader raises.
    """

    def __init__(self, reader: EventReader, stations: Mapping[StationId, StationStandard], calendar: Calendar) -> None:
        self.stations = stations
        self.calendar = calendar
        self._reader = reader
        self._kept: dict[StationId, tuple[int, Timeline]] = {}

    def kpi(self, station: StationId, window: Interval, *, until: datetime) -> Kpi:
        """The station's figures in `window` as far as it lies before `until`, the present of whoever asks."""
        planned = self.calendar.planned(window)
        return kpi(self.timeline(station), window, planned, self.stations[station], until=until)

    def timeline(self, station: StationId) -> Timeline:
        """All that the journal knows of the station."""
        seq = self._reader.last_seq(station)
        kept = self._kept.get(station)
        if kept is None or kept[0] != seq:
            kept = self._kept[station] = (seq, timeline(self._reader.events(station)))
        return kept[1]

    def events(self, station: StationId) -> Iterator[Journaled]:
        """The station's events in the order of their seq."""
        return self._reader.events(station)

    def units(self, station: StationId) -> tuple[UnitCompleted, ...]:
        """The units that were finished at the station, in the order of time."""
        found = [
            (each.event, each.seq) for each in self._reader.events(station) if isinstance(each.event, UnitCompleted)
        ]
        return tuple(unit for unit, _ in sorted(found, key=lambda each: (each[0].time, each[1])))

    def windows(self, kind: WindowKind, interval: Interval) -> tuple[Window, ...]:
        """The calendar's windows of a kind that overlap `interval`, whole."""
        return self.calendar.windows(kind, interval)
