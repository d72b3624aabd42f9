"""Who stopped the line: time starved and blocked, charged through the buffers to the station that caused it.

A starved station waits for its upstream neighbour, a blocked one for its downstream neighbour. When the wait is over,
that neighbour has delivered, or has made room. Walking back in time from that instant finds what kept the neighbour,
newest first. That is its stops, and cycles longer than the victim's own ideal cycle. Where it waited itself, it is what
kept its own neighbour. As much of that is charged as the victim lost. Only planned time exists here: at breaks
everything stands still and goes on afterwards.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import accumulate

from mes.intervals import Interval, union
from mes.model import CountKind, ProductId, State, StationId, StationStandard
from mes.oee.timeline import Count, Timeline

NO_TIME = timedelta()
FARTHEST = timedelta(hours=24)  # of planned time: what lies before is not asked
SLACK = timedelta(seconds=5)  # between a neighbour's count and the change of state that it leads to
WAITS = frozenset({State.STARVED, State.BLOCKED})


class Cause(StrEnum):
    """What kept a station."""

    DOWN = "down"
    SETUP = "setup"
    IDLE = "idle"
    MINOR_STOPS = "minor_stops"
    PLANNED_STOP = "planned_stop"
    NO_DATA = "no_data"
    SLOW = "slow"  # its cycle took longer than its own ideal
    PACE = "pace"  # its ideal cycle is longer than the victim's
    OUTSIDE = "outside"  # no station there: supply, or the yard
    UNKNOWN = "unknown"  # before the time that was looked at


OWN = {
    State.DOWN: Cause.DOWN,
    State.SETUP: Cause.SETUP,
    State.IDLE: Cause.IDLE,
    State.PLANNED_STOP: Cause.PLANNED_STOP,
    State.NO_DATA: Cause.NO_DATA,
}


@dataclass(frozen=True, slots=True)
class Link:
    """Cars go from one station to another, through a buffer or hand to hand."""

    upstream: StationId
    downstream: StationId


@dataclass(frozen=True, slots=True)
class Charge:
    """A part of a victim's time starved or blocked, and who is charged with it; `culprit` None: outside the plant.

    `interval` is the part of the victim's wait in which it is laid, from its first to its last planned second;
    `length` is the planned time in it.
    """

    victim: StationId
    loss: State
    culprit: StationId | None
    cause: Cause
    interval: Interval
    length: timedelta


@dataclass(frozen=True, slots=True)
class Culprit:
    """What a station (None: outside) and cause cost the end of a line, in planned time and in cars at ideal cycle."""

    station: StationId | None
    cause: Cause
    lost: timedelta
    cars: float


@dataclass(frozen=True, slots=True)
class Worktime:
    """Planned time as one unbroken axis: breaks have no length on it."""

    planned: Sequence[Interval]
    passed: Sequence[timedelta] = field(default=())

    @staticmethod
    def of(planned: Sequence[Interval]) -> "Worktime":
        """Over intervals in any order."""
        ordered = union(planned)
        return Worktime(ordered, [NO_TIME, *accumulate(span.length for span in ordered)])

    def at(self, instant: datetime) -> timedelta:
        """How much planned time has passed at an instant."""
        place = bisect_right(self.planned, instant, key=lambda interval: interval.start) - 1
        if place < 0:
            return NO_TIME
        return self.passed[place] + min(instant - self.planned[place].start, self.planned[place].length)

    def real(self, start: timedelta, end: timedelta) -> Interval:
        """From the first to the last instant of a stretch that is not empty."""
        first = bisect_right(self.passed, start) - 1
        last = bisect_left(self.passed, end) - 1
        begin = self.planned[first].start + (start - self.passed[first])
        return Interval(begin, self.planned[last].start + (end - self.passed[last]))


@dataclass(frozen=True, slots=True)
class _Span:
    start: timedelta
    end: timedelta
    state: State
    cause: Cause | None  # what it is as a stop


@dataclass(frozen=True, slots=True)
class _Cycle:
    """How much longer than ideal one or several units took; `ideal` None: not known."""

    took: timedelta
    ideal: timedelta | None
    product: ProductId | None
    units: int


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a cycle, and for how long the station had been producing until then."""

    at: timedelta
    produced: timedelta
    count: Count


