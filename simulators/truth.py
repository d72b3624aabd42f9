"""What the plant really did: exact states, units and figures, to hold everything collected against."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from simulators.line import FAULTS, Result, SimState, StationSpec, UnitRecord
from simulators.shift import Span
from simulators.works import Hours

_TICK = timedelta(microseconds=1)
_STOPS = (SimState.DOWN, SimState.IDLE)


class StateSpan(NamedTuple):
    """A station's state during `[start, end)`, aware UTC."""

    start: datetime
    end: datetime
    state: SimState


@dataclass(slots=True)
class Visit:
    """One stay of a unit at a station, with all its results there; `passage` 1 is its first stay at that station.

    `entered`: when the station began to show the unit.
    """

    unit: str
    passage: int
    entered: datetime
    results: list[UnitRecord] = field(default_factory=list)


class Figures(NamedTuple):
    """Times and ratios of a station under one way of counting; ratios are exact, None where they are not defined.

    `run`: what performance is measured over. `setup`: set-up that is no loss. `made`, `good`: ideal cycle times of
    all results and of the good ones.
    """

    planned: timedelta
    run: timedelta
    setup: timedelta
    made: timedelta
    good: timedelta
    availability: Fraction | None
    performance: Fraction | None
    quality: Fraction | None
    oee: Fraction | None


@dataclass(slots=True)
class _StationTruth:
    """What happened at one station: state i holds from starts[i] to starts[i + 1]; units in order of time."""

    spec: StationSpec
    starts: list[datetime]
    states: list[SimState]
    units: list[UnitRecord] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    passages: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[tuple[datetime, int]]] = field(default_factory=lambda: {name: [] for name in FAULTS})

    def enter(self, time: datetime, state: SimState) -> None:
        # A state that lasted no time at all never was.
        if self.starts[-1] == time:
            self.starts.pop()
            self.states.pop()
        if not self.states or self.states[-1] is not state:
            self.starts.append(time)
            self.states.append(state)


