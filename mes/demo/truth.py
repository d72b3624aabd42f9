"""Both sides of the demo's comparison in the same words, and the plant's own ledger put into them."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from operator import itemgetter

from mes.intervals import BEGINNING_OF_TIME, Interval, subtract, union
from mes.model import (
    CountFlag,
    CountKind,
    ProductId,
    State,
    StateChanged,
    StationEvent,
    StationId,
    StationStandard,
    TimeSource,
    UnitsCounted,
)
from mes.oee.causes import Charge, Link
from mes.oee.definitions import BUILT_IN, Definition, Place
from mes.oee.timeline import Timeline, timeline
from simulators import truth as plant_truth
from simulators.line import Breakdown, SimState, UnitRecord
from simulators.plant import Plant

NO_TIME = timedelta()
Codes = Mapping[str, Mapping[int, str]]  # of each of FAULTS: what controllers show for a fault, by its number
NO_CODES: Codes = {}
Faults = Mapping[str, Sequence[Interval]]  # by code, when the controllers showed it
Scan = tuple[datetime, datetime]  # up to when the plant had come, and when the controllers showed all of that
LONG_BREAKDOWN = timedelta(minutes=30)  # what the stores around a station cannot hide
LEAST_LOOKS = 4
AFTERMATH = timedelta(hours=1)  # how long after a breakdown its line may still wait because of it


@dataclass(frozen=True, slots=True)
class Counts:
    """Units by what became of them."""

    good: int
    rework: int
    scrap: int


@dataclass(frozen=True, slots=True)
class Ratios:
    """The figures under one definition; None where undefined."""

    availability: float | None
    performance: float | None
    quality: float | None
    oee: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """What a definition makes its ratios of: `setup` is set-up that is no loss, `made` and `good` are ideal times."""

    planned: timedelta
    run: timedelta
    setup: timedelta
    made: timedelta
    good: timedelta

    def ratios(self) -> Ratios:
        """As the definitions have them."""
        performance = self.made / self.run if self.run else None
        if not self.planned:
            return Ratios(None, performance, self.good / self.made if self.made else None, None)
        oee: float | None = self.good / self.planned  # run time cancels out, unless set-up is added to it
        if self.setup and self.good:
            oee = (self.run + self.setup) / self.planned * (self.good / self.run) if self.run else None
        return Ratios(
            (self.run + self.setup) / self.planned, performance, self.good / self.made if self.made else None, oee
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Defined:
    """The truth under one definition. Stops shorter than `minor_stop` are run time; zero: none are."""

    ratios: Ratios
    times: Times
    minor_stop: timedelta
    setup_is_lost: bool = True
    waits_are_planned: bool = True


@dataclass(frozen=True, slots=True)
class Stay:
    """A unit's visit of a station; `entered` None: nobody saw it come."""

    station: StationId
    passage: int
    results: tuple[str, ...]
    entered: datetime | None

    def told(self) -> str:
        """In words, without its time."""
        return f"{self.station} {self.passage} {'+'.join(self.results) or 'in work'}"


@dataclass(frozen=True, slots=True)
class Life:
    """All visits of one unit in order of time; `loops`: those of a station where it had been before."""

    stays: tuple[Stay, ...]
    loops: int


@dataclass(frozen=True, slots=True)
class Lives:
    """Both sides of every unit's biography."""

    truth: Mapping[str, Life] = field(default_factory=dict)
    measured: Mapping[str, Life] = field(default_factory=dict)


NO_LIVES = Lives()