@dataclass(frozen=True, slots=True)
class _Track:
    """What one station did in a part of planned time; `ends` may lie outside of the part.

    `until`: where the part ends. `least` and `most`: how long it had been producing at the part's two ends.
    """

    station: StationId
    standard: StationStandard
    spans: Sequence[_Span]
    ends: Sequence[_End]
    until: timedelta
    least: timedelta
    most: timedelta

    def before(self, time: timedelta) -> _Span | None:
        """What it did right before an instant."""
        place = bisect_left(self.spans, time, key=lambda span: span.start) - 1
        return self.spans[place] if place >= 0 else None

    def cycles_in(self, start: timedelta, end: timedelta) -> Iterator[_Cycle]:
        """Producing time between two counts, of the cycles that ended in `(start, end]`, newest first.

        What was counted later than the part ended with it.
        """
        oldest = bisect_right(self.ends, start, key=lambda ended: ended.at)
        newest = len(self.ends) if end >= self.until else bisect_right(self.ends, end, key=lambda ended: ended.at)
        for place in range(newest - 1, max(oldest, 1) - 1, -1):
            count = self.ends[place].count
            took = self._produced(place) - self._produced(place - 1)
            yield _Cycle(took, self.standard.ideal(count.product), count.product, count.units)

    def _produced(self, place: int) -> timedelta:
        return min(max(self.ends[place].produced, self.least), self.most)


@dataclass(frozen=True, slots=True)
class _Laid:
    """What one station did, on the axis of planned time; `worked`: how long it had been producing before each span.

    A station that has a totaliser of all units is counted by it.
    """

    station: StationId
    standard: StationStandard
    spans: Sequence[_Span]
    worked: Sequence[timedelta]
    ends: Sequence[_End]

    @staticmethod
    def of(station: StationId, line: Timeline, standard: StationStandard, axis: Worktime, until: datetime) -> "_Laid":
        """Its time line up to `until`."""
        spans = _spans(line, standard, axis, until)
        worked = [NO_TIME, *accumulate(_working(span) for span in spans)]
        laid = _Laid(station, standard, spans, worked, ())
        at = ((axis.at(count.time), count) for count in _counted(line))
        return replace(laid, ends=[_End(time, laid.produced(time), count) for time, count in at])

    def produced(self, time: timedelta) -> timedelta:
        """For how long it had been producing at an instant."""
        place = bisect_right(self.spans, time, key=lambda span: span.start) - 1
        if place < 0:
            return NO_TIME
        return self.worked[place] + min(time - self.spans[place].start, _working(self.spans[place]))

    def part(self, start: timedelta, end: timedelta) -> _Track:
        """The same as if no other time were planned."""
        first = bisect_right(self.spans, start, key=lambda span: span.end)
        spans = list(self.spans[first : bisect_left(self.spans, end, key=lambda span: span.start)])
        if spans:
            spans[0] = replace(spans[0], start=max(spans[0].start, start))
            spans[-1] = replace(spans[-1], end=min(spans[-1].end, end))
        return _Track(self.station, self.standard, spans, self.ends, end, self.produced(start), self.produced(end))


@dataclass(frozen=True, slots=True)
class Tracks:
    """What all stations of a plant did in planned time; any number of windows is charged from it."""

    axis: Worktime
    laid: Mapping[StationId, _Laid]
    until: datetime

    @staticmethod
    def of(
        timelines: Mapping[StationId, Timeline],
        standards: Mapping[StationId, StationStandard],
        planned: Sequence[Interval],
        *,
        until: datetime,
    ) -> "Tracks":
        """Up to the present instant `until`."""
        axis = Worktime.of(planned)
        laid = {
            station: _Laid.of(station, line, standards[station], axis, until) for station, line in timelines.items()
        }
        return Tracks(axis, laid, until)

    def part(self, seen: Interval) -> "Part":
        """The same as if no other time were planned."""
        start, end = self.axis.at(seen.start), self.axis.at(seen.end)
        return Part(self.axis, {station: laid.part(start, end) for station, laid in self.laid.items()}, self.until)

    def whole(self) -> "Part":
        """All of planned time."""
        end = self.axis.passed[-1]
        return Part(self.axis, {station: laid.part(NO_TIME, end) for station, laid in self.laid.items()}, self.until)


