"""Writes a stretch of the journal to InfluxDB again: after a lost database, or a change of what figures are made of.

An event's point has the identity that it had when it was written first. A figure that the server has already gets no
further revision. So doing it twice changes nothing. One that was stopped goes on after the last day that it finished.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Protocol, TypeVar

from adapters.clock import SystemClock
from mes.calendar import Window
from mes.influx.delivery import Delivery, Writes
from mes.influx.encode import Point, event_line, process_line
from mes.influx.figures_file import FiguresFile
from mes.influx.place import Known, holds_until, known, place
from mes.influx.points.plant import PlantPoints
from mes.influx.points.windows import longest_points, station_points
from mes.influx.revisions import key_of
from mes.influx.stored_figures import Asks, stored_revisions
from mes.intervals import MICROSECOND, Interval
from mes.journal.store import RejectedPoint
from mes.results.history import SILENT, occupied
from mes.results.plant import PlantResults

T = TypeVar("T")

BATCH = 5000
KEPT_DAYS = 12  # of each station: some around the one that is written are read with it
AGAIN_AT_MOST = 3  # rounds for what was journaled while we wrote; what is open the collector states itself

Shown = Callable[[Window, int, int], None]  # a production day that is written, its number, and how many there are


@dataclass(slots=True)
class Written:
    """What was sent; `refused`: lines that the server does not take by themselves, each with its answer.

    `too_old`: bodies with points that are older than the database keeps.
    """

    stretch: Interval
    events: int = 0
    process_values: int = 0
    figures: int = 0
    refused: list[RejectedPoint] = field(default_factory=list)
    too_old: int = 0


@dataclass(frozen=True, slots=True)
class _Remembered:
    """The quarantine of one run: kept in memory, for it is said at the end."""

    lines: list[RejectedPoint]

    async def quarantine(self, sink: str, lines: Sequence[RejectedPoint]) -> None:
        del sink
        self.lines.extend(lines)

    async def release(self, sink: str, points: Sequence[str]) -> None:
        del sink
        self.lines[:] = [line for line in self.lines if line.point not in points]

    async def refused(self, sink: str) -> list[RejectedPoint]:
        del sink
        return list(self.lines)


class Server(Writes, Asks, Protocol):
    """A server that is written to, and asked what it has."""


async def backfill(
    query: PlantResults,
    server: Server,
    file: FiguresFile,
    stretch: Interval | None = None,
    shown: Shown | None = None,
) -> Written:
    """Writes everything that the journal tells of `stretch` (None: of all time), rounded to whole production days.

    Figures are as of the query's present. The server is asked what it has of each: only what differs gets a further
    revision. What a running collector journals meanwhile is written once more after it, so that no older figure stays.
    The days that a stopped run finished are left out, unless something came since that bears on them.
    `file` is that of the journal. Raises SinkError, and ConfigError for an empty journal.
    """
    query.reader.keep_days(KEPT_DAYS * len(query.config.standards))
    until = query.until  # raises for an empty journal
    whole = [span for span in (query.reader.span(), query.reader.measured()) if span is not None]
    asked = stretch or Interval(
        min(span.start for span in whole), max([until, *(span.end for span in whole)]) + MICROSECOND
    )
    days = _days(query, asked)
    written = Written(Interval(days[0].interval.start, days[-1].interval.end) if days else asked)
    delivery = Delivery(server, _Remembered(written.refused), SystemClock())
    sending = _Sending(query, PlantPoints(query), delivery, server, file, written)
    begun_with = known(query.reader)
    here = await sending.here(days, stretch)
    for number, day in enumerate(days, start=1):
        if here is None or day.interval.end > here:
            await sending.day(day.interval)
            await asyncio.to_thread(sending.keep_place, stretch, day.interval.end, begun_with)
        if shown is not None:
            shown(day, number, len(days))
    await sending.weeks_and_months(written.stretch)
    seq = begun_with.seq
    for _ in range(AGAIN_AT_MOST):
        before, seq = seq, query.reader.last_seq()
        if not await sending.what_came_after(before):
            break
    await asyncio.to_thread(file.keep_place, None)
    written.too_old = delivery.too_old
    return written


@dataclass(frozen=True, slots=True)
class _Sending:
    """Makes lines in a thread and sends them in batches."""

    query: PlantResults
    plant: PlantPoints
    delivery: Delivery
    server: Asks
    file: FiguresFile
    written: Written

    async def day(self, day: Interval) -> None:
        self.written.events += await self._send(self._events(day))
        self.written.process_values += await self._send(self._process_values(day))
        await self._revise(self._figures(day))

    async def here(self, days: Sequence[Window], stretch: Interval | None) -> datetime | None:
        """Up to where an earlier run wrote everything that would be written now; None: it begins again.

        The server must have the last day of it still.
        """
        await self._send_owed()
        kept = await asyncio.to_thread(self.file.place)
        until = None if kept is None else await asyncio.to_thread(holds_until, self.query, stretch, kept)
        done = [] if until is None else [day.interval for day in days if day.interval.end <= until]
        if not done:
            return None
        figures = self._figures(done[-1])
        while points := await asyncio.to_thread(_some, figures):
            found = await stored_revisions(self.server, points)
            if any(key_of(point) not in found for point in points):
                return None
        return done[-1].end

    def keep_place(self, stretch: Interval | None, until: datetime, begun_with: Known) -> None:
        """Everything before `until` is written; where lines were refused, the next run says so again."""
        self.file.forget(self.delivery.clock.now())
        if not self.written.refused:
            self.file.keep_place(place(self.query, stretch, until, begun_with))

    async def what_came_after(self, seq: int) -> bool:
        """The figures that events after a number, or the time since, bear on; False if nothing has changed.

        The events themselves are the collector's to send. It states windows as they pass; those that passed since we
        began were overwritten by what was known then.
        """
        reader, was = self.query.reader, self.query.until
        affected = [reader.earliest_affected(changed_station, seq) for changed_station in reader.changed_stations(seq)]
        span = reader.span()
        starts = [instant for instant in affected if instant is not None]
        if span is None or (not starts and span.end <= was):
            return False
        self.query.set_now(max(span.end, was))
        for day in _days(self.query, Interval(min([was, *starts]), self.query.until + MICROSECOND)):
            await self._revise(self._figures(day.interval))
        await self.weeks_and_months(Interval(min([was, *starts]), self.query.until + MICROSECOND))
        return True

    async def weeks_and_months(self, stretch: Interval) -> None:
        """The figures of those that overlap a stretch, each once."""
        await self._revise(self._longest(stretch))

    def _events(self, day: Interval) -> Iterator[str]:
        reader = self.query.reader
        for station in reader.stations():
            for journaled in reader.as_stamped(station, day.start, day.end):
                try:
                    yield event_line(journaled)
                except ValueError as error:  # what the protocol cannot carry
                    self.written.refused.append(
                        RejectedPoint(f"event {journaled.seq}", repr(journaled.event), 0, str(error), 0)
                    )

    def _process_values(self, day: Interval) -> Iterator[str]:
        reader = self.query.reader
        for station in dict.fromkeys((*self.query.config.standards, *reader.stations())):
            for row, value in reader.numbered_process_values(station, day.start, day.end):
                yield process_line(value, row)

    def _figures(self, day: Interval) -> Iterator[Point]:
        """Of all stations that the plant's file has, from the first thing that was seen of each."""
        for station in self.query.config.standards:
            seen = self.query.reader.span_of(station)
            affected = None if seen is None else _part(day, seen.start, self.query.until)
            if affected is not None:
                yield from station_points(self.query.results, station, affected, self.query.until)
        known = self.query.known
        affected = None if known is None else _part(day, known.start, self.query.until)
        if affected is not None:
            yield from self.plant.points(affected)
            yield from self.plant.first_times(affected)

    def _longest(self, stretch: Interval) -> Iterator[Point]:
        for station in self.query.config.standards:
            seen = self.query.reader.span_of(station)
            affected = None if seen is None else _part(stretch, seen.start, self.query.until)
            if affected is not None:
                yield from longest_points(self.query.results, station, affected, self.query.until)

    async def _revise(self, figures: Iterator[Point]) -> None:
        """Whatever the file knows, the server is asked: its database may have been lost."""
        while points := await asyncio.to_thread(_some, figures):
            found = await stored_revisions(self.server, points)
            await asyncio.to_thread(self.file.revise, points, found)
            await self._send_owed()

    async def _send_owed(self) -> None:
        """What an earlier run left on its way goes out again, byte for byte."""
        clock = self.delivery.clock
        while lines := await asyncio.to_thread(self.file.lines, clock.now(), BATCH, all_of_them=True):
            await self.delivery.send([text for _, text in lines])
            await asyncio.to_thread(self.file.sent, lines, clock.now())
            self.written.figures += len(lines)

    async def _send(self, lines: Iterator[str]) -> int:
        sent = 0
        while batch := await asyncio.to_thread(_some, lines):
            await self.delivery.send(batch)
            sent += len(batch)
        return sent


def _days(query: PlantResults, asked: Interval) -> list[Window]:
    """The production days of a stretch, but for those in years without an event or a process value of any station."""
    reader, calendar = query.reader, query.config.calendar
    stations = dict.fromkeys((*query.config.standards, *reader.stations()))
    more = [stretch for station in stations for stretch in reader.measured_stretches(station, SILENT)]
    parts = occupied(reader, stations, asked, *more, Interval(query.until, query.until))
    return list(dict.fromkeys(day for part in parts for day in calendar.days(part)))


def _part(day: Interval, first: datetime, until: datetime) -> Interval | None:
    """What of a day lies between the first thing seen and the present, that instant included."""
    return day.clip(Interval(first, max(first, until) + MICROSECOND))


def _some(rows: Iterator[T]) -> list[T]:
    return list(islice(rows, BATCH))
