"""Which figures are published to InfluxDB: the hours, shifts and days that new events bear on, and those still open."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from adapters.clock import Clock
from mes.calendar import Calendar, WindowKind
from mes.influx.encode import KpiPoint
from mes.intervals import Interval
from mes.journal import JournalReader
from mes.model import StationId, StationStandard
from mes.results import Results

INSTANT = timedelta(microseconds=1)


class PublishedFigures:
    """Asks `mes.results` for what is to be published; the work is done in a thread, beside the collecting."""

    def __init__(
        self, journal: Path, standards: Mapping[StationId, StationStandard], calendar: Calendar, clock: Clock
    ) -> None:
        """`journal` must exist."""
        self._results = Results(JournalReader(journal), standards, calendar)
        self._clock = clock

    async def touched(self, spans: Mapping[StationId, Interval], revision: int) -> Sequence[KpiPoint]:
        """Every window that the spans bear on, computed anew."""
        return await asyncio.to_thread(self._points, spans, revision)

    async def open(self, revision: int) -> Sequence[KpiPoint]:
        """The windows of all stations in which time is passing now."""
        now = self._clock.now()
        spans = dict.fromkeys(self._results.stations, Interval(now, now))
        return await asyncio.to_thread(self._points, spans, revision)

    def _points(self, spans: Mapping[StationId, Interval], revision: int) -> list[KpiPoint]:
        now = self._clock.now()
        points = []
        for station, span in spans.items():
            if station not in self._results.stations:
                continue  # it was taken out of the configuration, its events stay
            touched = Interval(span.start, span.end + INSTANT)
            for kind in WindowKind:
                for window in self._results.windows(kind, touched):
                    kpi = self._results.kpi(station, window.interval, until=max(now, span.end))
                    points.append(KpiPoint(str(kind), window.interval, station, kpi, revision))
        return points