@dataclass(frozen=True, slots=True)
class Part:
    """What all stations did in a part of planned time; see `charges` and `lost_cars` for windows in it."""

    axis: Worktime
    tracks: Mapping[StationId, _Track]
    until: datetime

    def charges(self, links: Sequence[Link], window: Interval) -> tuple[Charge, ...]:
        """All waits inside `window`, charged."""
        towards: dict[State, dict[StationId, StationId]] = {State.STARVED: {}, State.BLOCKED: {}}
        for link in links:
            towards[State.STARVED].setdefault(link.downstream, link.upstream)
            towards[State.BLOCKED].setdefault(link.upstream, link.downstream)
        start, end = self._ends(window)
        found: list[Charge] = []
        for track in self.tracks.values():
            for wait in _waits(track, start, end):
                walk = _Walk(self.tracks, towards[wait.state], wait, track.standard)
                walk.go(towards[wait.state].get(track.station))
                found.extend(_laid(track.station, wait, walk, self.axis, (start, end)))
        return tuple(found)

    def lost_cars(self, charged: Sequence[Charge], exit_station: StationId, window: Interval) -> tuple[Culprit, ...]:
        """Every lost second of the station at the end of a line, by who caused it."""
        track = self.tracks[exit_station]
        start, end = self._ends(window)
        lost: dict[tuple[StationId | None, Cause], timedelta] = defaultdict(timedelta)
        unseen = min(track.spans[0].start if track.spans else end, end) - start  # before the first event
        if unseen > NO_TIME:
            lost[exit_station, Cause.NO_DATA] += unseen
        for span in _overlapping(track, start, end):
            part = min(span.end, end) - max(span.start, start)
            if span.cause is not None and part > NO_TIME:
                lost[exit_station, span.cause] += part
        for charge in charged:
            if charge.victim == exit_station:
                lost[charge.culprit, charge.cause] += charge.length
        cycle = _mean_ideal(track, start, end)
        ranked = sorted(lost.items(), key=lambda item: (-item[1], item[0][0] or "", item[0][1]))
        return tuple(Culprit(*key, lost_time, lost_time / cycle if cycle else 0.0) for key, lost_time in ranked)

    def _ends(self, window: Interval) -> tuple[timedelta, timedelta]:
        return self.axis.at(window.start), self.axis.at(min(window.end, self.until))


def charges(
    timelines: Mapping[StationId, Timeline],
    links: Sequence[Link],
    standards: Mapping[StationId, StationStandard],
    planned: Sequence[Interval],
    window: Interval,
    *,
    until: datetime,
) -> tuple[Charge, ...]:
    """All waits of all stations inside `window` and up to `until`, charged; each wait is traced as a whole.

    `planned` and the time lines should reach from a day of planned time before `window` to the end of its waits;
    otherwise more is UNKNOWN. Of several neighbours on one side the first link counts.
    """
    return Tracks.of(timelines, standards, planned, until=until).whole().charges(links, window)


def lost_cars(
    charged: Sequence[Charge],
    timelines: Mapping[StationId, Timeline],
    standards: Mapping[StationId, StationStandard],
    exit_station: StationId,
    planned: Sequence[Interval],
    window: Interval,
    *,
    until: datetime,
) -> tuple[Culprit, ...]:
    """Every lost second of the station at the end of a line, by who caused it; the largest first.

    Its own stops are its own, its waits are those of `charged`. A car is worth the station's ideal cycle time: the
    mean over what it made in the window, else its shortest; without any, cars are 0.
    """
    own = {exit_station: timelines[exit_station]}
    return Tracks.of(own, standards, planned, until=until).whole().lost_cars(charged, exit_station, window)


def bottleneck(timelines: Mapping[StationId, Timeline], at: datetime, planned: Sequence[Interval]) -> StationId | None:
    """The station that has been active, neither starved nor blocked, for longest without a break up to `at`.

    Roser's active period method; None where no station is active. Time outside `planned` does not count.
    """
    axis = Worktime.of(planned)
    active = {station: _active_for(line, at, axis) for station, line in timelines.items()}
    longest = max(active, key=lambda bucket: active[bucket], default=None)
    return longest if longest is not None and active[longest] > NO_TIME else None


def _active_for(line: Timeline, at: datetime, axis: Worktime) -> timedelta:
    since = at
    for span in reversed(line.states(at)):
        if span.state in WAITS or span.state is State.NO_DATA:
            break
        since = span.interval.start
    return axis.at(at) - axis.at(since)


