"""How cars flow: cycle times, what waits between two stations and how long, and what is good at the first attempt."""

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import prod

from mes.intervals import Interval
from mes.model import ProductId, StationId, UnitId, UnitResult
from mes.oee.biography import Biography, Visit, all_biographies

CLOCKS_DIFFER = timedelta(seconds=60)  # how far an entry may lie before the result upstream, by another clock


@dataclass(frozen=True, slots=True)
class Cycle:
    """How long a unit was worked on until its result at `end`: from its entry, or from its result before that one."""

    unit: UnitId
    product: ProductId | None
    end: datetime
    length: timedelta


def cycle_times(visits: Iterable[Visit], window: Interval) -> tuple[Cycle, ...]:
    """The cycles of one station that ended in `window`, by the clock on the wall: stops and breaks are in them.

    The first cycle of a visit whose entry nobody saw is left out.
    """
    found: list[Cycle] = []
    for visit in visits:
        begin = visit.entered
        for result in visit.results:
            if begin is not None and result.time in window:
                found.append(Cycle(visit.unit, visit.product, result.time, result.time - begin))
            begin = result.time
    return tuple(sorted(found, key=lambda dwell: (dwell.end, dwell.unit)))


@dataclass(frozen=True, slots=True)
class Dwell:
    """A unit's wait from its result upstream to its entry downstream; `until` None: it waits still."""

    unit: UnitId
    since: datetime
    until: datetime | None

    @property
    def length(self) -> timedelta | None:
        """Never below zero; None while it lasts."""
        return self.until - self.since if self.until is not None else None


@dataclass(frozen=True, slots=True)
class DwellFigures:
    """Of the waits that are over: how many, and how long; None where there are none."""

    count: int
    mean: timedelta | None
    median: timedelta | None
    longest: timedelta | None


def wip(
    upstream_visits: Sequence[Visit],
    downstream_visits: Sequence[Visit],
    at: datetime,
    *,
    sent: UnitResult = UnitResult.GOOD,
) -> tuple[UnitId, ...]:
    """The units between two stations at an instant, those that wait longest first.

    A unit waits from its last result in a visit upstream, if that is `sent`, until it is seen downstream, or upstream
    again. A blocked unit waits too, though it stands in the station still. Units that the upstream station sends back
    to an earlier one wait there. Ask with `sent` rework for those between an inspection and the booth before it.
    """
    return _waiting(_waits(upstream_visits, downstream_visits, sent), at)


def dwells(
    upstream_visits: Sequence[Visit], downstream_visits: Sequence[Visit], *, sent: UnitResult = UnitResult.GOOD
) -> tuple[Dwell, ...]:
    """The waits of all units between two stations, in order of their beginnings; `sent` as in `wip`.

    Left out are those that ended with an entry that nobody saw or back at the upstream station.
    """
    found = _dwells(_waits(upstream_visits, downstream_visits, sent))
    return tuple(sorted(found, key=lambda wait: (wait.since, wait.unit)))