class Truth:
    """What happened at all stations from the plant's start to its present; stations are named by their paths.

    Raises KeyError for a path that the plant has not.
    """

    def __init__(self, stations: Iterable[tuple[StationSpec, SimState]], start: datetime, hours: Hours) -> None:
        """Each station with its state at `start` (aware UTC)."""
        self._now = start
        self._hours = hours
        self._stations = {spec.path: _StationTruth(spec, [start], [state]) for spec, state in stations}

    def enter(self, path: str, time: datetime, state: SimState) -> None:
        """The station is in `state` from `time` on; the plant calls this in order of time."""
        self._stations[path].enter(time, state)

    def show(self, path: str, time: datetime, unit: str) -> None:
        """The station shows another unit from `time` on, or none (""); the plant calls this in order of time."""
        truth = self._stations[path]
        if unit:
            truth.passages[unit] += 1
            truth.visits.append(Visit(unit, truth.passages[unit], time))

    def fail(self, path: str, time: datetime, fault: int, which: str) -> None:
        """The station's fault `which` of FAULTS is another one from `time` on, or none (0); called in order of time."""
        self._stations[path].faults[which].append((time, fault))

    def complete(self, path: str, unit: UnitRecord) -> None:
        """The station has counted the unit that it shows; the plant calls this in order of time."""
        truth = self._stations[path]
        truth.units.append(unit)
        truth.visits[-1].results.append(unit)

    def reach(self, now: datetime) -> None:
        """The open states last at least until `now`."""
        self._now = now

    def states(self, path: str) -> list[StateSpan]:
        """Contiguous from the plant's start to its present, no two neighbours alike, none empty."""
        truth = self._stations[path]
        spans = zip(truth.starts, [*truth.starts[1:], self._now], truth.states, strict=True)
        return [StateSpan(start, end, state) for start, end, state in spans if start < end]

    def seconds(self, path: str, intervals: Iterable[tuple[datetime, datetime]]) -> dict[SimState, timedelta]:
        """How long each state lasted within the intervals (disjoint); all states are there."""
        truth = self._stations[path]
        lengths = dict.fromkeys(SimState, timedelta())
        for start, end in intervals:
            first = max(bisect_right(truth.starts, start) - 1, 0)
            last = bisect_left(truth.starts, end)
            for index in range(first, last):
                until = truth.starts[index + 1] if index + 1 < len(truth.starts) else self._now
                part = min(until, end) - max(truth.starts[index], start)
                lengths[truth.states[index]] += max(part, timedelta())
        return lengths

    def units(self, path: str) -> list[UnitRecord]:
        """Every result in the order of counting; a reworked unit has several."""
        return list(self._stations[path].units)

    def visits(self, path: str) -> list[Visit]:
        """The stays of all units in the order of their coming; the last may have no result yet."""
        return list(self._stations[path].visits)

    def faults(self, path: str, which: str) -> list[tuple[datetime, datetime, int]]:
        """Start, end and number of each fault in order of time; one that is still there ends at the present."""
        changes = [*self._stations[path].faults[which], (self._now, 0)]
        return [(start, end, fault) for (start, fault), (end, _) in pairwise(changes) if fault and start < end]

    def counts(self, path: str, start: datetime, end: datetime) -> dict[Result, int]:
        """Results counted in `[start, end)`."""
        found: dict[Result, int] = {"good": 0, "rework": 0, "scrap": 0}
        for unit in self._between(path, start, end):
            found[unit.result] += 1
        return found

    def planned(self, start: datetime, end: datetime) -> list[Span]:
        """The planned work within `[start, end)`: the shift without its breaks."""
        return self._hours.planned(start, end)

    def oee(self, path: str, start: datetime, end: datetime) -> float | None:
        """Ideal cycle times of the good units over planned time, in `[start, end)`; None without planned time.

        Availability x performance x quality of ISO 22400-2 multiply out to this.
        """
        spec = self._stations[path].spec
        planned = sum((span.end - span.start for span in self.planned(start, end)), timedelta())
        if not planned:
            return None
        good = (spec.ideal[unit.product] for unit in self._between(path, start, end) if unit.result == "good")
        return float(Fraction(sum(good, timedelta()) // _TICK, planned // _TICK))

    def figures(
        self,
        path: str,
        start: datetime,
        end: datetime,
        *,
        minor_stop: timedelta,
        setup_is_lost: bool = True,
        waits_are_planned: bool = True,
    ) -> Figures:
        """The station's figures in `[start, end)`, which must not reach beyond the present.

        Stops shorter than `minor_stop` count as run time, each as long as it lasted without a break of the shift.
        Set-up that is not lost adds to availability and not to run time; starved and blocked time that is not planned
        is taken out of planned time.
        """
        spec = self._stations[path].spec
        times = dict.fromkeys(SimState, timedelta())
        minor = timedelta()
        spans = self.states(path)
        for work in self.planned(start, end):
            for span in spans:
                part = max(min(span.end, work.end) - max(span.start, work.start), timedelta())
                times[span.state] += part
                if span.state in _STOPS and span.end - span.start < minor_stop:
                    minor += part
        waits = timedelta() if waits_are_planned else times[SimState.STARVED] + times[SimState.BLOCKED]
        units = self._between(path, start, end)
        return _figures(
            planned=sum(times.values(), timedelta()) - waits,
            run=times[SimState.PRODUCING] + minor,
            setup=timedelta() if setup_is_lost else times[SimState.SETUP],
            made=sum((spec.ideal[unit.product] for unit in units), timedelta()),
            good=sum((spec.ideal[unit.product] for unit in units if unit.result == "good"), timedelta()),
        )

    def with_states(self, turns: Mapping[str, Iterable[tuple[datetime, SimState]]]) -> "Truth":
        """The same units with other states: of the stations in `turns`, each with its changes in order of time."""
        other = Truth((), self._now, self._hours)
        for path, truth in self._stations.items():
            if path in turns:
                truth = replace(truth, starts=[truth.starts[0]], states=[truth.states[0]])
                for time, state in turns[path]:
                    truth.enter(time, state)
            other._stations[path] = truth  # of the same class
        return other

    def _between(self, path: str, start: datetime, end: datetime) -> Sequence[UnitRecord]:
        units = self._stations[path].units
        first = bisect_left(units, start, key=lambda unit: unit.time)
        return units[first : bisect_left(units, end, key=lambda unit: unit.time)]


def _figures(*, planned: timedelta, run: timedelta, setup: timedelta, made: timedelta, good: timedelta) -> Figures:
    availability, performance, quality = _ratio(run + setup, planned), _ratio(made, run), _ratio(good, made)
    oee: Fraction | None = None
    if availability is not None and performance is not None and quality is not None:
        oee = availability * performance * quality
    elif availability is not None and not good:
        oee = Fraction(0)  # nothing good came of the planned time, whatever cannot be told
    return Figures(planned, run, setup, made, good, availability, performance, quality, oee)


def _ratio(part: timedelta, whole: timedelta) -> Fraction | None:
    return Fraction(part // _TICK, whole // _TICK) if whole else None
