"""Which of a station's events a stretch of time needs, so that figures of an hour do not read a year.

Beside the events of the stretch itself these bear on it. First, the state in force at its start, and when that began.
Second, the end of the state in force at its end, for the class of a stop goes by its whole length. Third, a connection
that was lost before. Last, what was decided or caught up later about a part of the stretch.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Protocol

from mes.collect.signals import totaliser_of_signal
from mes.intervals import MICROSECOND, Interval, subtract
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountKind,
    Journaled,
    State,
    StateChanged,
    StationId,
    UnitsCounted,
)
from mes.oee.segments import FAULT_COMES_BEFORE, STOPS
from mes.oee.timeline import SPREAD_WITHIN, Span, Timeline, spans

FIRST_LOOK = 32  # events; each further look is eight times as long
FARTHER = 8
SILENT = SPREAD_WITHIN  # without one event: at one end of it is an import or a wrong clock
TELLS_OF_STATES = (StateChanged, ConnectionLost, ConnectionRestored)  # spans are made of nothing else


class EventReader(Protocol):
    """Where journaled events are read; the journal's reader is one."""

    def events(self, station: StationId, *, until: datetime | None = None) -> Iterator[Journaled]:
        """All events of a station, in the order of their seq; with `until`, those whose time is before it."""
        ...

    def last_seq(self) -> int:
        """The seq of the last event; 0 if there is none."""
        ...

    def after(self, seq: int, until: int) -> list[Journaled]:
        """The events of all stations after a seq, up to another, in their order."""
        ...

    def changed_stations(self, after: int) -> frozenset[StationId]:
        """The stations that have events after a seq."""
        ...

    def earliest_affected(self, station: StationId, after_seq: int) -> datetime | None:
        """The first instant on which the station's events after a seq bear; None if there are none."""
        ...

    def between(self, station: StationId, start: datetime, end: datetime) -> list[Journaled]:
        """A station's events of `[start, end)`, by their time."""
        ...

    def states_before(self, station: StationId, instant: datetime, limit: int) -> list[Journaled]:
        """The last changes of state or connection before an instant, newest first."""
        ...

    def states_from(self, station: StationId, instant: datetime, limit: int) -> list[Journaled]:
        """The first changes of state or connection from an instant on, oldest first."""
        ...

    def links_before(self, station: StationId, instant: datetime) -> list[Journaled]:
        """The last two returns of the connection before an instant, and the first loss after each of them."""
        ...

    def one_of_each_count(self, station: StationId) -> list[Journaled]:
        """The first event of each kind of totaliser that the station has."""
        ...

    def judged_signals(self, station: StationId) -> Sequence[str]:
        """The signals of a station whose quality ever changed."""
        ...

    def qualities_before(self, station: StationId, instant: datetime, signals: Iterable[str]) -> list[Journaled]:
        """The last change of quality of each of some signals before an instant."""
        ...

    def station_states(self) -> dict[StationId, bytes]:
        """Every station's state as the collector wrote it last."""
        ...

    def reaching(self, station: StationId, start: datetime, end: datetime) -> list[Journaled]:
        """Events that bear on a part of a stretch though they may have happened at another time."""
        ...

    def span_of(self, station: StationId) -> Interval | None:
        """From a station's first event to its last, by their times."""
        ...

    def names_of(self, station: StationId) -> tuple[StationId, ...]:
        """The names under which a station's events are read, the present one first."""
        ...

    def stretches(self, station: StationId, apart: timedelta) -> Sequence[Interval]:
        """From the first to the last of all things seen that are no further than `apart` from the next; in order."""
        ...

    def last_before(self, station: StationId, instant: datetime) -> datetime | None:
        """When the last thing before an instant was seen of a station."""
        ...

    def closings(self, station: StationId) -> Sequence[Journaled]:
        """Every closing and reopening of a station's shifts, in journal order."""
        ...


def history(reader: EventReader, station: StationId, window: Interval) -> list[Journaled]:
    """Events from which `timeline` tells the same about `window` as from all events of the station.

    What the resulting time line says of other times may be incomplete. Events may come twice.
    """
    links = reader.links_before(station, window.start)
    before = _enough(lambda limit: reader.states_before(station, window.start, limit), links, window.start)
    start = _blind_since(reader, station, _since(spans([*links, *before]), window.start), window.end)
    known = [*links, *before, *reader.between(station, start - FAULT_COMES_BEFORE, window.end)]
    last, after = _until_the_state_ends(reader, station, known, window.end)
    found = [*known, *after]
    if last.state in STOPS:  # a fault that came late in a stop explains all of it
        found += reader.between(station, window.end, last.interval.end)
    whole = reader.span_of(station)
    if whole is not None:  # how far the journal knows of the station decides how long an open stop has lasted
        found += reader.between(station, whole.end, whole.end + MICROSECOND)
    reaching = reader.reaching(station, start, last.interval.end)
    # what was caught up in one gap is spread together, though a part of it was seen before the stretch
    gaps = [
        journaled.event.since
        for journaled in reaching
        if isinstance(journaled.event, UnitsCounted) and journaled.event.since
    ]
    if gaps and min(gaps) < start:
        reaching = reader.reaching(station, min(gaps), last.interval.end)
    # what is made and what is good goes by which totalisers there are
    counters = [signal for signal in reader.judged_signals(station) if totaliser_of_signal(signal) is not None]
    read = [*reader.one_of_each_count(station), *reader.qualities_before(station, window.start, counters)]
    return [*found, *reaching, *read]


