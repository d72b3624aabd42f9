"""The physics of a line: stations that work, fail, wait and block, and the finite buffers between them.

SimPy's time is whole milliseconds of WORKING time. At breaks and off shift it does not pass: every cycle, repair and
set-up freezes there and goes on afterwards. `plant.py` lays working time on the calendar.
"""

import math
import random
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, Protocol

import simpy

Result = Literal["good", "rework", "scrap"]
Emit = Callable[[str, str, object], None]
Steps = Generator[simpy.Event, object, None]

_MS = timedelta(milliseconds=1)
_CYCLE_LOW, _CYCLE_HIGH, _CYCLE_MODE = 0.96, 1.14, 1.02
_REPAIR_SIGMA = 0.6
_REPAIR_MIN_MS, _REPAIR_MAX_MS = 150_000, 3_600_000
_MINOR_MIN_MS, _MINOR_MAX_MS = 10_000, 90_000
BREAKDOWN_FAULTS = (101, 104, 112, 120, 131, 207)
MINOR_FAULTS = (901, 902, 905)
FAULTS = ("fault", "second_fault")  # the second one is shown by alarm words alone
FORCED_FAULT = 150  # a code that the plant's file does not explain, so that a person has to


class SimState(StrEnum):
    """What a station does; exactly one at a time."""

    PRODUCING = "producing"
    STARVED = "starved"
    BLOCKED = "blocked"
    DOWN = "down"
    SETUP = "setup"
    IDLE = "idle"


class Rework(StrEnum):
    """Where a unit goes that must be worked again."""

    IN_PLACE = "in place"
    """It stays, counts as rework once, is worked again and then counts as good or scrap."""
    UPSTREAM = "upstream"
    """It counts as rework and goes back to an earlier buffer."""


class Trigger(StrEnum):
    """What makes a station set up before the next unit."""

    NONE = "none"
    PRODUCT = "product"
    COLOUR = "colour"


@dataclass(frozen=True, slots=True)
class Process:
    """A value measured at each cycle, normally distributed; `name` ends the field `process.<name>`."""

    name: str
    mean: float
    spread: float


@dataclass(frozen=True, slots=True)
class StationSpec:
    """A station as built. Rates are probabilities per cycle; MTBF counts producing time only.

    `parts`: so many units are counted at the end of each cycle (a press with two parts a stroke). `faults` and
    `minor_faults`: the codes that its breakdowns and its minor stops have.
    """

    path: str
    code: str
    controller: str
    ideal: Mapping[str, timedelta]
    mtbf: timedelta
    mttr: timedelta
    minor_every: timedelta
    scrap: float = 0.002
    rework: float = 0.0
    rework_way: Rework = Rework.IN_PLACE
    setup_at: Trigger = Trigger.NONE
    setup: timedelta = timedelta(minutes=3)
    process: Process | None = None
    climate: tuple[Process, ...] = ()
    parts: int = 1
    faults: tuple[int, ...] = BREAKDOWN_FAULTS
    minor_faults: tuple[int, ...] = MINOR_FAULTS


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A breakdown on purpose: from `at` (aware), or as soon as the station works then, for so much working time."""

    code: str
    at: datetime
    lasts: timedelta


@dataclass(frozen=True, slots=True)
class UnitRecord:
    """One result of one unit at one station; a reworked unit has several. `sequence` counts from 1 per station."""

    sequence: int
    unit: str
    product: str
    result: Result
    time: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one station (its code) took a new value.

    Fields: state (SimState); minor (bool, told before the `down` that it describes); good, rework, scrap (int, totals
    since the start); unit and product (str, "" = none); fault and second_fault (int, 0 = none), which may be there
    together; completed (UnitRecord) and process.<name> (float).
    """

    time: datetime
    station: str
    field: str
    value: object


@dataclass(slots=True)
class Body:
    """A car in the making."""

    unit: str
    product: str
    colour: str
    repaint: bool = False


class Source(Protocol):
    """Where a station takes its next unit from."""

    def take(self) -> Body | None:
        """The next unit, None if there is none at the moment."""
        ...

    def changed(self) -> simpy.Event:
        """Comes when it is worth asking again."""
        ...


class Sink(Protocol):
    """Where a station's finished units go."""

    def offer(self, body: Body) -> bool:
        """Takes the unit if there is room and says whether it did."""
        ...

    def changed(self) -> simpy.Event:
        """Comes when it is worth asking again."""
        ...


