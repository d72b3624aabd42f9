"""The one door to every figure: board, report, InfluxDB, demo and replay all ask here and so give the same answer."""

from bisect import bisect_left, bisect_right
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache, partial

from adapters.reading import GapCause
from mes.calendar import Calendar, Window, WindowKind
from mes.collect.station import readable_state
from mes.config.names import NO_DISPLAY_NAMES, DisplayNames
from mes.intervals import MICROSECOND, Interval, subtract
from mes.model import (
    ConnectionLost,
    Journaled,
    ReasonId,
    ShiftClosed,
    StationId,
    StationStandard,
    TimeSource,
    flow_positions,
)
from mes.oee.closed import closed_kpi, decode_closed
from mes.oee.components import Kpi, combine
from mes.oee.definitions import Definition
from mes.oee.kpi import kpi, kpis
from mes.oee.segments import Piece, pieces
from mes.oee.stops import closed_shifts
from mes.oee.timeline import Timeline, timeline
from mes.oee.unread import UnreadCount, in_sequence, unread_counts, with_unread, without_unknown
from mes.results.history import EventReader, history, in_force_since, occupied, totalisers
from mes.results.hourly import Hourly, cell_cuts
from mes.results.known import Known

__all__ = ["EventReader", "Results", "Window", "WindowKind"]

READ_AT_ONCE = timedelta(days=2)  # longer windows are sums of stored components, where there are any
TOGETHER = timedelta(days=7)  # so much of a station's history is read for many windows at once
KEPT_TIMELINES = 128
KEPT_OF_STATION = 6  # of those that grow; they hold no events of counted units
KEPT_UNASKED = timedelta(minutes=5)
KEPT_DAYS = 1024
NEWS_AT_ONCE = 20_000  # events; with more it is cheaper to read the days again