def in_force(reader: EventReader, station: StationId, instant: datetime) -> Span:
    """The state that was in force just before an instant, from its beginning; no data where none is known."""
    links = reader.links_before(station, instant)
    states = spans([*links, *_enough(lambda limit: reader.states_before(station, instant, limit), links, instant)])
    at = bisect_left(states, instant, key=lambda stretch: stretch.interval.start) - 1
    span = states[at] if at >= 0 else Span(Interval(instant, instant), State.NO_DATA)
    start = _blind_since(reader, station, span.interval.start, instant + MICROSECOND)
    return span if start == span.interval.start else Span(Interval(start, span.interval.end), State.NO_DATA)


def occupied(
    reader: EventReader, stations: Iterable[StationId], window: Interval, *more: Interval
) -> tuple[Interval, ...]:
    """The parts of a window that are not inside a silence of all stations; `more`: stretches that count as events.

    Computations window by window go along these. So the years between an import of 1970, or a start under a wrong
    clock, and today cost nothing.
    """
    known = sorted([*more, *(stretch for station in stations for stretch in reader.stretches(station, SILENT))])
    found: list[Interval] = []
    for span in known:
        if found and span.start <= found[-1].end + SILENT:
            found[-1] = Interval(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    # a moment longer, for what happened at the last instant; before the first event and after the last is no silence
    silences = [Interval(earlier.end + MICROSECOND, following.start) for earlier, following in pairwise(found)]
    return subtract((window,), silences)


def _blind_since(reader: EventReader, station: StationId, start: datetime, end: datetime) -> datetime:
    """`start`, or when a loss of connection began that reaches over it and that only its end, later, tells of."""
    while True:
        returns = [
            journaled.event
            for journaled in reader.reaching(station, start, end)
            if isinstance(journaled.event, ConnectionRestored)
        ]
        earlier = [gap.since for gap in returns if gap.since < start < gap.time]
        if not earlier:
            return start
        start = min(earlier)


def totalisers(reader: EventReader, station: StationId) -> frozenset[CountKind]:
    """What a station ever had totalisers of."""
    events = [journaled.event for journaled in reader.one_of_each_count(station)]
    return frozenset(event.kind for event in events if isinstance(event, UnitsCounted))


def in_force_since(known: Timeline, instant: datetime) -> datetime:
    """When the state began that was in force just before an instant; the instant itself where none is known."""
    return _since(known.spans, instant)


def _since(states: Sequence[Span], instant: datetime) -> datetime:
    at = bisect_left(states, instant, key=lambda state: state.interval.start) - 1
    return states[at].interval.start if at >= 0 else instant


def _enough(
    read: Callable[[int], Sequence[Journaled]], links: Sequence[Journaled], instant: datetime
) -> Sequence[Journaled]:
    """So many events before `instant` that one of them begins the state in force, or all there are."""
    limit = FIRST_LOOK
    while True:
        found = read(limit)
        # the state at the oldest event may have begun before it
        if len(found) < limit or _since(spans([*links, *found]), instant) > found[-1].event.time:
            return found
        limit *= FARTHER


def _until_the_state_ends(
    reader: EventReader, station: StationId, known: Sequence[Journaled], instant: datetime
) -> tuple[Span, Sequence[Journaled]]:
    """The state in force just before `instant`, and the events from `instant` on that show its end."""
    limit = FIRST_LOOK
    telling = [journaled for journaled in known if isinstance(journaled.event, TELLS_OF_STATES)]
    while True:
        found = reader.states_from(station, instant, limit)
        states = spans([*_newest(telling, found), *found])
        at = bisect_left(states, instant, key=lambda state: state.interval.start) - 1
        last = states[at] if at >= 0 else Span(Interval(instant, instant), State.NO_DATA)
        if len(found) < limit or last.interval.end < found[-1].event.time:
            return last, found
        limit *= FARTHER


def _newest(telling: Sequence[Journaled], later: Sequence[Journaled]) -> Sequence[Journaled]:
    """Those that tell of the last state: the newest, where no loss of the connection has a part in it."""
    if not all(isinstance(journaled.event, StateChanged) for journaled in (*telling, *later)):
        return telling
    newest = max((journaled.event.time for journaled in telling), default=None)
    return [journaled for journaled in telling if journaled.event.time == newest]