@dataclass(frozen=True, slots=True)
class Truth:
    """What one station really did in the window; `states` are contiguous and cover it."""

    counts: Counts
    states: tuple[tuple[Interval, State], ...]
    units: tuple[str, ...]
    oee: float | None
    definitions: Mapping[str, Defined] = field(default_factory=dict)
    faults: Faults = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the collector says of the same station and window; `states` cover it, with NO_DATA where it was blind.

    `figures` and those under each definition have the names of `mes.results.fields`.
    """

    figures: Mapping[str, int | float | None]
    states: tuple[tuple[Interval, State], ...]
    units: tuple[str, ...]
    unreconciled: int
    definitions: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    faults: Faults = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Station:
    """Both sides of one station, with the instants at which its controller was looked at.

    `others`: the same of its other controllers. `counted`: the results that it has counters for. `doubt`: time that may
    be told otherwise because of the rule that tells its state. `scattered`: several values tell the state, and another
    one may be seen between two of them. `ideal_known`: the ideal time of every counted unit is.
    """

    truth: Truth
    measured: Measured
    observations: Sequence[datetime]
    excused: tuple[Interval, ...]  # where faults were injected, with the time that recovery may take
    scans: Sequence[Scan] = ()

    controller: str = ""
    others: tuple[Sequence[datetime], ...] = ()
    counted: frozenset[str] = frozenset({"good", "rework", "scrap"})
    doubt: timedelta = NO_TIME
    scattered: bool = False
    ideal_known: bool = True

    def watched(self) -> Interval | None:
        """From the second look at every controller to the last but one: a change between is seen. None: too few."""
        looks = (self.observations, *self.others)
        if any(len(times) < LEAST_LOOKS for times in looks):
            return None
        start, end = max(times[1] for times in looks), min(times[-2] for times in looks)
        return Interval(start, end) if start < end else None

    def late(self, at: datetime) -> timedelta:
        """How late a change at an instant may be seen: it is shown by a scan, and then seen by a look."""
        scan = bisect_left(self.scans, at, key=itemgetter(0))
        shown = max(at, self.scans[scan][1]) if scan < len(self.scans) else at
        return shown - at + max(until_seen(looks, shown) for looks in (self.observations, *self.others))


@dataclass(frozen=True, slots=True)
class Broken:
    """A station that broke down for long; its neighbours' `waits` in `window`, blocked before and starved behind it."""

    station: StationId
    waits: frozenset[tuple[StationId, State]]
    window: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Causes:
    """Charges out of what really happened and out of what was measured.

    `waits`: for how many seconds each station was measured to be starved and blocked in planned time.
    `broken`: who must be charged with most.
    """

    truth: tuple[Charge, ...] = ()
    measured: tuple[Charge, ...] = ()
    waits: Mapping[tuple[StationId, State], float | None] = field(default_factory=dict)
    broken: tuple[Broken, ...] = ()


NO_CAUSES = Causes()


def seconds(states: Iterable[tuple[Interval, State]], within: Sequence[Interval]) -> dict[State, timedelta]:
    """Time in each state inside the intervals, which must be disjoint; every state is a key."""
    sums = dict.fromkeys(State, timedelta())
    for span, state in states:
        for interval in within:
            if part := span.clip(interval):
                sums[state] += part.length
    return sums


def blind(states: Sequence[tuple[Interval, State]], window: Interval) -> tuple[Interval, ...]:
    """Where the measured side says that it knows nothing, or says nothing at all."""
    return subtract((window,), union(span for span, state in states if state is not State.NO_DATA))


def until_seen(observations: Sequence[datetime], shown: datetime) -> timedelta:
    """How long it takes at most until what a controller shows from `shown` on is seen; zero outside the observations.

    `observations` are the ends of looks. The look that ends next may have begun before `shown`, and have read this part
    of the controller already; the one after it begins later, and sees it.
    """
    after = bisect_right(observations, shown)
    if after in (0, len(observations)):
        return NO_TIME
    return observations[min(after + 1, len(observations) - 1)] - shown


def transitions(states: Sequence[tuple[Interval, State]], state: State) -> list[datetime]:
    """The instants at which the station entered or left `state`."""
    return [
        later[0].start
        for earlier, later in pairwise(states)
        if earlier[1] is not later[1] and state in (earlier[1], later[1])
    ]


def agreed(true: Sequence[tuple[Interval, State]], seen: Sequence[tuple[Interval, State]]) -> timedelta:
    """How long both sides, each in order and disjoint, are in the same state."""
    found, first = NO_TIME, 0
    for span, state in seen:
        while first < len(true) and true[first][0].end <= span.start:
            first += 1
        at = first
        while at < len(true) and true[at][0].start < span.end:
            part = span.clip(true[at][0]) if true[at][1] is state else None
            found += part.length if part else NO_TIME
            at += 1
    return found


def station_truth(
    told: plant_truth.Truth,
    station: StationId,
    standard: StationStandard,
    window: Interval,
    codes: Codes = NO_CODES,
) -> Truth:
    """One station in `window`, up to the end of which the plant's ledger must reach; `codes` of its faults."""
    counts = told.counts(station, window.start, window.end)
    return Truth(
        counts=Counts(good=counts["good"], rework=counts["rework"], scrap=counts["scrap"]),
        states=tuple((Interval(start, end), State(str(state))) for start, end, state in told.states(station)),
        units=tuple(record(unit.unit, unit.result, unit.sequence) for unit in told.units(station)),
        oee=told.oee(station, window.start, window.end),
        definitions={
            name: _defined(told, station, standard, definition, window) for name, definition in BUILT_IN.items()
        },
        faults=by_code(
            (shown[fault], Interval(start, end))
            for which, shown in codes.items()
            for start, end, fault in told.faults(station, which)
            if fault in shown
        ),
    )