class Results:
    """Figures of stations out of a journal, and the time lines that they come from.

    A time line is kept until its station has a new event. `hourly`, if given, serves windows longer than `at_once`
    (None: all of them). `blind_from`: since when nobody collects, so that what comes after is no data.
    Raises KeyError for a station that is not in `stations`, and what the reader raises.
    """

    def __init__(
        self,
        reader: EventReader,
        stations: Mapping[StationId, StationStandard],
        calendar: Calendar,
        *,
        hourly: Hourly | None = None,
        at_once: timedelta | None = READ_AT_ONCE,
        blind_from: datetime | None = None,
        display_names: DisplayNames = NO_DISPLAY_NAMES,
    ) -> None:
        self.stations = stations
        self.display_names = display_names
        self._positions = flow_positions(stations)
        self.calendar = calendar
        self._reader = reader
        self._hourly = hourly
        self._at_once = at_once or timedelta()
        self._blind_from = blind_from
        self.days_around: Callable[[Interval], Interval] = lru_cache(KEPT_DAYS)(partial(_days_around, calendar))
        self._cell_cuts: Callable[[Interval], Sequence[datetime]] = lru_cache(KEPT_DAYS)(partial(cell_cuts, calendar))
        self._seq = -1
        self._unread: tuple[int, Mapping[StationId, tuple[UnreadCount, ...]]] = (-1, {})
        self._kept: OrderedDict[tuple[StationId, Interval], Known] = OrderedDict()
        self._followed: datetime | None = None

    def follow(self, now: datetime) -> None:
        """Time lines grow from here on by new events; for callers that ask again and again while events come in.

        They ask for windows of the calendar only, as of `now` or later. An earlier `now` than the last time, after a
        clock was set back, makes all time lines again.
        """
        if self._followed is None or now < self._followed:
            self._kept.clear()
        self._followed = now

    def kpi(
        self, station: StationId, window: Interval, *, until: datetime, definition: Definition | None = None
    ) -> Kpi:
        """The station's figures in `window` as far as it lies before `until`, the present of whoever asks.

        Made with the minor-stop threshold of `definition`, if that has one of its own. A window that is a closed shift
        has the figures with which it was closed, and `after_closing` where `live_kpi` has others.
        """
        closed = self.closed_kpi(station, window, until=until, definition=definition)
        live = self.live_kpi(station, window, until=until, definition=definition)
        return live if closed is None else with_after_closing(closed, live)

    def hours(self, station: StationId, hours: Sequence[Interval], *, until: datetime) -> list[Kpi]:
        """The same for parts of one production day, in order and without overlap, in one walk along its time line."""
        day, standard = Interval(hours[0].start, hours[-1].end), self.stations[station]
        line, unread = self.timeline(station, day), self.unread(station)
        planned = self.calendar.planned(Interval(min(in_force_since(line, day.start), day.start), day.end))
        seen = [hour.before(until + MICROSECOND) for hour in hours]
        found = kpis(line, seen, planned, standard, until=until, manned=self.calendar.manned(day))
        live = [without_unknown(with_unread(sums, unread, standard.totalisers)) for sums in found]
        closed = [self.closed_kpi(station, hour, until=until) for hour in hours]
        return [
            sums if known is None else with_after_closing(known, sums) for known, sums in zip(closed, live, strict=True)
        ]

    def closed_kpi(
        self, station: StationId, window: Interval, *, until: datetime, definition: Definition | None = None
    ) -> Kpi | None:
        """The figures with which a shift was closed; None for another window, or where it is open."""
        if until < window.end or window.length > READ_AT_ONCE:
            return None
        closing = self.closing(station, window)
        minor_stop = None if definition is None else definition.minor_stop
        return None if closing is None else closed_kpi(decode_closed(closing.figures), minor_stop)

    def closing(self, station: StationId, shift: Interval) -> ShiftClosed | None:
        """The closing of a shift that holds; None where it is open."""
        return self._known(station, shift).closed.get(shift)

    def live_kpi(
        self, station: StationId, window: Interval, *, until: datetime, definition: Definition | None = None
    ) -> Kpi:
        """The same as the journal and the plant's file have it now, whether or not the window is a closed shift."""
        return without_unknown(self.kpi_to_close(station, window, until=until, definition=definition))

    def kpi_to_close(
        self, station: StationId, window: Interval, *, until: datetime, definition: Definition | None = None
    ) -> Kpi:
        """The same with the ideal times of what is not known yet, so that a closed shift can tell what became of it."""
        found = self._summed(station, window, until=until, definition=definition)
        return with_unread(found, self.unread(station), self.stations[station].totalisers)

    def unread(self, station: StationId) -> tuple[UnreadCount, ...]:
        """The station's totalisers that cannot be read now, as the collector wrote it last."""
        seq = self._reader.last_seq()
        if self._unread[0] != seq:
            states = {name: readable_state(body) for name, body in self._reader.station_states().items()}
            self._unread = (
                seq,
                {
                    name: unread_counts(state, self.stations[name].totalisers)
                    for name, state in states.items()
                    if state is not None and name in self.stations
                },
            )
        return self._unread[1].get(station, ())

    def _summed(self, station: StationId, window: Interval, *, until: datetime, definition: Definition | None) -> Kpi:
        standard = self._standard(station, definition)
        seen = window.before(until)
        window = window.before(until + MICROSECOND)  # it shows whether the instant `until` itself belongs to it
        if self._hourly is None or seen.length <= self._at_once:
            return self._direct(station, standard, window, until)
        stored = self._hourly.kpis(station, standard, seen)
        if not stored:
            return self._direct(station, standard, window, until)
        rest = subtract((window,), [sums.window for sums in stored])
        parts = [*stored, *(self._direct(station, standard, span, until) for span in rest)]
        counted = standard.counted | totalisers(self._reader, station)
        return in_sequence(replace(combine(parts), window=seen), parts, counted)

    def produced(self, station: StationId, windows: Sequence[Interval], *, until: datetime) -> Mapping[Interval, int]:
        """The units made in each of the calendar's windows, the same as `kpi` gives them.

        `windows`: in order, without overlap. Stored components give those that are wholly made of them.
        """
        if not windows:
            return {}
        standard = self.stations[station]
        found: dict[Interval, int] = {}
        if self._hourly is not None and windows[-1].end - windows[0].start > self._at_once:
            found |= self._hourly.produced(station, standard, [window for window in windows if window.end <= until])
        for some in _together([window for window in windows if window not in found and window.start <= until]):
            seen = [window.before(until + MICROSECOND) for window in some]
            line = self.timeline(station, Interval(seen[0].start, seen[-1].end))
            made = kpis(line, seen, (), standard, until=until)
            found |= {window: sums.produced for window, sums in zip(some, made, strict=True)}
        closed = closed_shifts(closing.event for closing in self._reader.closings(station))
        for span in closed.keys() & set(windows):  # the calendar has no shift there any more
            found[span] = self.kpi(station, span, until=until).produced
        return {window: found.get(window, 0) for window in windows}

    def timeline(self, station: StationId, window: Interval) -> Timeline:
        """What the journal knows of the station in `window`; what it says of other times may be incomplete."""
        return self._known(station, window).line

    def cuts(self, station: StationId, window: Interval) -> list[datetime]:
        """The instants inside a window at which something was seen of the station's state, or said of it; in order.

        An instant is never taken out of these by what is journaled later.
        """
        cuts = self._known(station, window).cuts
        return list(cuts[bisect_right(cuts, window.start) : bisect_left(cuts, window.end)])

    def said_reasons(self, station: StationId, window: Interval) -> list[ReasonId]:
        """Every reason that a person ever gave for a part of the days of a window, sorted; those taken back too."""
        return list(self._known(station, window).reasons)

    def _known(self, station: StationId, window: Interval) -> Known:
        seq = self._reader.last_seq()
        if seq != self._seq:
            self._take_news(seq)
        key = (station, self.days_around(window))
        if key not in self._kept:
            known = Known(key[1], history(self._reader, station, key[1]), partial(self._timeline, station))
            self._kept[key] = known if self._followed is None else self._grown(known, (), self._followed) or known
            if len(self._kept) > max(KEPT_TIMELINES, KEPT_OF_STATION * len(self.stations)):
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        self._kept[key].asked_at = self._followed
        return self._kept[key]

    def _grown(self, known: Known, news: Sequence[Journaled], now: datetime) -> Known | None:
        """The same with further events; None where nobody has asked for it for long, or it must be read again."""
        if known.asked_at is not None and now - known.asked_at > KEPT_UNASKED:
            return None
        return known.grown(news, seq=self._seq, now=now, cuts=self._cell_cuts)

    def _take_news(self, seq: int) -> None:
        """Time lines of stations with events up to `seq` grow, or are dropped."""
        after, self._seq = self._seq, seq
        if self._followed is None or not self._kept or seq - after > NEWS_AT_ONCE:
            changed = self._reader.changed_stations(after)
            for key in [key for key in self._kept if key[0] in changed]:
                del self._kept[key]
            return
        news: dict[StationId, list[Journaled]] = defaultdict(list)
        for journaled in self._reader.after(after, seq):
            news[journaled.event.station].append(journaled)
        for key in [key for key in self._kept if key[0] in news]:
            if grown := self._grown(self._kept.pop(key), news[key[0]], self._followed):
                self._kept[key] = grown

    def _timeline(self, station: StationId, told: Sequence[Journaled]) -> Timeline:
        return timeline([*told, *self._end_of_collecting(station)], known_since=self.known_since(station))

    def pieces(self, station: StationId, window: Interval, *, until: datetime) -> tuple[Piece, ...]:
        """What each second of `window` up to `until` was and why, by the priority of `mes.oee.segments`; clipped."""
        window = window.before(until)
        line = self.timeline(station, window)
        horizon = max(until, line.end) if line.end is not None else until
        laid = pieces(line, window, self.stations[station], horizon=horizon)
        return tuple(replace(piece, interval=part) for piece in laid if (part := piece.interval.clip(window)))

    def in_force_since(self, station: StationId, instant: datetime) -> datetime | None:
        """When the state began that was in force just before an instant, or the first event later; None: no event."""
        known = self._reader.span_of(station)
        if known is None:
            return None
        return max(in_force_since(self.timeline(station, Interval(instant, instant)), instant), known.start)

    def position(self, station: StationId) -> int:
        """The station's place in the order of the flow, from 1."""
        return self._positions[station]

    def known_since(self, station: StationId) -> datetime | None:
        """The first thing that was seen of a station; None: nothing yet."""
        known = self._reader.span_of(station)
        return None if known is None else known.start

    def in_force_until(self, station: StationId, instant: datetime) -> datetime:
        """When the state ends that is in force at an instant, the end of time if it is open."""
        return self._holds_until(self.timeline(station, Interval(instant, instant)), instant)

    def _holds_until(self, line: Timeline, instant: datetime) -> datetime:
        at = bisect_right(line.spans, instant, key=lambda span: span.interval.start) - 1
        return line.spans[at].interval.end if at >= 0 else instant

    def events(self, station: StationId) -> Iterator[Journaled]:
        """The station's events in the order of their seq."""
        return self._reader.events(station)

    def occupied(self, station: StationId, window: Interval, *, until: datetime) -> tuple[Interval, ...]:
        """The parts of a window, the present `until` among them, that are not in years of silence of the station."""
        return occupied(self._reader, (station,), window, Interval(until, until))

    def windows(self, kind: WindowKind, interval: Interval) -> tuple[Window, ...]:
        """The calendar's windows of a kind that overlap `interval`, whole."""
        return self.calendar.windows(kind, interval)

    def _standard(self, station: StationId, definition: Definition | None) -> StationStandard:
        standard = self.stations[station]
        if definition is None or definition.minor_stop is None:
            return standard
        return replace(standard, minor_stop=definition.minor_stop)

    def _direct(self, station: StationId, standard: StationStandard, window: Interval, until: datetime) -> Kpi:
        line = self.timeline(station, window)
        # stops that began before the window count where they began
        start = min(in_force_since(line, window.start), window.start)
        planned = self.calendar.planned(Interval(start, window.end))
        return kpi(line, window, planned, standard, until=until, manned=self.calendar.manned(window))

    def _end_of_collecting(self, station: StationId) -> Iterator[Journaled]:
        """What the collector will write when it comes back: that it saw nothing since its last proof of life."""
        if self._blind_from is not None:
            lost = ConnectionLost(
                station=station,
                time=self._blind_from,
                received_time=self._blind_from,
                time_source=TimeSource.EDGE,
                cause=GapCause.COLLECTOR,
                detail="the collector does not run",
            )
            yield Journaled(self._reader.last_seq() + 1, lost)


def _days_around(calendar: Calendar, window: Interval) -> Interval:
    """The production days of a window, so that its hours and shifts share one reading of the journal."""
    lasting = Interval(window.start, max(window.end, window.start + MICROSECOND))
    first = calendar.days(Interval(lasting.start, lasting.start + MICROSECOND))
    last = calendar.days(Interval(lasting.end - MICROSECOND, lasting.end))
    return Interval(first[0].interval.start, last[-1].interval.end)


def with_after_closing(closed: Kpi, live: Kpi) -> Kpi:
    """The figures of a closed shift, `after_closing` where those of now are others."""
    # what was not read is what the journal says; the closings of older versions do not carry it
    same = ("unknown", "units_missing", "unread", "unread_kinds")
    counted = without_unknown(replace(closed, **{name: getattr(live, name) for name in same}))
    return without_unknown(replace(closed, after_closing=int(counted != live)))


def _together(windows: Sequence[Interval]) -> list[list[Interval]]:
    """The windows, which are in order, in groups that end at most TOGETHER after they begin, or are one window."""
    found: list[list[Interval]] = []
    for window in windows:
        if found and window.end - found[-1][0].start <= TOGETHER:
            found[-1].append(window)
        else:
            found.append([window])
    return found
