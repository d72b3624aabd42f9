"""The heart of collecting: one station's readings and gaps in, its events and its new state out; pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, assert_never

import msgspec

from adapters.reading import Gap, Quality, Reading
from mes.collect.counters import CounterState
from mes.collect.counting import flag_uncounted, flag_unrecorded, read_counter, read_unit_log, settle_counters
from mes.collect.observation import Work
from mes.collect.pulses import flag_missed_pulses, read_pulse
from mes.collect.signals import (
    Blind,
    Closed,
    CounterSignal,
    FaultSignal,
    Observation,
    ProcessSignal,
    ProductSignal,
    SignalSetup,
    StateInputSignal,
    StateSignal,
    StationSetup,
    StationState,
    UnitLogSignal,
    UnitPartSignal,
    UnitSignal,
    signal_of,
    single,
)
from mes.collect.state_from_counts import tell_by_counts
from mes.collect.states import UNKNOWN
from mes.collect.values import NO_PRODUCT, code, measured, part_of, text, truth, whole
from mes.intervals import MICROSECOND
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountKind,
    FaultCleared,
    FaultRaised,
    ProcessValue,
    ProductChanged,
    State,
    StateChanged,
    StationEvent,
    StationId,
    TimeSource,
    UnitEntered,
    UnitId,
    UnitLeft,
    UnitsCounted,
    totaliser_id,
    totaliser_of,
)

__all__ = [
    "Observation",
    "StationSetup",
    "StationState",
    "Step",
    "decode_state",
    "encode_state",
    "initial_state",
    "readable_state",
    "rebuilt",
    "step",
]

ONE_SCAN = timedelta(milliseconds=100)  # what changed by one cycle of a controller's program, or by two
# Within one scan the record of units first, since it says what the counts were; then counts, while product and unit are
# still those of the unit that was counted; then what has changed since.
ORDER: tuple[type[Any], ...] = (
    *(
        UnitLogSignal,
        CounterSignal,
        StateSignal,
        StateInputSignal,
        ProductSignal,
        UnitSignal,
        UnitPartSignal,
        FaultSignal,
        ProcessSignal,
    ),
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


def rebuilt(station: StationId, events: Iterable[StationEvent]) -> StationState:
    """What the last counts of a station say of its totalisers, for a journal whose station states were damaged."""
    counts = [event for event in events if isinstance(event, UnitsCounted) and event.station == station]
    # whether the totalisers could be read is not known: the first reading says it, whichever it is
    counters = {totaliser_of(count): CounterState(count.raw, count.time) for count in counts}
    totalisers = (*map(totaliser_id, CountKind), *counters)
    qualities = dict.fromkeys(map(signal_of, totalisers), Quality.UNCERTAIN)
    return StationState(counters=counters, qualities=qualities)


def encode_state(state: StationState) -> bytes:
    """JSON, for the journal."""
    return msgspec.json.encode(state)


def decode_state(body: bytes) -> StationState:
    """Back from JSON; unknown fields are ignored, missing ones take their defaults."""
    state = msgspec.json.decode(body, type=StationState)
    return replace(state, fault="", faults={FaultSignal().name: (state.fault,)}) if state.fault else state


def readable_state(body: object) -> StationState | None:
    """The state that a row of the journal holds; None where the row is damaged."""
    try:
        return decode_state(body) if isinstance(body, bytes) else None
    except (msgspec.DecodeError, ValueError):  # ValueError: no UTF-8, or a number without end
        return None


def step(setup: StationSetup, state: StationState, seen: Observation | Gap) -> Step:
    """One observation or gap. A gap with an end is stepped right before the baseline that follows it."""
    match seen:
        case Gap(until=None):
            return _lost(setup, state, seen)
        case Gap():
            return _restored(setup, state, seen)
        case Observation():
            work = Work(setup, state, seen)
            for scan in _scans(seen):
                for reading in sorted(scan, key=lambda reading: ORDER.index(type(setup.signals[reading.tag]))):
                    _take(work, reading)
                _told_by_rules(work, scan)
                _unit_of_parts(work, scan)
            flag_missed_pulses(work)
            settle_counters(work, state.held)
            flag_unrecorded(work)
            flag_uncounted(work)
            tell_by_counts(work)
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
    earlier = state.closed.unseen if state.closed is not None else {}
    unseen = {totaliser: earlier.get(totaliser, state.blind.since) for totaliser in state.counters}
    closed = Closed(state.blind.since, gap.until, unseen)
    return Step(replace(state, blind=None, state=None, inputs={}, part=None, closed=closed), (event,))


def _scans(seen: Observation) -> Iterator[list[Reading]]:
    """What a controller showed at one instant, for all the instants that came together.

    A baseline is one, and so is what comes without the controller's time, for that was polled in one cycle.
    """
    scan: list[Reading] = []
    for reading in seen.readings:
        if scan and not seen.baseline and not _same_scan(scan[0], reading):
            yield scan
            scan = []
        scan.append(reading)
    yield scan


def _same_scan(one: Reading, other: Reading) -> bool:
    if one.source_time is None or other.source_time is None:
        return True
    return abs(other.source_time - one.source_time) <= ONE_SCAN


def _take(work: Work, reading: Reading) -> None:
    signal = work.setup.signals[reading.tag]
    if not isinstance(signal, UnitLogSignal):
        if isinstance(reading.value, tuple):
            reading = replace(reading, value=single(signal, reading.value))
        work.judge(signal, reading, malformed=_unusable(signal, reading))
    match signal:
        case StateSignal():
            value = reading.value
            told = (State.NO_DATA, UNKNOWN) if value is None else (signal.map.state(value), text(value))
            _state(work, told, reading, dropped=reading.overflow)
        case StateInputSignal() | UnitPartSignal():
            assert not isinstance(reading.value, tuple)
            work.state = replace(work.state, inputs={**work.state.inputs, reading.tag: reading.value})
        case CounterSignal(pulse=True):
            read_pulse(work, signal, reading)
        case CounterSignal():
            read_counter(work, signal.setup, reading)
        case UnitLogSignal():
            read_unit_log(work, signal, reading)
        case UnitSignal():
            _unit(work, signal, reading)
        case ProductSignal():
            _product(work, signal, reading)
        case FaultSignal():
            _fault(work, signal, reading)
        case ProcessSignal():
            _process(work, signal, reading)
        case _:
            assert_never(signal)


def _told_by_rules(work: Work, scan: Sequence[Reading]) -> None:
    """The state by the values that several tags show after one scan; between two tags of one scan nothing happens."""
    rules = work.setup.state_rules
    told = [reading for reading in scan if isinstance(work.setup.signals[reading.tag], StateInputSignal)]
    if rules is not None and told:
        last = max(told, key=lambda reading: reading.source_time or reading.received_time)
        _state(work, rules.state(work.state.inputs), last, dropped=any(reading.overflow for reading in told))


def _state(work: Work, told: tuple[State, str], reading: Reading, *, dropped: bool) -> None:
    """A state and how it was told. `dropped`: the controller dropped values that it was told by."""
    state, raw = told
    known = work.state
    since = known.changes.get("state")
    if dropped and known.state is not None and since is not None:
        # the controller dropped changes: what it did since the last one we have is not known
        work.emit(StateChanged, (since, TimeSource.EDGE), state=State.NO_DATA, raw="overflow")
    elif (state, raw) == (known.state, known.raw_state):
        return
    work.emit(StateChanged, work.changed("state", reading), state=state, raw=raw)
    work.state = replace(work.state, state=state, raw_state=raw)


def _unit(work: Work, signal: UnitSignal, reading: Reading) -> None:
    if reading.value is not None:
        _unit_is(work, text(part_of(reading.value, signal.characters)), reading)


def _unit_of_parts(work: Work, scan: Sequence[Reading]) -> None:
    """The unit whose id several tags show after one scan; nothing is said while one of them has no value."""
    parts = {tag: signal for tag, signal in work.setup.signals.items() if isinstance(signal, UnitPartSignal)}
    shown = [reading for reading in scan if reading.tag in parts]
    values = [work.state.inputs.get(tag) for tag in parts]
    if shown and None not in values:
        joined = (
            text(part_of(value, signal.characters))
            for value, signal in zip(values, parts.values(), strict=True)
            if value is not None
        )
        _unit_is(work, "".join(joined), max(shown, key=lambda reading: reading.source_time or reading.received_time))


def _unit_is(work: Work, unit: str, reading: Reading) -> None:
    if unit == work.state.unit:
        return
    # at a baseline the unit was there before we looked, nobody knows since when
    baseline, when = work.seen.baseline, work.changed("unit_id", reading)
    if work.state.unit:
        work.emit(UnitLeft, when, unit=UnitId(work.state.unit), baseline=baseline)
    if unit:
        work.emit(UnitEntered, when, unit=UnitId(unit), product=work.state.product, baseline=baseline)
    since = None if baseline else when[0]
    work.state = replace(work.state, unit=unit, unit_since=since)


def _product(work: Work, signal: ProductSignal, reading: Reading) -> None:
    """An empty station keeps the product of the unit that left: the next count may still be of that one.

    A code that nobody explained is no product: nothing is counted for the one before it.
    """
    raw = None if reading.value is None else part_of(reading.value, signal.characters)
    if raw is None or code(raw) in NO_PRODUCT:
        return
    product = work.setup.product(raw)
    if product == work.state.product:
        return
    work.emit(ProductChanged, work.changed(signal.name, reading), product=product)
    work.state = replace(work.state, product=product)


def _fault(work: Work, signal: FaultSignal, reading: Reading) -> None:
    """All faults that a signal shows at once. One that another signal of the station shows as well is one fault.

    Faults that came in one scan are a microsecond apart, so that their order is the same for whoever sorts by time.
    """
    codes = None if reading.value is None else signal.codes(reading.value)
    if codes is None or codes == work.state.faults.get(signal.name, ()):
        return
    before = work.state.present_faults
    others = {name: shown for name, shown in work.state.faults.items() if name != signal.name}
    work.state = replace(work.state, faults={**others, signal.name: codes} if codes else others)
    after = work.state.present_faults
    cleared = [fault for fault in before if fault not in after]
    raised = [fault for fault in after if fault not in before]
    if not cleared and not raised:
        return
    time, source = work.changed(signal.name, reading)
    for fault in cleared:
        work.emit(FaultCleared, (time, source), code=fault)
    for place, fault in enumerate(raised):
        work.emit(FaultRaised, (time + place * MICROSECOND, source), code=fault)
    if len(raised) > 1:
        last = time + (len(raised) - 1) * MICROSECOND
        work.state = replace(work.state, changes={**work.state.changes, signal.name: last})


def _process(work: Work, signal: ProcessSignal, reading: Reading) -> None:
    value = measured(reading.value)
    if value is None:
        return
    last = work.state.process.get(signal.name)
    if last is not None and (value == last or abs(value - last) < signal.deadband):
        return
    time, _ = work.when(reading)
    work.telemetry.append(ProcessValue(station=work.setup.station, name=signal.name, time=time, value=value))
    work.state = replace(work.state, process={**work.state.process, signal.name: value})


def _unusable(signal: SignalSetup, reading: Reading) -> bool:
    """Whether a value of good quality is nothing that this signal could mean."""
    match signal:
        case CounterSignal():
            return (truth if signal.pulse else whole)(reading.value) is None
        case ProcessSignal():
            return measured(reading.value) is None
        case FaultSignal():
            return reading.value is None or signal.codes(reading.value) is None
        case _:
            return reading.value is None
