"""Which figures are published to InfluxDB: the hours, shifts and days that new events bear on, and those still open."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from adapters.clock import Clock
from mes.calendar import Calendar, WindowKind
from mes.influx.encode import KpiPoint
from mes.intervals import Interval
from mes.journal import JournalReader
from mes.model import StationId, StationStandard
from mes.oee.timeline import END_OF_TIME
from mes.results import Results

INSTANT = timedelta(microseconds=1)
PUBLISHED = (WindowKind.HOUR, WindowKind.SHIFT, WindowKind.DAY)  # longer windows are sums of days in a query
FARTHEST = timedelta(days=1)  # how far back what happens now may change what was published


class PublishedFigures:
    """Asks `mes.results` for what is to be published; the work is done in a thread, beside the collecting.

    An event bears on more than its own instant: the end of a stop decides what the whole stop was, and time passes
    though nothing happens. So every stretch reaches back to the beginning of the state that was in force then, and
    what is open is stated from the last time on that the server is known to have it.
    """

    def __init__(
        self, journal: Path, standards: Mapping[StationId, StationStandard], calendar: Calendar, clock: Clock
    ) -> None:
        """`journal` must exist."""
        self._results = Results(JournalReader(journal), standards, calendar)
        self._clock = clock
        self._stated = clock.now() - FARTHEST

    async def touched(self, spans: Mapping[StationId, Interval], revision: int) -> Sequence[KpiPoint]:
        """Every window that the spans bear on, computed anew."""
        return await asyncio.to_thread(self._points, spans, revision, self._clock.now())

    async def open(self, revision: int) -> tuple[Sequence[KpiPoint], datetime]:
        """The windows of all stations in which time has passed since the last `stated`, and the present instant."""
        now = self._clock.now()
        spans = dict.fromkeys(self._results.stations, Interval(min(self._stated, now), now))
        return await asyncio.to_thread(self._points, spans, revision, now), now

    def stated(self, until: datetime) -> None:
        """The server has everything up to this instant."""
        self._stated = until

    def _points(self, spans: Mapping[StationId, Interval], revision: int, now: datetime) -> list[KpiPoint]:
        points = []
        for station, span in spans.items():
            if station not in self._results.stations:
                continue  # it was taken out of the configuration, its events stay
            start = self._in_force_since(station, span.start)
            if start is None:
                continue  # nothing was ever seen of it
            end = max(span.end, min(self._holds_until(station, span.end), now))
            touched = Interval(min(start, end), end + INSTANT)
            for kind in PUBLISHED:
                for window in self._results.windows(kind, touched):
                    kpi = self._results.kpi(station, window.interval, until=max(now, span.end))
                    points.append(KpiPoint(str(kind), window.interval, station, kpi, revision))
        return points

    def _holds_until(self, station: StationId, instant: datetime) -> datetime:
        """Until when a state that was told late holds: the next one; an open one is stated from the last time on."""
        until = self._results.in_force_until(station, instant)
        return until if until < END_OF_TIME or instant < self._stated else instant

    def _in_force_since(self, station: StationId, instant: datetime) -> datetime | None:
        """When the state began that was in force just before an instant, at most a day earlier; None: never seen."""
        since = self._results.in_force_since(station, instant)
        return None if since is None else max(since, instant - FARTHEST)