def _spans(line: Timeline, standard: StationStandard, axis: Worktime, until: datetime) -> list[_Span]:
    spans: list[_Span] = []
    for state in line.states(until):
        start, end = axis.at(state.interval.start), axis.at(state.interval.end)
        if start == end:
            continue
        cause = OWN.get(state.state)
        if cause in {Cause.DOWN, Cause.IDLE} and state.interval.length < standard.minor_stop:
            cause = Cause.MINOR_STOPS
        if spans and state.state in WAITS and (spans[-1].state, spans[-1].end) == (state.state, start):
            spans[-1] = replace(spans[-1], end=end)
        else:
            spans.append(_Span(start, end, state.state, cause))
    return spans


def _working(span: _Span) -> timedelta:
    return span.end - span.start if span.state is State.PRODUCING else NO_TIME


def _counted(line: Timeline) -> Iterator[Count]:
    has_total = CountKind.TOTAL in line.kinds
    return (count for count in line.counts if (count.kind is CountKind.TOTAL) == has_total)


def _waits(track: _Track, start: timedelta, end: timedelta) -> Iterator[_Span]:
    return (span for span in _overlapping(track, start, end) if span.state in WAITS)


def _overlapping(track: _Track, start: timedelta, end: timedelta) -> Sequence[_Span]:
    first = bisect_right(track.spans, start, key=lambda span: span.end)
    return track.spans[first : bisect_left(track.spans, end, key=lambda span: span.start)]


@dataclass(slots=True)
class _Walk:
    """Back in time from the end of a wait, charging what is found until the whole wait is explained."""

    tracks: Mapping[StationId, _Track]
    next_station: Mapping[StationId, StationId]
    wait: _Span
    standard: StationStandard
    charged: list[tuple[StationId | None, Cause, timedelta]] = field(default_factory=list)
    need: timedelta = NO_TIME

    def go(self, station: StationId | None) -> None:
        """Starts at the victim's neighbour, right at the end of the wait."""
        self.need = self.wait.end - self.wait.start
        time, slack = self.wait.end, SLACK
        asked: set[StationId] = set()  # at this instant: cars may go round in a circle
        while self.need:
            track = self.tracks.get(station) if station is not None else None
            if track is None:
                self.charge(None, Cause.OUTSIDE, self.need)
                return
            span = track.before(time)
            if span is None or self.wait.end - time > FARTHEST or track.station in asked:
                self.charge(station, Cause.UNKNOWN, self.need)
                return
            if span.state is self.wait.state:  # it waited itself
                asked.add(track.station)
                station, slack = self.next_station.get(track.station), SLACK
                continue
            if span.cause is not None:
                self.charge(station, span.cause, time - span.start)
            elif span.state is State.PRODUCING:
                self.charge_cycles(track, span.start, time + slack)
            time, slack = span.start, NO_TIME
            asked.clear()

    def charge_cycles(self, track: _Track, start: timedelta, end: timedelta) -> None:
        """What the cycles took beyond the victim's ideal: beyond the neighbour's own it is slow, the rest its pace."""
        for cycle in track.cycles_in(start, end):
            own = self.standard.ideal(cycle.product) or min(self.standard.ideal_cycle.values(), default=None)
            if own is None:
                continue
            excess = cycle.took - own * cycle.units
            slow = NO_TIME if cycle.ideal is None else min(excess, cycle.took - cycle.ideal * cycle.units)
            self.charge(track.station, Cause.SLOW, slow)
            self.charge(track.station, Cause.PACE, excess - max(slow, NO_TIME))

    def charge(self, station: StationId | None, cause: Cause, delay: timedelta) -> None:
        """As much of a delay as is not explained yet."""
        part = min(max(delay, NO_TIME), self.need)
        if part:
            self.charged.append((station, cause, part))
            self.need -= part


def _laid(
    victim: StationId, wait: _Span, walk: _Walk, axis: Worktime, within: tuple[timedelta, timedelta]
) -> Iterator[Charge]:
    """The charges of a wait end to end, back from its end, as far as they lie `within`."""
    end = wait.end
    for culprit, cause, length in walk.charged:
        start = end - length
        low, high = max(start, within[0]), min(end, within[1])
        if low < high:
            yield Charge(victim, wait.state, culprit, cause, axis.real(low, high), high - low)
        end = start


def _mean_ideal(track: _Track, start: timedelta, end: timedelta) -> timedelta | None:
    whole, units = NO_TIME, 0
    for cycle in track.cycles_in(start, end):
        if cycle.ideal is not None:
            whole += cycle.ideal * cycle.units
            units += cycle.units
    if units:
        return whole / units
    return min(track.standard.ideal_cycle.values(), default=None)
