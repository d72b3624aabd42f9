"""What the plant really did: exact states, units and figures, to hold everything collected against."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from simulators import shift
from simulators.line import Result, SimState, StationSpec, UnitRecord
from simulators.shift import Span

_TICK = timedelta(microseconds=1)


class StateSpan(NamedTuple):
    """A station's state during `[start, end)`, aware UTC."""

    start: datetime
    end: datetime
    state: SimState


@dataclass(slots=True)
class _Book:
    """One station's ledger: state i holds from starts[i] to starts[i + 1]; units in order of time."""

    spec: StationSpec
    starts: list[datetime]
    states: list[SimState]
    units: list[UnitRecord] = field(default_factory=list)

    def enter(self, time: datetime, state: SimState) -> None:
        # A state that lasted no time at all never was.
        if self.starts[-1] == time:
            self.starts.pop()
            self.states.pop()
        if not self.states or self.states[-1] is not state:
            self.starts.append(time)
            self.states.append(state)


class Truth:
    """The ledger of all stations from the plant's start to its present; stations are named by their paths.

    Raises KeyError for a path that the plant has not.
    """

    def __init__(self, stations: Iterable[tuple[StationSpec, SimState]], start: datetime) -> None:
        """Each station with its state at `start` (aware UTC)."""
        self._now = start
        self._books = {spec.path: _Book(spec, [start], [state]) for spec, state in stations}

    def enter(self, path: str, time: datetime, state: SimState) -> None:
        """The station is in `state` from `time` on; the plant calls this in order of time."""
        self._books[path].enter(time, state)

    def complete(self, path: str, unit: UnitRecord) -> None:
        """The station has counted a unit; the plant calls this in order of time."""
        self._books[path].units.append(unit)

    def reach(self, now: datetime) -> None:
        """The open states last at least until `now`."""
        self._now = now

    def states(self, path: str) -> list[StateSpan]:
        """Contiguous from the plant's start to its present, no two neighbours alike, none empty."""
        book = self._books[path]
        spans = zip(book.starts, [*book.starts[1:], self._now], book.states, strict=True)
        return [StateSpan(start, end, state) for start, end, state in spans if start < end]

    def seconds(self, path: str, intervals: Iterable[tuple[datetime, datetime]]) -> dict[SimState, timedelta]:
        """How long each state lasted within the intervals (disjoint); all states are there."""
        book = self._books[path]
        lengths = dict.fromkeys(SimState, timedelta())
        for start, end in intervals:
            first = max(bisect_right(book.starts, start) - 1, 0)
            last = bisect_left(book.starts, end)
            for index in range(first, last):
                until = book.starts[index + 1] if index + 1 < len(book.starts) else self._now
                part = min(until, end) - max(book.starts[index], start)
                lengths[book.states[index]] += max(part, timedelta())
        return lengths

    def units(self, path: str) -> list[UnitRecord]:
        """Every result in the order of counting; a reworked unit has several."""
        return list(self._books[path].units)

    def counts(self, path: str, start: datetime, end: datetime) -> dict[Result, int]:
        """Results counted in `[start, end)`."""
        found: dict[Result, int] = {"good": 0, "rework": 0, "scrap": 0}
        for unit in self._between(path, start, end):
            found[unit.result] += 1
        return found

    def planned(self, start: datetime, end: datetime) -> list[Span]:
        """The planned work within `[start, end)`: the shift without its breaks."""
        return shift.planned(start, end)

    def oee(self, path: str, start: datetime, end: datetime) -> float | None:
        """Ideal cycle times of the good units over planned time, in `[start, end)`; None without planned time.

        Availability x performance x quality of ISO 22400-2 multiply out to this.
        """
        spec = self._books[path].spec
        planned = sum((span.end - span.start for span in self.planned(start, end)), timedelta())
        if not planned:
            return None
        good = (spec.ideal[unit.product] for unit in self._between(path, start, end) if unit.result == "good")
        return float(Fraction(sum(good, timedelta()) // _TICK, planned // _TICK))

    def _between(self, path: str, start: datetime, end: datetime) -> Sequence[UnitRecord]:
        units = self._books[path].units
        first = bisect_left(units, start, key=lambda unit: unit.time)
        return units[first : bisect_left(units, end, key=lambda unit: unit.time)]