def dwell_figures(waits: Iterable[Dwell]) -> DwellFigures:
    """Sums up the waits that are over."""
    lengths = sorted(wait.length for wait in waits if wait.length is not None)
    count = len(lengths)
    if not count:
        return DwellFigures(0, None, None, None)
    median = (lengths[(count - 1) // 2] + lengths[count // 2]) / 2
    return DwellFigures(count, sum(lengths, timedelta()) / count, median, lengths[-1])


@dataclass(frozen=True, slots=True)
class _Wait:
    """`into`: the visit downstream that ended it."""

    unit: UnitId
    since: datetime
    until: datetime | None
    into: Visit | None


def _waits(upstream: Sequence[Visit], downstream: Sequence[Visit], sent: UnitResult) -> Iterator[_Wait]:
    """Each unit's results upstream, each with the first visit downstream after it."""
    arrivals = _by_unit(downstream)
    for unit, stays in _by_unit(upstream).items():
        coming = deque(arrivals.get(unit, ()))
        returns = [*(visit.first_seen for visit in stays[1:]), None]
        for stay, back in zip(stays, returns, strict=True):
            if not stay.results or stay.results[-1].result is not sent:
                continue
            since = stay.results[-1].time
            while coming and coming[0].first_seen < since - CLOCKS_DIFFER:
                coming.popleft()
            if coming and (back is None or coming[0].first_seen < back):
                into = coming.popleft()
                yield _Wait(unit, since, max(into.first_seen, since), into)
            else:
                yield _Wait(unit, since, back, None)


def _waiting(waits: Iterable[_Wait], at: datetime) -> tuple[UnitId, ...]:
    held = [wait for wait in waits if wait.since <= at and (wait.until is None or at < wait.until)]
    return tuple(wait.unit for wait in sorted(held, key=lambda wait: (wait.since, wait.unit)))


def _dwells(waits: Iterable[_Wait]) -> Iterator[Dwell]:
    return (
        Dwell(wait.unit, wait.since, wait.until)
        for wait in waits
        if wait.until is None or (wait.into is not None and wait.into.entered is not None)
    )


def _by_unit(visits: Iterable[Visit]) -> dict[UnitId, list[Visit]]:
    found: dict[UnitId, list[Visit]] = defaultdict(list)
    for visit in visits:
        found[visit.unit].append(visit)
    return found


@dataclass(frozen=True, slots=True)
class FirstTime:
    """How many units were inspected, and how many of them were good at the first attempt."""

    inspected: int
    first_time_good: int

    @property
    def ratio(self) -> float | None:
        """From 0 to 1; None if none was inspected."""
        return self.first_time_good / self.inspected if self.inspected else None


def first_time_quality(visits: Sequence[Visit], window: Interval) -> FirstTime:
    """Of the units whose first result at a station lies in `window`, those that were good at once.

    Only a unit's first passage counts; where ids live more than once, the visits are those of the biographies.
    """
    firsts = [visit.results[0] for visit in visits if visit.passage == 1 and visit.results]
    inside = [first.result for first in firsts if first.time in window]
    return FirstTime(len(inside), inside.count(UnitResult.GOOD))


def rolled(ratios: Sequence[float | None]) -> float | None:
    """The product of the stations' ratios along a route; None if one is not known, or there is none."""
    known = [ratio for ratio in ratios if ratio is not None]
    return prod(known) if known and len(known) == len(ratios) else None


def route_first_time(biographies: Iterable[Biography], window: Interval) -> FirstTime:
    """Of the units that were finished in `window`, those whose first result was good at every station they were at."""
    done = [
        biography for biography in biographies if biography.finished_at is not None and biography.finished_at in window
    ]
    return FirstTime(len(done), sum(map(_is_good_at_once, done)))


def _is_good_at_once(life: Biography) -> bool:
    firsts: dict[StationId, UnitResult] = {}
    for visit in life.visits:
        if visit.results:
            firsts.setdefault(visit.station, visit.results[0].result)
    return all(result is UnitResult.GOOD for result in firsts.values())


@dataclass(frozen=True, slots=True)
class FirstTimes:
    """What was good at the first attempt: at each station, and of finished cars all along.

    `rolled` is the product of the stations' ratios, None where one is not known.
    """

    stations: Mapping[StationId, FirstTime]
    rolled: float | None
    cars: FirstTime

    @staticmethod
    def of(stays: Mapping[StationId, Sequence[Visit]], window: Interval) -> "FirstTimes":
        """`stays` are those of all stations along the route, from some time before `window` on."""
        lives = all_biographies(stays, list(stays))
        in_lives: dict[StationId, list[Visit]] = {station: [] for station in stays}
        for life in lives:
            for visit in life.visits:
                in_lives[visit.station].append(visit)
        found = {station: first_time_quality(visits, window) for station, visits in in_lives.items()}
        ratios = [quality.ratio for quality in found.values()]
        return FirstTimes(found, rolled(ratios), route_first_time(lives, window))


@dataclass(frozen=True, slots=True)
class Store:
    """The units between two stations at the end of a window, and how long those waited that went on in it.

    `waited`: all those waits together.
    """

    upstream: StationId
    downstream: StationId
    waiting: tuple[UnitId, ...]
    dwell: DwellFigures
    waited: timedelta


def stores_between(
    stays: Mapping[StationId, Sequence[Visit]],
    ways: Sequence[tuple[StationId, StationId]],
    window: Interval,
    end: datetime,
) -> tuple[Store, ...]:
    """The stores on the ways from station to station, at `end`, with the waits that ended in `window`."""
    return Stores.of(stays, ways).during(window, end)


@dataclass(frozen=True, slots=True)
class Stores:
    """The same for any number of windows: the waits on each way, and those that are over in the order of their ends."""

    waits: Mapping[tuple[StationId, StationId], tuple[Sequence[_Wait], Sequence[tuple[datetime, Dwell]]]]

    @staticmethod
    def of(stays: Mapping[StationId, Sequence[Visit]], ways: Sequence[tuple[StationId, StationId]]) -> "Stores":
        """From the stays at all stations of the ways."""
        found = {}
        for start, to in ways:
            waits = list(_waits(stays[start], stays[to], UnitResult.GOOD))
            over = [(dwell.until, dwell) for dwell in _dwells(waits) if dwell.until is not None]
            found[start, to] = (waits, sorted(over, key=lambda pair: pair[0]))
        return Stores(found)

    def during(self, window: Interval, end: datetime) -> tuple[Store, ...]:
        """Each store at `end`, with the waits that ended in `window`."""
        found = []
        for (start, to), (waits, over) in self.waits.items():
            first, last = (bisect_left(over, at, key=lambda pair: pair[0]) for at in (window.start, window.end))
            ended = [dwell for _, dwell in over[first:last]]
            waited = sum((dwell.length or timedelta() for dwell in ended), timedelta())
            found.append(Store(start, to, _waiting(waits, end), dwell_figures(ended), waited))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Flow:
    """A plant's stores, what was good at the first attempt, and the cycles of the stations."""

    stores: tuple[Store, ...]
    first_times: FirstTimes
    cycles: Mapping[StationId, tuple[Cycle, ...]]

    @staticmethod
    def of(
        stays: Mapping[StationId, Sequence[Visit]],
        ways: Sequence[tuple[StationId, StationId]],
        window: Interval,
        until: datetime,
    ) -> "Flow":
        """`stays` are those of all stations along the route, from some time before `window` on."""
        end = min(window.end, until)
        cycles = {station: cycle_times(stays[station], window) for station in stays}
        return Flow(stores_between(stays, ways, window, end), FirstTimes.of(stays, window), cycles)
