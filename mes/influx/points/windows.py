"""Which figures are published to InfluxDB: the windows that new events bear on, and those still open."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from adapters.clock import Clock
from mes.calendar import Calendar, WindowKind
from mes.config.build import PlantConfig
from mes.config.names import NO_DISPLAY_NAMES, DisplayNames
from mes.influx.encode import Point
from mes.influx.points.plant import PlantPoints
from mes.influx.points.stations import cells, kpi_point, loss_points, state_points
from mes.intervals import END_OF_TIME, MICROSECOND, Interval
from mes.journal import JournalReader
from mes.journal.hourly import hourly_file
from mes.journal.names import NO_NAMES, Names
from mes.model import StationId, StationStandard
from mes.results.hourly import Hourly
from mes.results.plant import LOOK_BACK, PlantResults
from mes.results.stations import Results
from mes.stopping import in_thread

LONGER = (WindowKind.SHIFT, WindowKind.DAY)  # beside the hours
# InfluxQL groups by fixed lengths in UTC: only the calendar knows where these begin
LONGEST = (WindowKind.WEEK, WindowKind.MONTH)
FARTHEST = timedelta(days=1)  # how far back what happens now may change what was published


class PublishedPlant:
    """The same for what spans stations; to be closed after use, as a context.

    What an event changes at one station may change who is charged elsewhere, up to a day later.
    """

    def __init__(self, config: PlantConfig, clock: Clock) -> None:
        """The configuration's journal must exist."""
        self._query = PlantResults(config, config.journal_path)
        self._points = PlantPoints(self._query)
        self._clock = clock
        self._stated = clock.now() - FARTHEST
        self._reading = Lock()  # a thread goes on for a moment after whoever waited for it was cancelled

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._reading:
            self._query.__exit__(kind, failure, trace)

    async def affected_windows(self, spans: Mapping[StationId, Interval]) -> Sequence[Point]:
        """Every window that the spans bear on, computed again."""
        now = self._clock.now()
        return await in_thread(self._since_results, spans, now)

    async def open(self) -> tuple[Sequence[Point], datetime]:
        """The windows in which time has passed since the last `stated`, and the present instant."""
        now = self._clock.now()
        spans = dict.fromkeys(self._query.config.standards, Interval(min(self._stated, now), now))
        return await in_thread(self._between, spans, now), now

    def stated(self, until: datetime) -> None:
        """The server has everything up to this instant."""
        self._stated = until

    def resume(self, until: datetime) -> None:
        """The server had everything up to then when the program ended."""
        self._stated = min(self._stated, until)

    def _since_results(self, spans: Mapping[StationId, Interval], now: datetime) -> list[Point]:
        """Back to the results of the units that left in a span: what they were exposed to is told by when they left."""
        reached = {}
        with self._reading:
            self._query.set_now(max([now, *(interval.end for interval in spans.values())]))
            for station, span in spans.items():
                begun = [span.start]
                if station in self._query.config.limits:
                    begun += self._points.results_of_gone(station, span)
                reached[station] = Interval(min(begun), span.end)
        return self._between(reached, now)

    def _between(self, spans: Mapping[StationId, Interval], now: datetime) -> list[Point]:
        with self._reading:
            return self._all(spans, now)

    def _all(self, spans: Mapping[StationId, Interval], now: datetime) -> list[Point]:
        self._query.set_now(max([now, *(span.end for span in spans.values())]))
        known = {station: span for station, span in spans.items() if station in self._query.config.standards}
        starts = [
            _in_force_since(self._query.results, station, span.start, FARTHEST) for station, span in known.items()
        ]
        seen = [start for start in starts if start is not None]
        if not seen:
            return []
        start, end = min(seen), max(span.end for span in known.values())
        points = list(self._points.points(Interval(start, end + FARTHEST)))
        return points + list(self._points.first_times(Interval(start, end + LOOK_BACK)))  # a unit's first results


