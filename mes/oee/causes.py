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
        place = bisect_right(self.planned, instant, key=lambda each: each.start) - 1
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
    """The end of one or several units, and how much longer than ideal they took; `ideal` None: not known."""

    end: timedelta
    took: timedelta
    ideal: timedelta | None
    product: ProductId | None
    units: int


@dataclass(frozen=True, slots=True)
class _Track:
    """What one station did, on the axis of planned time."""

    station: StationId
    standard: StationStandard
    spans: Sequence[_Span]
    cycles: Sequence[_Cycle]

    def before(self, time: timedelta) -> _Span | None:
        """What it did right before an instant."""
        place = bisect_left(self.spans, time, key=lambda each: each.start) - 1
        return self.spans[place] if place >= 0 else None

    def cycles_in(self, start: timedelta, end: timedelta) -> Sequence[_Cycle]:
        """Cycles that ended in `(start, end]`, newest first."""
        first = bisect_right(self.cycles, start, key=lambda each: each.end)
        return self.cycles[first : bisect_right(self.cycles, end, key=lambda each: each.end)][::-1]


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
    axis = Worktime.of(planned)
    tracks = {station: _track(station, line, standards[station], axis, until) for station, line in timelines.items()}
    towards: dict[State, dict[StationId, StationId]] = {State.STARVED: {}, State.BLOCKED: {}}
    for link in links:
        towards[State.STARVED].setdefault(link.downstream, link.upstream)
        towards[State.BLOCKED].setdefault(link.upstream, link.downstream)
    start, end = axis.at(window.start), axis.at(min(window.end, until))
    found: list[Charge] = []
    for track in tracks.values():
        for wait in _waits(track, start, end):
            walk = _Walk(tracks, towards[wait.state], wait, track.standard)
            walk.go(towards[wait.state].get(track.station))
            found.extend(_laid(track.station, wait, walk, axis, (start, end)))
    return tuple(found)


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
    axis = Worktime.of(planned)
    track = _track(exit_station, timelines[exit_station], standards[exit_station], axis, until)
    start, end = axis.at(window.start), axis.at(min(window.end, until))
    lost: dict[tuple[StationId | None, Cause], timedelta] = defaultdict(timedelta)
    unseen = min(track.spans[0].start if track.spans else end, end) - start  # before the first event
    if unseen > NO_TIME:
        lost[exit_station, Cause.NO_DATA] += unseen
    for span in track.spans:
        part = min(span.end, end) - max(span.start, start)
        if span.cause is not None and part > NO_TIME:
            lost[exit_station, span.cause] += part
    for charge in charged:
        if charge.victim == exit_station:
            lost[charge.culprit, charge.cause] += charge.length
    cycle = _mean_ideal(track, start, end)
    ranked = sorted(lost.items(), key=lambda item: (-item[1], item[0][0] or "", item[0][1]))
    return tuple(Culprit(*key, lost_time, lost_time / cycle if cycle else 0.0) for key, lost_time in ranked)


def bottleneck(timelines: Mapping[StationId, Timeline], at: datetime, planned: Sequence[Interval]) -> StationId | None:
    """The station that has been active, neither starved nor blocked, for longest without a break up to `at`.

    Roser's active period method; None where no station is active. Time outside `planned` does not count.
    """
    axis = Worktime.of(planned)
    active = {station: _active_for(line, at, axis) for station, line in timelines.items()}
    longest = max(active, key=lambda each: active[each], default=None)
    return longest if longest is not None and active[longest] > NO_TIME else None


def _active_for(line: Timeline, at: datetime, axis: Worktime) -> timedelta:
    since = at
    for span in reversed(line.states(at)):
        if span.state in WAITS or span.state is State.NO_DATA:
            break
        since = span.interval.start
    return axis.at(at) - axis.at(since)


def _track(station: StationId, line: Timeline, standard: StationStandard, axis: Worktime, until: datetime) -> _Track:
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
    return _Track(station, standard, spans, tuple(_cycles(line, spans, standard, axis)))


def _cycles(line: Timeline, spans: Sequence[_Span], standard: StationStandard, axis: Worktime) -> Iterator[_Cycle]:
    """Producing time between two counts; a station that has a totaliser of all units is counted by it."""
    starts = [span.start for span in spans]
    working = [span.end - span.start if span.state is State.PRODUCING else NO_TIME for span in spans]
    before = [NO_TIME, *accumulate(working)]
    last: timedelta | None = None
    for count in _counted(line):
        at = axis.at(count.time)
        place = bisect_right(starts, at) - 1
        produced = before[max(place, 0)]
        if place >= 0 and spans[place].state is State.PRODUCING:
            produced += min(at, spans[place].end) - spans[place].start
        if last is not None:
            yield _Cycle(at, produced - last, standard.ideal(count.product), count.product, count.units)
        last = produced


def _counted(line: Timeline) -> Iterator[Count]:
    has_total = CountKind.TOTAL in line.kinds
    return (count for count in line.counts if (count.kind is CountKind.TOTAL) == has_total)


def _waits(track: _Track, start: timedelta, end: timedelta) -> Iterator[_Span]:
    first = bisect_right(track.spans, start, key=lambda each: each.end)
    for span in track.spans[first:]:
        if span.start >= end:
            return
        if span.state in WAITS:
            yield span


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
    for cycle in track.cycles:
        if start < cycle.end <= end and cycle.ideal is not None:
            whole += cycle.ideal * cycle.units
            units += cycle.units
    if units:
        return whole / units
    return min(track.standard.ideal_cycle.values(), default=None)
