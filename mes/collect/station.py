"""The heart of collecting: one station's readings and gaps in, its events and its new state out; pure."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, assert_never

import msgspec

from adapters.reading import Gap, Quality, Reading, Value
from mes.collect.counters import Counted, CounterSetup, Unchanged, Unreconciled, count
from mes.collect.signals import (
    Blind,
    Closed,
    CounterSignal,
    FaultSignal,
    Observation,
    ProcessSignal,
    ProductSignal,
    SignalSetup,
    StateSignal,
    StationSetup,
    StationState,
    UnitLogSignal,
    UnitSignal,
)
from mes.collect.units import UnitRecord, parse, read_log, take, waiting_units
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountFlag,
    CountKind,
    CountUnreconciled,
    FaultCleared,
    FaultRaised,
    ProcessValue,
    ProductChanged,
    ProductId,
    QualityChanged,
    State,
    StateChanged,
    StationEvent,
    TimeSource,
    UnitCompleted,
    UnitId,
    UnitResult,
    UnitsCounted,
    UnitsUnidentified,
)

__all__ = [
    "Observation",
    "StationSetup",
    "StationState",
    "Step",
    "decode_state",
    "encode_state",
    "initial_state",
    "step",
]

RESULT_OF = {CountKind.GOOD: UnitResult.GOOD, CountKind.REWORK: UnitResult.REWORK, CountKind.SCRAP: UnitResult.SCRAP}
# The record of units first, since it says what the counts were; then counts, while product and unit are still those
# of the unit that was counted; then what has changed since.
ORDER: tuple[type[Any], ...] = (
    *(UnitLogSignal, CounterSignal, StateSignal, ProductSignal, UnitSignal, FaultSignal, ProcessSignal),
)


@dataclass(frozen=True, slots=True)
class Step:
    """What one step leads to."""

    state: StationState
    events: tuple[StationEvent, ...] = ()
    telemetry: tuple[ProcessValue, ...] = ()


def initial_state() -> StationState:
    """A station of which nothing was ever seen."""
    return StationState()


def encode_state(state: StationState) -> bytes:
    """JSON, for the journal."""
    return msgspec.json.encode(state)


def decode_state(body: bytes) -> StationState:
    """Back from JSON; unknown fields are ignored, missing ones take their defaults."""
    return msgspec.json.decode(body, type=StationState)


def step(setup: StationSetup, state: StationState, seen: Observation | Gap) -> Step:
    """One observation or gap. A gap with an end is stepped right before the baseline that follows it."""
    match seen:
        case Gap(until=None):
            return _lost(setup, state, seen)
        case Gap():
            return _restored(setup, state, seen)
        case Observation():
            work = _Work(setup, state, seen)
            for reading in sorted(seen.readings, key=lambda each: ORDER.index(type(setup.signals[each.tag]))):
                work.take(reading)
            return Step(work.state, tuple(work.events), tuple(work.telemetry))
        case _:
            assert_never(seen)


def _lost(setup: StationSetup, state: StationState, gap: Gap) -> Step:
    if state.blind is not None:
        return Step(state)
    event = ConnectionLost(
        station=setup.station,
        time=gap.since,
        received_time=gap.since,
        time_source=TimeSource.EDGE,
        cause=gap.cause,
        detail=gap.detail,
    )
    return Step(replace(state, blind=Blind(gap.since, gap.cause)), (event,))


def _restored(setup: StationSetup, state: StationState, gap: Gap) -> Step:
    if state.blind is None or gap.until is None:
        return Step(state)
    event = ConnectionRestored(
        station=setup.station,
        time=gap.until,
        received_time=gap.until,
        time_source=TimeSource.EDGE,
        since=state.blind.since,
        cause=state.blind.cause,
    )
    # a totaliser that was not read since an earlier gap has been unseen since then
    since = state.closed.since if state.closed is not None else state.blind.since
    closed = Closed(since, gap.until, frozenset(state.counters))
    return Step(replace(state, blind=None, state=None, closed=closed), (event,))


@dataclass(slots=True)
class _Work:
    """One observation being taken in; `state` moves on with every reading."""

    setup: StationSetup
    state: StationState
    seen: Observation
    events: list[StationEvent] = field(default_factory=list)
    telemetry: list[ProcessValue] = field(default_factory=list)

    def take(self, reading: Reading) -> None:
        signal = self.setup.signals[reading.tag]
        if not isinstance(signal, UnitLogSignal):
            self._quality(signal, reading)
        match signal:
            case StateSignal():
                self._state(signal, reading)
            case CounterSignal():
                self._counter(signal.setup, reading)
            case UnitLogSignal():
                self._log(signal, reading)
            case UnitSignal():
                self._unit(reading)
            case ProductSignal():
                self._product(reading)
            case FaultSignal():
                self._fault(signal, reading)
            case ProcessSignal():
                self._process(signal, reading)
            case _:
                assert_never(signal)

    def emit(self, event: Callable[..., StationEvent], when: tuple[datetime, TimeSource], /, **fields: Any) -> None:
        """Adds an event; the fields are those of its class."""
        time, source = when
        self.events.append(
            event(
                station=self.setup.station,
                time=time,
                received_time=self.seen.received_time,
                time_source=source,
                **fields,
            )
        )

    def when(self, reading: Reading) -> tuple[datetime, TimeSource]:
        """The controller's time where it is sane, else ours; a baseline happened when we saw it."""
        source = reading.source_time
        if self.seen.baseline or source is None or not self._sane(source):
            return reading.received_time, TimeSource.EDGE
        return source, TimeSource.CONTROLLER

    def _sane(self, source: datetime) -> bool:
        return abs(source - self.seen.received_time) <= self.setup.max_source_offset

    def _quality(self, signal: SignalSetup, reading: Reading, *, malformed: bool = False) -> None:
        """One event for each change; good is what is not remembered."""
        quality = Quality.BAD if malformed else reading.quality
        if self.state.qualities.get(signal.name, Quality.GOOD) is quality:
            return
        self.emit(QualityChanged, self.when(reading), signal=signal.name, quality=quality)
        others = {name: each for name, each in self.state.qualities.items() if name != signal.name}
        self.state = replace(
            self.state, qualities=others if quality is Quality.GOOD else {**others, signal.name: quality}
        )

    def _state(self, signal: StateSignal, reading: Reading) -> None:
        if reading.value is None:
            state, raw = State.NO_DATA, "bad quality"
        else:
            state, raw = signal.map.state(reading.value), str(reading.value)
        known = self.state
        if reading.overflow and known.state is not None and known.state_time is not None:
            # the controller dropped changes: what it did since the last one we have is not known
            before = (known.state_time, TimeSource.EDGE)
            self.emit(StateChanged, before, state=State.NO_DATA, raw="overflow")
        elif (state, raw) == (known.state, known.raw_state):
            return
        time, source = self.when(reading)
        if known.state_time is not None and time < known.state_time:
            # a time stamp from before the last change cannot be this change's
            time, source = max(self.seen.received_time, known.state_time), TimeSource.EDGE
        self.emit(StateChanged, (time, source), state=state, raw=raw)
        self.state = replace(self.state, state=state, raw_state=raw, state_time=time)

    def _counter(self, setup: CounterSetup, reading: Reading) -> None:
        raw = _whole(reading.value)
        if raw is None or reading.quality is not Quality.GOOD:
            return
        closed = self.state.closed
        in_gap = closed is not None and setup.kind in closed.unread
        time, source = self.when(reading)
        if closed is not None and in_gap:
            time, source = closed.until, TimeSource.EDGE
        span = closed.until - closed.since if closed is not None and in_gap else None
        counter, outcome = count(
            setup, self.state.counters.get(setup.kind), raw, time, gap=span, recorded=self._recorded(setup.kind)
        )
        if closed is not None and in_gap:
            left = closed.unread - {setup.kind}
            self.state = replace(self.state, closed=replace(closed, unread=left) if left else None)
        self.state = replace(self.state, counters={**self.state.counters, setup.kind: counter})
        since = closed.since if closed is not None and in_gap else None
        match outcome:
            case Unchanged():
                return
            case Unreconciled():
                self.emit(
                    CountUnreconciled,
                    (time, source),
                    kind=setup.kind,
                    raw=raw,
                    previous_raw=outcome.previous_raw,
                    explanation=outcome.explanation,
                )
            case Counted():
                self._booked(setup, outcome, raw, (time, source), since)
            case _:
                assert_never(outcome)

    def _recorded(self, kind: CountKind) -> int | None:
        """Units of this kind that the controller recorded and no count has claimed; None where it does not say."""
        if self.state.log is None or kind not in RESULT_OF or "unit_log" in self.state.qualities:
            return None
        return waiting_units(self.state.log, RESULT_OF[kind])

    def _booked(
        self,
        setup: CounterSetup,
        counted: Counted,
        raw: int,
        when: tuple[datetime, TimeSource],
        since: datetime | None,
    ) -> None:
        """One event for each run of units of one product; their raw values follow each other."""
        products = self._products(setup.kind, counted.delta)
        runs = _runs(products) or [(self.state.product, 0)]
        at = counted.previous_raw
        for index, (product, units) in enumerate(runs):
            last = index == len(runs) - 1
            reached = raw if last or at is None else (at + units) % setup.modulus
            self.emit(
                UnitsCounted,
                when,
                kind=setup.kind,
                delta=units,
                raw=reached,
                previous_raw=at,
                product=product,
                flag=counted.flag,
                since=since,
            )
            at = reached
        if counted.delta == 1 and counted.flag is not CountFlag.CATCH_UP and not self.setup.has_unit_log:
            self._completed_by_count(setup.kind, when)

    def _products(self, kind: CountKind, units: int) -> list[ProductId | None]:
        """The product of each counted unit: as recorded, else the one that is in the station."""
        recorded: list[str] = []
        if self.state.log is not None and kind in RESULT_OF:
            log, recorded = take(self.state.log, RESULT_OF[kind], units)
            self.state = replace(self.state, log=log)
        named = [self.setup.products.get(each, self.state.product) for each in recorded]
        return [*named, *([self.state.product] * (units - len(named)))]

    def _completed_by_count(self, kind: CountKind, when: tuple[datetime, TimeSource]) -> None:
        """Without a record of units, the one that is in the station when a count moves is the one that was counted."""
        if not self.state.unit or kind not in RESULT_OF:
            return
        since = self.state.unit_since
        self.emit(
            UnitCompleted,
            when,
            unit=UnitId(self.state.unit),
            product=self.state.product,
            result=RESULT_OF[kind],
            cycle_time=when[0] - since if since is not None and since <= when[0] else None,
        )

    def _log(self, signal: UnitLogSignal, reading: Reading) -> None:
        records, malformed = parse(reading.value if isinstance(reading.value, tuple) else ())
        self._quality(signal, reading, malformed=malformed > 0)
        if not isinstance(reading.value, tuple):
            return
        log, news = read_log(self.state.log, records, signal.modulus)
        self.state = replace(self.state, log=log)
        if news.missing:
            self.emit(UnitsUnidentified, self.when(reading), missing=news.missing, first_sequence=news.first_missing)
        for record in news.records:
            self._completed(record, reading)

    def _completed(self, record: UnitRecord, reading: Reading) -> None:
        time, source = record.time, TimeSource.CONTROLLER
        closed = self.state.closed
        in_gap = closed is not None and closed.since - self.setup.max_source_offset <= time <= closed.until
        if not in_gap and not self._sane(time):
            time, source = reading.received_time, TimeSource.EDGE
        since = self.state.unit_since if record.unit == self.state.unit else None
        self.emit(
            UnitCompleted,
            (time, source),
            unit=UnitId(record.unit),
            product=self.setup.products.get(record.product),
            result=record.result,
            cycle_time=time - since if since is not None and since <= time else None,
            sequence=record.sequence,
        )

    def _unit(self, reading: Reading) -> None:
        if reading.value is None or str(reading.value) == self.state.unit:
            return
        # at a baseline the unit was there before we looked, nobody knows since when
        since = None if self.seen.baseline else self.when(reading)[0]
        self.state = replace(self.state, unit=str(reading.value), unit_since=since)

    def _product(self, reading: Reading) -> None:
        """An empty station keeps the product of the unit that left: the next count may still be of that one."""
        product = self.setup.products.get(_code(reading.value)) if reading.value is not None else None
        if product is None or product == self.state.product:
            return
        self.emit(ProductChanged, self.when(reading), product=product)
        self.state = replace(self.state, product=product)

    def _fault(self, signal: FaultSignal, reading: Reading) -> None:
        if reading.value is None:
            return
        code = _code(reading.value)
        code = "" if code in signal.none else code
        if code == self.state.fault:
            return
        if self.state.fault:
            self.emit(FaultCleared, self.when(reading), code=self.state.fault)
        if code:
            self.emit(FaultRaised, self.when(reading), code=code)
        self.state = replace(self.state, fault=code)

    def _process(self, signal: ProcessSignal, reading: Reading) -> None:
        value = reading.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            return
        last = self.state.process.get(signal.name)
        if last is not None and (value == last or abs(value - last) < signal.deadband):
            return
        time, _ = self.when(reading)
        self.telemetry.append(ProcessValue(station=self.setup.station, name=signal.name, time=time, value=float(value)))
        self.state = replace(self.state, process={**self.state.process, signal.name: float(value)})


def _whole(value: Value | None) -> int | None:
    """A totaliser's value; a float that is a whole number is taken, anything else is not."""
    match value:
        case bool():
            return None
        case int():
            return value
        case float() if value.is_integer():
            return int(value)
        case _:
            return None


def _code(value: Value | None) -> str:
    """A code as text: 3, 3.0 and "3" are one code."""
    whole = _whole(value)
    return str(value) if whole is None else str(whole)


def _runs(products: list[ProductId | None]) -> list[tuple[ProductId | None, int]]:
    """Neighbours of one product together."""
    runs: list[tuple[ProductId | None, int]] = []
    for product in products:
        if runs and runs[-1][0] == product:
            runs[-1] = (product, runs[-1][1] + 1)
        else:
            runs.append((product, 1))
    return runs