class Buffer:
    """Finite places between two stations; repaints have places of their own and leave first.

    Repaints cannot jam the paint loop if `repaint_capacity` is at least the number of places in the loop behind this
    buffer. A normal unit leaves only when no repaint waits, so never more units than that are in the loop.
    """

    def __init__(self, env: simpy.Environment, *, capacity: int, repaint_capacity: int = 0) -> None:
        self._env = env
        self._event: simpy.Event | None = None
        self.capacity = capacity
        self.repaint_capacity = repaint_capacity
        self.units: deque[Body] = deque()
        self.repaints: deque[Body] = deque()

    def fits(self, *, repaint: bool) -> bool:
        """Whether one more unit of this kind finds a place."""
        return len(self.repaints) < self.repaint_capacity if repaint else len(self.units) < self.capacity

    def take(self) -> Body | None:
        """The unit that waits longest, repaints before others."""
        queue = self.repaints or self.units
        if not queue:
            return None
        body = queue.popleft()
        self._tell()
        return body

    def offer(self, body: Body) -> bool:
        """Takes the unit if its kind has a free place."""
        if not self.fits(repaint=body.repaint):
            return False
        (self.repaints if body.repaint else self.units).append(body)
        self._tell()
        return True

    def changed(self) -> simpy.Event:
        """Comes at the next unit that enters or leaves."""
        if self._event is None:
            self._event = self._env.event()
        return self._event

    def _tell(self) -> None:
        if self._event is not None:
            self._event.succeed()
            self._event = None


