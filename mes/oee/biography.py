"""Each car's way: its stays at the stations, put together to its lives, and what the process was like meanwhile."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import fsum

from mes.intervals import Interval
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    Journaled,
    ProcessValue,
    ProductId,
    State,
    StateChanged,
    StationEvent,
    StationId,
    UnitCompleted,
    UnitEntered,
    UnitId,
    UnitLeft,
    UnitResult,
)

ID_LATE = timedelta(seconds=60)  # how long after the start of its cycle a unit's id may come, and its record after it
CLOCKS_DIFFER = timedelta(seconds=2)  # how far a result may lie behind its unit's leaving
WAITING = frozenset({State.STARVED, State.IDLE, State.BLOCKED})
WORKING = frozenset({State.PRODUCING, State.SETUP})
TOLD = (UnitEntered, UnitLeft, UnitCompleted, StateChanged, ConnectionLost, ConnectionRestored)


class VisitFlag(StrEnum):
    """What is not quite known of a visit."""

    BASELINE = "baseline"  # it was there when we looked: nobody knows since when
    IN_GAP = "in_gap"  # known from its result alone, nobody saw it come
    ID_CAME_LATE = "id_came_late"  # it entered when the station began to work, its id was told later
    LEFT_UNSEEN = "left_unseen"  # it is gone, nobody knows since when


@dataclass(frozen=True, slots=True)
class Outcome:
    """One result of a unit; `cycle_time` and `sequence` as the controller's record had them."""

    result: UnitResult
    time: datetime
    cycle_time: timedelta | None
    sequence: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A stay of a unit at a station.

    `entered` None: it was there when we looked, or came unseen. `left` None: it is there still, or left unseen.
    `first_seen` and `last_seen`: the first and the last instant at which it is known to have been there.
    `results`: in order of time; a unit that was worked again in place has several. `passage`: 1 for the unit's first
    visit of this station, 2 for the second.
    """

    station: StationId
    unit: UnitId
    product: ProductId | None
    entered: datetime | None
    left: datetime | None
    first_seen: datetime
    last_seen: datetime
    results: tuple[Outcome, ...] = ()
    passage: int = 1
    flags: frozenset[VisitFlag] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Biography:
    """One life of a unit; `visits` in order of time, their passages counted within this life, which is 1 or more.

    `loops`: visits of a station where it had been before. `finished_at`: when it was good at the last station of its
    route; None while it is not, or if its last result there was another one.
    """

    unit: UnitId
    life: int
    product: ProductId | None
    visits: tuple[Visit, ...]
    first_seen: datetime
    last_seen: datetime
    loops: int
    finished_at: datetime | None

    @property
    def finished(self) -> bool:
        """Good at the last station of its route."""
        return self.finished_at is not None


def visits(station: StationId, events: Iterable[Journaled]) -> tuple[Visit, ...]:
    """All stays of units at one station, by their first instants; events of other stations are passed over.

    The order in which events come, and their repeats, change nothing: they are ordered by (time, received_time, seq). A
    result belongs to the stay of its unit if that is not over, or ended at most 2 s before. Without a result yet, the
    stay may have ended up to 60 s before. Otherwise the result makes a stay of its own, in a gap. A turn is the
    station's change from waiting to work. A unit whose id comes at most 60 s after a turn entered at that turn, if none
    was completed or left meanwhile. The same holds for an id that replaces the id of a unit that had its result before
    the turn; that unit left then. A set-up that goes on after a break is no turn.
    """
    told = {event.seq: event for event in events if isinstance(event.event, TOLD) and event.event.station == station}
    station_stays = _Stays()
    for journaled in sorted(
        told.values(), key=lambda journaled: (journaled.event.time, journaled.event.received_time, journaled.seq)
    ):
        station_stays.take(journaled.event)
    return tuple(stay.visit(station) for stay in station_stays.stays)


@dataclass(slots=True, kw_only=True)
class _Stay:
    """A visit while it is read; `over`: when it was known that the unit is gone, `told_gone`: when we heard so."""

    unit: UnitId
    product: ProductId | None
    entered: datetime | None
    first_seen: datetime
    passage: int
    flags: frozenset[VisitFlag]
    left: datetime | None = None
    over: datetime | None = None
    told_gone: datetime | None = None
    results: list[Outcome] = field(default_factory=list)

    def owns(self, time: datetime) -> bool:
        """Whether a result of its unit at that instant is a result of this stay."""
        return self.over is None or time - self.over <= (CLOCKS_DIFFER if self.results else ID_LATE)

    def visit(self, station: StationId) -> Visit:
        """As far as it is known."""
        unseen = self.over is not None and self.left is None
        return Visit(
            station=station,
            unit=self.unit,
            product=self.product,
            entered=self.entered,
            left=self.left,
            first_seen=self.first_seen,
            last_seen=max([self.first_seen, self.left or self.first_seen, *(result.time for result in self.results)]),
            results=tuple(self.results),
            passage=self.passage,
            flags=self.flags | {VisitFlag.LEFT_UNSEEN} if unseen else self.flags,
        )


@dataclass(slots=True)
class _Stays:
    """One station's stays while its events are read in order of time.

    `here`: stays that are not over. `turned`: when the station last turned from waiting to work with no unfinished unit
    in it. It is kept while a unit whose id is yet to come may have entered then. `gone`: whose id went since.
    """

    stays: list[_Stay] = field(default_factory=list)
    latest: dict[UnitId, _Stay] = field(default_factory=dict)
    here: dict[UnitId, _Stay] = field(default_factory=dict)
    state: State | None = None
    turned: datetime | None = None
    gone: _Stay | None = None

    def take(self, event: StationEvent) -> None:
        """The next event."""
        match event:
            case StateChanged():
                self._turn(event)
            case UnitEntered():
                self._enter(event)
            case UnitLeft():
                self._leave(event)
            case UnitCompleted():
                self._complete(event)
            case _:  # blind: what the state was before says nothing any more
                self.state = self.turned = None

    def _turn(self, event: StateChanged) -> None:
        before = self.state
        if before is State.SETUP and event.state is State.IDLE:
            return
        self.state = event.state
        if before in WAITING and event.state in WORKING and all(stay.results for stay in self.here.values()):
            self.turned, self.gone = event.time, None

    def _enter(self, event: UnitEntered) -> None:
        known = self.here.get(event.unit)
        if known is not None and (event.baseline or VisitFlag.IN_GAP not in known.flags):
            return  # named once more
        if event.baseline and self._has_just_gone(event):
            return  # when we looked it was there; later its controller said that it had gone, by its own clock
        flags: set[VisitFlag] = set()
        entered: datetime | None = None
        if event.baseline:
            flags.add(VisitFlag.BASELINE)
        else:
            entered = self._since(event.time)
            if entered < event.time:
                flags.add(VisitFlag.ID_CAME_LATE)
        for stay in self.here.values():
            stay.over = event.time
        self.here.clear()
        self.turned = None
        self._begin(event, entered=entered, first_seen=entered or event.time, flags=frozenset(flags))

    def _has_just_gone(self, event: UnitEntered) -> bool:
        last = self.latest.get(event.unit)
        return last is not None and last.told_gone is not None and event.received_time < last.told_gone

    def _since(self, named: datetime) -> datetime:
        """When the unit that is named then came."""
        if self.turned is None or named - self.turned > ID_LATE:
            return named
        if self.gone is not None:
            if self.gone.over != named:
                return named
            self.gone.left = self.turned
        return self.turned

    def _leave(self, event: UnitLeft) -> None:
        stay = self.here.pop(event.unit, None)
        if stay is None:
            self.turned = None
            if event.unit in self.latest:
                return  # its stay was over already
            there = frozenset({VisitFlag.BASELINE})
            stay = self._begin(event, entered=None, first_seen=event.time, flags=there)
            del self.here[event.unit]
        stay.over, stay.told_gone = event.time, event.received_time
        stay.left = None if event.baseline else event.time
        self.gone = stay
        if event.baseline or not stay.results:
            self.turned = None

    def _complete(self, event: UnitCompleted) -> None:
        self.turned = None
        stay = self.latest.get(event.unit)
        if stay is None or not stay.owns(event.time):
            for finished in [finished for finished in self.here.values() if finished.results]:
                finished.over = event.time
                del self.here[finished.unit]
            in_gap = frozenset({VisitFlag.IN_GAP})
            stay = self._begin(event, entered=None, first_seen=event.time, flags=in_gap)
        stay.results.append(Outcome(event.result, event.time, event.cycle_time, event.sequence))
        stay.product = event.product or stay.product

    def _begin(
        self,
        event: UnitEntered | UnitLeft | UnitCompleted,
        *,
        entered: datetime | None,
        first_seen: datetime,
        flags: frozenset[VisitFlag],
    ) -> _Stay:
        before = self.latest.get(event.unit)
        stay = _Stay(
            unit=event.unit,
            product=None if isinstance(event, UnitLeft) else event.product,
            entered=entered,
            first_seen=first_seen,
            passage=before.passage + 1 if before is not None else 1,
            flags=flags,
        )
        self.stays.append(stay)
        self.latest[stay.unit] = self.here[stay.unit] = stay
        return stay


def biographies(
    visits_by_station: Mapping[StationId, Sequence[Visit]], unit: UnitId, route: Sequence[StationId]
) -> tuple[Biography, ...]:
    """The lives of one unit, in order of time; none if nobody saw it. `route` has at least one station.

    A new life begins where an id comes to the first station of the route after it has passed the last one. It has
    passed it once it left without a result, or with any result but rework.
    """
    own = [stay for stays in visits_by_station.values() for stay in stays if stay.unit == unit]
    return tuple(_lives(own, route))


def all_biographies(
    visits_by_station: Mapping[StationId, Sequence[Visit]], route: Sequence[StationId]
) -> tuple[Biography, ...]:
    """The lives of all units, by their first instants; `route` has at least one station."""
    by_unit: dict[UnitId, list[Visit]] = defaultdict(list)
    for stays in visits_by_station.values():
        for stay in stays:
            by_unit[stay.unit].append(stay)
    lives = [life for own in by_unit.values() for life in _lives(own, route)]
    return tuple(sorted(lives, key=lambda life: (life.first_seen, life.unit)))


def _lives(own: Sequence[Visit], route: Sequence[StationId]) -> list[Biography]:
    places = {station: place for place, station in enumerate(route)}
    lives: list[list[Visit]] = []
    passed = False
    for visit in sorted(own, key=lambda visit: (visit.first_seen, places.get(visit.station, len(route)))):
        if not lives or (passed and visit.station == route[0]):
            lives.append([])
            passed = False
        lives[-1].append(visit)
        if visit.station == route[-1]:
            passed = passed or not visit.results or visit.results[-1].result is not UnitResult.REWORK
    return [_biography(stays, route[-1], life=number) for number, stays in enumerate(lives, 1)]


def _biography(stays: Sequence[Visit], last: StationId, *, life: int) -> Biography:
    been: dict[StationId, int] = defaultdict(int)
    counted: list[Visit] = []
    for visit in stays:
        been[visit.station] += 1
        counted.append(replace(visit, passage=been[visit.station]))
    ends = [result for stay in stays if stay.station == last for result in stay.results]
    products = [stay.product for stay in stays if stay.product is not None]
    return Biography(
        unit=stays[0].unit,
        life=life,
        product=products[-1] if products else None,
        visits=tuple(counted),
        first_seen=stays[0].first_seen,
        last_seen=max(stay.last_seen for stay in stays),
        loops=sum(visit.passage > 1 for visit in counted),
        finished_at=ends[-1].time if ends and ends[-1].result is UnitResult.GOOD else None,
    )


@dataclass(frozen=True, slots=True)
class ProcessLimit:
    """What a process value should be: from `low` to `high`, both included; None: no limit on that side."""

    low: float | None
    high: float | None

    def __contains__(self, value: float) -> bool:
        return (self.low is None or self.low <= value) and (self.high is None or value <= self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSummary:
    """A process value over a stretch of time, in its own unit of measure; None where no value is known.

    `samples`: values measured in the stretch. `length`: for how long a value is known; `in_limits`: for how much of
    that it was within its limits, None too where it has no limits.
    """

    name: str
    minimum: float | None
    mean: float | None
    maximum: float | None
    samples: int
    in_limits: timedelta | None
    length: timedelta


def process_summary(
    values: Sequence[ProcessValue], start: datetime, end: datetime, limits: Mapping[str, ProcessLimit]
) -> tuple[ProcessSummary, ...]:
    """One station's process values in `[start, end)`, by name: of every name in `values` and in `limits`.

    A value holds until the next of its name, and so the last one before `start` counts; the mean is weighted by time.
    Raises ValueError if `end` is before `start`.
    """
    window = Interval(start, end)
    by_name: dict[str, list[ProcessValue]] = {name: [] for name in limits}
    for value in sorted(values, key=lambda known: known.time):
        by_name.setdefault(value.name, []).append(value)
    return tuple(_summary(name, held, window, limits.get(name)) for name, held in sorted(by_name.items()))


def _summary(name: str, held: Sequence[ProcessValue], window: Interval, limit: ProcessLimit | None) -> ProcessSummary:
    ends = [value.time for value in held[1:]] + [max(window.end, value.time) for value in held[-1:]]
    parts = [
        (value.value, part.length)
        for value, until in zip(held, ends, strict=True)
        if (part := Interval(value.time, until).clip(window)) is not None
    ]
    length = sum((duration for _, duration in parts), timedelta())
    within = sum((duration for value, duration in parts if limit is not None and value in limit), timedelta())
    weighted = fsum(value * duration.total_seconds() for value, duration in parts)
    return ProcessSummary(
        name=name,
        minimum=min((value for value, _ in parts), default=None),
        mean=weighted / length.total_seconds() if parts else None,
        maximum=max((value for value, _ in parts), default=None),
        samples=sum(value.time in window for value in held),
        in_limits=within if limit is not None and parts else None,
        length=length,
    )
