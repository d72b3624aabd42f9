"""Journaled events in memory, read the way the journal reads them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from mes.intervals import BEGINNING_OF_TIME, Interval
from mes.journal.codec import affects, encode_event, from_us, to_us
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountKind,
    Journaled,
    QualityChanged,
    ShiftClosed,
    ShiftReopened,
    StateChanged,
    StationEvent,
    StationId,
    UnitsCounted,
)
from mes.oee.timeline import SAID_LATER

STATE_EVENTS = (StateChanged, ConnectionLost, ConnectionRestored)


class ListReader:
    """`reads` says how often events were asked for."""

    def __init__(self, *events: StationEvent) -> None:
        self.journal = [Journaled(seq, event) for seq, event in enumerate(events, start=1)]
        self.reads = 0

    def events(self, station: StationId, *, until: datetime | None = None) -> Iterator[Journaled]:
        self.reads += 1
        return iter([journaled for journaled in self._of(station) if until is None or journaled.event.time < until])

    def last_seq(self, station: StationId | None = None) -> int:
        return max(
            (journaled.seq for journaled in self.journal if station in (None, journaled.event.station)), default=0
        )

    def after(self, seq: int, until: int) -> list[Journaled]:
        return [journaled for journaled in self.journal if seq < journaled.seq <= until]

    def changed_stations(self, after: int) -> frozenset[StationId]:
        return frozenset(journaled.event.station for journaled in self.journal if journaled.seq > after)

    def earliest_affected(self, station: StationId, after_seq: int) -> datetime | None:
        affected_windows = [
            encode_event(journaled.event)[4] for journaled in self._of(station) if journaled.seq > after_seq
        ]
        return from_us(min(affected_windows)) if affected_windows else None

    def last_before(self, station: StationId, instant: datetime) -> datetime | None:
        return max((seen for seen in self._seen(station) if seen < instant), default=None)

    def _seen(self, station: StationId) -> list[datetime]:
        return sorted(
            journaled.event.time for journaled in self._of(station) if not isinstance(journaled.event, SAID_LATER)
        )

    def closings(self, station: StationId) -> list[Journaled]:
        return [
            journaled for journaled in self._of(station) if isinstance(journaled.event, ShiftClosed | ShiftReopened)
        ]

    def stretches(self, station: StationId, apart: timedelta) -> list[Interval]:
        found: list[Interval] = []
        for journaled in self._of(station):
            about = affects(journaled.event)
            if not isinstance(journaled.event, SAID_LATER):
                start = about.start if about.length <= apart else journaled.event.time
                found.append(Interval(start, journaled.event.time))
        found.sort()
        joined: list[Interval] = []
        for part in found:
            if joined and part.start - joined[-1].end <= apart:
                joined[-1] = Interval(joined[-1].start, max(joined[-1].end, part.end))
            else:
                joined.append(part)
        return joined

    def between(self, station: StationId, start: datetime, end: datetime) -> list[Journaled]:
        self.reads += 1
        return [journaled for journaled in self._of(station) if start <= journaled.event.time < end]

    def states_before(self, station: StationId, instant: datetime, limit: int) -> list[Journaled]:
        found = [
            journaled for journaled in self._of(station) if journaled.event.time < instant and _says_state(journaled)
        ]
        return sorted(found, key=lambda journaled: journaled.event.time, reverse=True)[:limit]

    def states_from(self, station: StationId, instant: datetime, limit: int) -> list[Journaled]:
        found = [
            journaled for journaled in self._of(station) if journaled.event.time >= instant and _says_state(journaled)
        ]
        return sorted(found, key=lambda journaled: journaled.event.time)[:limit]

    def links_before(self, station: StationId, instant: datetime) -> list[Journaled]:
        before = [journaled for journaled in self._of(station) if journaled.event.time < instant]
        by_time = sorted(before, key=lambda journaled: journaled.event.time)
        returns = [journaled for journaled in by_time if isinstance(journaled.event, ConnectionRestored)][-2:]
        since = [journaled.event.time for journaled in returns]
        if len(since) < 2:
            since.append(BEGINNING_OF_TIME)
        losses = [journaled for journaled in by_time if isinstance(journaled.event, ConnectionLost)]
        first = [next((loss for loss in losses if loss.event.time >= time), None) for time in since]
        return [*returns, *(journaled for journaled in first if journaled is not None)]

    def one_of_each_count(self, station: StationId) -> list[Journaled]:
        found: dict[CountKind, Journaled] = {}
        for journaled in self._of(station):
            if isinstance(journaled.event, UnitsCounted):
                found.setdefault(journaled.event.kind, journaled)
        return list(found.values())

    def judged_signals(self, station: StationId) -> list[str]:
        return sorted(
            {journaled.event.signal for journaled in self._of(station) if isinstance(journaled.event, QualityChanged)}
        )

    def qualities_before(self, station: StationId, instant: datetime, signals: Iterable[str]) -> list[Journaled]:
        before = [journaled for journaled in self._of(station) if journaled.event.time < instant]
        found: dict[str, Journaled] = {}
        for journaled in sorted(before, key=lambda one: (one.event.time, one.seq)):
            if isinstance(journaled.event, QualityChanged) and journaled.event.signal in signals:
                found[journaled.event.signal] = journaled
        return list(found.values())

    def station_states(self) -> dict[StationId, bytes]:
        return {}

    def reaching(self, station: StationId, start: datetime, end: datetime) -> list[Journaled]:
        found = []
        for journaled in self._of(station):
            from_us, until_us = encode_event(journaled.event)[4:6]
            if until_us >= to_us(start) and from_us != until_us and from_us < to_us(end):
                found.append(journaled)
        return found

    def span_of(self, station: StationId) -> Interval | None:
        seen = [journaled.event for journaled in self._of(station) if not isinstance(journaled.event, SAID_LATER)]
        if not seen:
            return None
        return Interval(min(affects(event).start for event in seen), max(event.time for event in seen))

    def names_of(self, station: StationId) -> tuple[StationId, ...]:
        return (station,)

    def _of(self, station: StationId) -> Sequence[Journaled]:
        return [journaled for journaled in self.journal if journaled.event.station == station]


def _says_state(journaled: Journaled) -> bool:
    return isinstance(journaled.event, STATE_EVENTS)