@dataclass(slots=True)
class Station:
    """One station at work: takes a unit, sets up, works, fails, counts, hands on.

    Rules: breakdowns and minor stops strike while producing only; a breakdown's repair is lognormal around `mttr`;
    cycle times spread triangularly from 0.96 to 1.14 of the ideal; the unit's id and product are shown from the start
    of its cycle until it leaves; a scrapped unit leaves the line. In the middle of some stops another fault takes the
    place of the first one, or comes beside it; `troubles` decides that, so that it changes nothing else.
    """

    env: simpy.Environment
    spec: StationSpec
    rng: random.Random
    troubles: random.Random
    source: Source
    sink: Sink
    back: Sink | None
    emit: Emit
    record: Callable[[UnitRecord], None]
    now: Callable[[], datetime]
    forced: deque[tuple[int, int]] = field(default_factory=deque)
    state: SimState = SimState.STARVED
    body: Body | None = None
    counts: dict[Result, int] = field(default_factory=lambda: {"good": 0, "rework": 0, "scrap": 0})
    _until_breakdown_ms: int = 0
    _until_minor_ms: int = 0
    _last: Body | None = None
    _shown: Body | None = None
    _minor: bool = False
    _has_second: bool = False

    def run(self) -> Steps:
        """The station's life, a SimPy process."""
        self._until_breakdown_ms = self._exponential_ms(self.spec.mtbf)
        self._until_minor_ms = self._exponential_ms(self.spec.minor_every)
        while True:
            self.body = self.source.take()
            while self.body is None:
                self._show(None)
                self._enter(SimState.STARVED)
                yield self.source.changed()
                self.body = self.source.take()
            yield from self._set_up(self.body)
            self._show(self.body)
            result = yield from self._work(self.body)
            yield from self._hand_on(self.body, result)

    def _set_up(self, body: Body) -> Steps:
        last, self._last = self._last, body
        if last is None or self._kind(last) == self._kind(body):
            return
        self._show(None)
        self._enter(SimState.SETUP)
        yield self.env.timeout(round(self.spec.setup / _MS * self.rng.uniform(0.8, 1.3)))

    def _kind(self, body: Body) -> str:
        return {Trigger.NONE: "", Trigger.PRODUCT: body.product, Trigger.COLOUR: body.colour}[self.spec.setup_at]

    def _work(self, body: Body) -> Generator[simpy.Event, object, Result]:
        result: Result = "good"
        again = False
        while True:
            yield from self._cycle(body)
            drawn = self.rng.random()
            if drawn < self.spec.scrap:
                result = "scrap"
            elif not again and drawn < self.spec.scrap + self.spec.rework:
                result = "rework"
            else:
                result = "good"
            self._count(body, result)
            if result != "rework" or self.spec.rework_way is Rework.UPSTREAM:
                return result
            again = True

    def _cycle(self, body: Body) -> Steps:
        ideal_ms = self.spec.ideal[body.product] * self.spec.parts // _MS
        remaining_ms = round(ideal_ms * self.rng.triangular(_CYCLE_LOW, _CYCLE_HIGH, _CYCLE_MODE))
        self._enter(SimState.PRODUCING)
        while remaining_ms > 0:
            if self.forced and self.forced[0][0] <= self.env.now:
                yield from self._stop(self.forced.popleft()[1], FORCED_FAULT)
            step_ms = min(remaining_ms, self._until_breakdown_ms, self._until_minor_ms)
            if self.forced:
                step_ms = min(step_ms, max(self.forced[0][0] - round(self.env.now), 1))
            yield self.env.timeout(step_ms)
            remaining_ms -= step_ms
            self._until_breakdown_ms -= step_ms
            self._until_minor_ms -= step_ms
            if self._until_breakdown_ms == 0:
                yield from self._stop(self._repair_ms(), self.rng.choice(self.spec.faults), self.spec.faults)
                self._until_breakdown_ms = self._exponential_ms(self.spec.mtbf)
            if self._until_minor_ms == 0:
                lasts_ms = self.rng.randint(_MINOR_MIN_MS, _MINOR_MAX_MS)
                fault = self.rng.choice(self.spec.minor_faults)
                yield from self._stop(lasts_ms, fault, self.spec.minor_faults, minor=True)
                self._until_minor_ms = self._exponential_ms(self.spec.minor_every)
        if self.spec.process:
            value = self.rng.gauss(self.spec.process.mean, self.spec.process.spread)
            self.emit(self.spec.code, f"process.{self.spec.process.name}", round(value, 3))

    def _stop(self, lasts_ms: int, fault: int, codes: Sequence[int] = (), *, minor: bool = False) -> Steps:
        """A stop with a fault, which may be followed by another one of `codes`."""
        if minor is not self._minor:
            self._minor = minor
            self.emit(self.spec.code, "minor", minor)
        self.emit(self.spec.code, "fault", fault)
        self._enter(SimState.DOWN)
        self.env.process(self._another_fault(lasts_ms // 2, [code for code in codes if code != fault]))
        yield self.env.timeout(lasts_ms)
        self.emit(self.spec.code, "fault", 0)
        if self._has_second:
            self._has_second = False
            self.emit(self.spec.code, "second_fault", 0)
        self._enter(SimState.PRODUCING)

    def _another_fault(self, after_ms: int, codes: Sequence[int]) -> Steps:
        field = self.troubles.choice(("fault", "second_fault", ""))
        if codes and field:
            yield self.env.timeout(after_ms)
            self._has_second = field == "second_fault"
            self.emit(self.spec.code, field, self.troubles.choice(codes))

    def _count(self, body: Body, result: Result) -> None:
        before = sum(self.counts.values())
        self.counts[result] += self.spec.parts
        self.emit(self.spec.code, result, self.counts[result])
        for part in range(self.spec.parts):
            unit = UnitRecord(before + part + 1, body.unit, body.product, result, self.now())
            self.emit(self.spec.code, "completed", unit)
            self.record(unit)

    def _hand_on(self, body: Body, result: Result) -> Steps:
        if result != "scrap":
            body.repaint = result == "rework"
            sink = self.back if body.repaint and self.back is not None else self.sink
            while not sink.offer(body):
                self._enter(SimState.BLOCKED)
                yield sink.changed()
        self.body = None

    def _enter(self, state: SimState) -> None:
        if state is not self.state:
            self.state = state
            self.emit(self.spec.code, "state", state)

    def _show(self, body: Body | None) -> None:
        shown, self._shown = self._shown, body
        if (body and body.unit) != (shown and shown.unit):
            self.emit(self.spec.code, "unit", body.unit if body else "")
        if (body and body.product) != (shown and shown.product):
            self.emit(self.spec.code, "product", body.product if body else "")

    def _exponential_ms(self, mean: timedelta) -> int:
        return max(1, round(self.rng.expovariate(1.0) * (mean / _MS)))

    def _repair_ms(self) -> int:
        drawn = self.rng.lognormvariate(math.log(self.spec.mttr / _MS) - _REPAIR_SIGMA**2 / 2, _REPAIR_SIGMA)
        return min(max(round(drawn), _REPAIR_MIN_MS), _REPAIR_MAX_MS)