class PublishedFigures:
    """Asks `mes.results.stations` for what is to be published; the work is done in a thread, beside the collecting.

    An event bears on more than its own instant: the end of a stop decides the class of the whole stop. So every stretch
    reaches back to the beginning of the state that was in force then. Time also passes without events: an open state is
    stated again from the last time that the server is known to have. Use as a context.
    """

    def __init__(
        self,
        journal: Path,
        standards: Mapping[StationId, StationStandard],
        calendar: Calendar,
        clock: Clock,
        names: Names = NO_NAMES,
        display_names: DisplayNames = NO_DISPLAY_NAMES,
    ) -> None:
        """`journal` must exist; `names`: what its stations were called before; `display_names` have faults' texts."""
        self._opened = ExitStack()
        self._reader = self._opened.enter_context(JournalReader(journal, names))
        file = self._opened.enter_context(hourly_file(journal))
        hourly = Hourly(self._reader, file, calendar)
        self._results = Results(self._reader, standards, calendar, hourly=hourly, display_names=display_names)
        self._clock = clock
        self._stated = clock.now() - FARTHEST

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    async def affected_windows(self, spans: Mapping[StationId, Interval]) -> Sequence[Point]:
        """Every window that the spans bear on, computed again."""
        return await in_thread(self._points, spans, self._clock.now(), None)

    async def open(self) -> tuple[Sequence[Point], datetime]:
        """The windows of all stations in which time has passed since the last `stated`, and the present instant."""
        now = self._clock.now()
        spans = dict.fromkeys(self._results.stations, Interval(min(self._stated, now), now))
        return await in_thread(self._points, spans, now, FARTHEST), now

    def stated(self, until: datetime) -> None:
        """The server has everything up to this instant."""
        self._stated = until

    def resume(self, until: datetime) -> None:
        """The server had everything up to then when the program ended."""
        self._stated = min(self._stated, until)

    def _points(self, spans: Mapping[StationId, Interval], now: datetime, furthest: timedelta | None) -> list[Point]:
        """An event ends a state, however long that was; of one that goes on, `furthest` back is stated again.

        Weeks and months that still run are stated as time passes, and not with every event.
        """
        points = []
        self._results.follow(now)
        for station, span in spans.items():
            if station not in self._results.stations:
                continue  # it was taken out of the configuration, its events stay
            start = _in_force_since(self._results, station, span.start, furthest)
            if start is None:
                continue  # nothing was ever seen of it
            end = max(span.end, min(self._holds_until(station, span.end), now))
            affected_windows = Interval(min(start, end), end + MICROSECOND)
            until = max(now, span.end)
            points += station_points(self._results, station, affected_windows, until)
            points += longest_points(
                self._results, station, affected_windows, until, ended_by=now if furthest is None else None
            )
        return points

    def _holds_until(self, station: StationId, instant: datetime) -> datetime:
        """Until when a state that was told late holds: the next one; an open one is stated from the last time on."""
        until = self._results.in_force_until(station, instant)
        return until if until < END_OF_TIME or instant < self._stated else instant


def _in_force_since(
    results: Results, station: StationId, instant: datetime, furthest: timedelta | None
) -> datetime | None:
    """When the state began that was in force just before an instant, at most `furthest` back; None: never seen."""
    since = results.in_force_since(station, instant)
    if since is not None and since != results.known_since(station):
        since -= MICROSECOND  # what begins at a window's very end bears on that window
    return since if since is None or furthest is None else max(since, instant - furthest)


def longest_points(
    results: Results, station: StationId, affected: Interval, until: datetime, *, ended_by: datetime | None = None
) -> list[Point]:
    """A station's figures in the weeks and months that overlap a stretch; of those that end by `ended_by`, if given."""
    parts = results.occupied(station, affected, until=until)
    windows = dict.fromkeys(window for kind in LONGEST for part in parts for window in results.windows(kind, part))
    return [
        kpi_point(results, station, window, results.kpi(station, window.interval, until=until))
        for window in windows
        if ended_by is None or window.interval.end <= ended_by
    ]


def station_points(results: Results, station: StationId, affected_windows: Interval, until: datetime) -> list[Point]:
    """All points of a station whose windows overlap a stretch of time, but for weeks and months, as at `until`."""
    parts = results.occupied(station, affected_windows, until=until)
    hours = list(dict.fromkeys(cell for part in parts for cell in cells(results.calendar, part)))
    longer = list(dict.fromkeys(window for kind in LONGER for part in parts for window in results.windows(kind, part)))
    found = [
        kpi_point(results, station, window, results.kpi(station, window.interval, until=until)) for window in longer
    ]
    for _, some in groupby(hours, key=lambda hour: results.days_around(hour.interval)):
        of_day = list(some)
        for hour, kpi in zip(
            of_day, results.hours(station, [window.interval for window in of_day], until=until), strict=True
        ):
            found.append(kpi_point(results, station, hour, kpi))
            found += loss_points(results, station, hour, kpi)
            found += state_points(results, station, hour, until)
    return found