def by_code(faults: Iterable[tuple[str, Interval]]) -> Faults:
    """Faults by their codes, in the order in which they come."""
    found: dict[str, list[Interval]] = defaultdict(list)
    for code, shown in faults:
        found[code].append(shown)
    return found


def record(unit: str, result: str, sequence: int | None) -> str:
    """One finished unit at a station: its id, what became of it, and its number, for a unit may pass twice."""
    return f"{unit} {result} #{sequence}"


def lives(told: plant_truth.Truth, stations: Iterable[StationId]) -> dict[str, Life]:
    """The way of every unit through those of the stations."""
    stays: dict[str, list[Stay]] = {}
    for station in stations:
        for visit in told.visits(station):
            stay = Stay(station, visit.passage, _results(visit.results), visit.entered)
            stays.setdefault(visit.unit, []).append(stay)
    for way in stays.values():
        way.sort(key=lambda stay: stay.entered or BEGINNING_OF_TIME)
    return {unit: Life(tuple(way), sum(stay.passage > 1 for stay in way)) for unit, way in stays.items()}


def _results(records: list[UnitRecord]) -> tuple[str, ...]:
    return tuple(str(unit.result) for unit in records)


def _defined(
    told: plant_truth.Truth, station: StationId, standard: StationStandard, definition: Definition, window: Interval
) -> Defined:
    minor_stop = definition.minor_stop or standard.minor_stop
    if definition.minor_stops is not Place.PERFORMANCE:
        minor_stop -= minor_stop
    setup_is_lost = definition.setup is not Place.NO_LOSS
    waits_are_planned = definition.starved is not Place.EXCLUDED
    figures = told.figures(
        station,
        window.start,
        window.end,
        minor_stop=minor_stop,
        setup_is_lost=setup_is_lost,
        waits_are_planned=waits_are_planned,
    )
    ratios = (figures.availability, figures.performance, figures.quality, figures.oee)
    return Defined(
        ratios=Ratios(*(None if ratio is None else float(ratio) for ratio in ratios)),
        times=Times(
            planned=figures.planned, run=figures.run, setup=figures.setup, made=figures.made, good=figures.good
        ),
        minor_stop=minor_stop,
        setup_is_lost=setup_is_lost,
        waits_are_planned=waits_are_planned,
    )


def perfect(told: plant_truth.Truth, station: StationId) -> Timeline:
    """The time line of somebody who saw everything at once."""

    def state(start: datetime, now: SimState) -> StationEvent:
        return StateChanged(
            station=station,
            time=start,
            received_time=start,
            time_source=TimeSource.CONTROLLER,
            state=State(str(now)),
            raw=str(now),
        )

    def count(unit: UnitRecord) -> StationEvent:
        return UnitsCounted(
            station=station,
            time=unit.time,
            received_time=unit.time,
            time_source=TimeSource.CONTROLLER,
            kind=CountKind(unit.result),
            delta=1,
            raw=unit.sequence,
            previous_raw=None,
            product=ProductId(unit.product),
            flag=CountFlag.NORMAL,
        )

    turns = [state(start, now) for start, _, now in told.states(station)]
    return timeline([*turns, *(count(unit) for unit in told.units(station))])


def broken(
    plant: Plant,
    breakdowns: Iterable[Breakdown],
    window: Interval,
    links: Sequence[Link],
    shows: Callable[[StationId, SimState], bool] = lambda station, state: True,
) -> tuple[Broken, ...]:
    """Breakdowns on purpose of half an hour and more, unless another station stood for half as long meanwhile.

    `shows`: whether a station's controllers tell a state from all others.
    """
    paths = {spec.code: StationId(spec.path) for spec in plant.stations}
    found = []
    for breakdown in breakdowns:
        meanwhile = Interval(breakdown.at, breakdown.at + breakdown.lasts + AFTERMATH).clip(window)
        if meanwhile is None:
            continue
        within = [(meanwhile.start, meanwhile.end)]
        down = {path: plant.truth.seconds(path, within)[SimState.DOWN] for path in paths.values()}
        station = paths[breakdown.code]
        others = max((lasted for other, lasted in down.items() if other != station), default=NO_TIME)
        before = {(link.upstream, State.BLOCKED) for link in links if link.downstream == station}
        behind = {(link.downstream, State.STARVED) for link in links if link.upstream == station}
        waits = frozenset(wait for wait in before | behind if shows(wait[0], SimState(str(wait[1]))))
        if waits and down[station] >= LONG_BREAKDOWN and others <= down[station] / 2:
            found.append(Broken(station, waits, meanwhile))
    return tuple(found)
