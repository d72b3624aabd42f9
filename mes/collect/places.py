"""Where a station's signals are read from: what a changed place does to all that is remembered of the station.

A place is a short text that names a value in the plant for good: endpoint, address, type, order and modulus of a
totaliser. Another place is another value, so nothing that was seen at the former one goes on at the new one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from mes.collect.counters import Counted, CounterState
from mes.collect.observation import Work
from mes.collect.signals import CounterSignal, FormerPlace, Observation, StationSetup, StationState
from mes.model import (
    CountFlag,
    CountKind,
    CountUnreconciled,
    FaultCleared,
    ProductChanged,
    StationEvent,
    StationId,
    TimeSource,
    UnitId,
    UnitLeft,
)

PROCESS = "process."
KINDS = {CounterSignal.name_of(kind): kind for kind in CountKind}


@dataclass(frozen=True, slots=True)
class Adopted:
    """A station's state with the present places; `remapped`: the signals that another place took, then and now."""

    state: StationState
    events: tuple[StationEvent, ...]
    remapped: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Vacated:
    """What a totaliser was counted up to for a station that the plant's file does not have any more."""

    station: StationId
    counter: CounterState


def vacated(states: Mapping[StationId, StationState]) -> Mapping[str, Vacated]:
    """The totalisers of stations that are in the file no more, by place; of one place the one that was read last."""
    found: dict[str, Vacated] = {}
    for station, state in states.items():
        for name, place in state.places.items():
            counter = state.counters.get(KINDS[name]) if name in KINDS else None
            if counter is not None and (place not in found or found[place].counter.time < counter.time):
                found[place] = Vacated(station, counter)
    return found


def adopt(
    setup: StationSetup, state: StationState, at: datetime, others: Mapping[str, Vacated] | None = None
) -> Adopted:
    """Takes over the places of the plant's file at the program's start; `at`: when the station was last seen.

    `others`: totalisers of stations that are no longer in the file. Where such a station read this place last, its
    parts may be counted there already. Then this station begins with a new baseline.

    A state without places is of a program that did not keep them, and takes the present ones. A totaliser that the
    file does not name at all keeps its state and place, for it may come back; any other signal is over.
    """
    counters = {
        signal.name: signal.setup.kind for signal in setup.signals.values() if isinstance(signal, CounterSignal)
    }
    absent = {name: place for name, place in state.places.items() if name in KINDS and name not in counters}
    present = {**absent, **setup.places}
    over = {name for name, place in state.places.items() if present.get(name) != place}
    remapped = {name: (state.places[name], present[name]) for name in sorted(over) if name in present}
    moved = {kind: name for name, kind in counters.items() if name in over}
    events = _events(setup, state, over, at)
    log = None if "unit_log" in over else state.log
    is_unit_over = any(name.partition(".")[0] == "unit_id" for name in over)
    told_otherwise = any(name.partition(".")[0] == "state" for name in over)
    state = _taken_over(_moved(state, moved), counters, present, others or {})
    state = replace(
        state,
        places=present,
        state=None if told_otherwise else state.state,
        raw_state="" if told_otherwise else state.raw_state,
        inputs={} if told_otherwise or is_unit_over else state.inputs,
        unit="" if is_unit_over else state.unit,
        unit_since=None if is_unit_over else state.unit_since,
        product=None if "product" in over else state.product,
        faults={name: codes for name, codes in state.faults.items() if name not in over},
        log=log,
        process={name: value for name, value in state.process.items() if PROCESS + name not in over},
    )
    return Adopted(state, events, remapped)


def first_reading(
    work: Work, kind: CountKind, counted: Counted, raw: int, when: tuple[datetime, TimeSource]
) -> Counted:
    """The baseline of a totaliser; that of another place is flagged, and a person decides what was made meanwhile."""
    former = work.state.remapped.get(kind)
    if former is None:
        return counted
    place = work.setup.places.get(CounterSignal.name_of(kind), "")
    how = f"the plant's file reads this counter from another place: {place}, before {former.place}"
    if former.station is not None:
        how = f"this counter ({place}) was that of {former.station}, which the plant's file does not have any more"
    work.emit(
        CountUnreconciled,
        when,
        kind=kind,
        raw=raw,
        previous_raw=former.raw,
        explanation=f"{how}; what was made between its last value then, {former.raw}, and its first one now, {raw}, is "
        "not known",
    )
    others = {other: former_place for other, former_place in work.state.remapped.items() if other is not kind}
    work.state = replace(work.state, remapped=others)
    return replace(counted, flag=CountFlag.REMAPPED)


def _taken_over(
    state: StationState, counters: Mapping[str, CountKind], present: Mapping[str, str], others: Mapping[str, Vacated]
) -> StationState:
    """Begins again where another station was counted by the same totaliser since."""
    former: dict[CountKind, FormerPlace] = {}
    for name, kind in counters.items():
        place = present.get(name, "")
        other, own = others.get(place), state.counters.get(kind)
        if other is not None and kind not in state.remapped and (own is None or own.time < other.counter.time):
            former[kind] = FormerPlace(other.counter.raw, place, other.station)
    return _begin_again(state, former)


def _moved(state: StationState, moved: Mapping[CountKind, str]) -> StationState:
    """Begins again with the totalisers that are read from other places now."""
    former = {
        kind: FormerPlace(state.counters[kind].raw, state.places[name])
        for kind, name in moved.items()
        if kind in state.counters
    }
    return _begin_again(state, former)


def _begin_again(state: StationState, former: Mapping[CountKind, FormerPlace]) -> StationState:
    """Forgets totalisers, but for what they were counted up to."""
    closed = state.closed
    if closed is not None:
        closed = replace(closed, unseen={kind: at for kind, at in closed.unseen.items() if kind not in former})
    return replace(
        state,
        counters={kind: counter for kind, counter in state.counters.items() if kind not in former},
        held={kind: value for kind, value in state.held.items() if kind not in former},
        levels={kind: level for kind, level in state.levels.items() if kind not in former},
        missed={kind: instant for kind, instant in state.missed.items() if kind not in former},
        unread={kind: instant for kind, instant in state.unread.items() if kind not in former},
        remapped={**state.remapped, **former},
        closed=closed,
    )


def _events(setup: StationSetup, state: StationState, over: set[str], at: datetime) -> tuple[StationEvent, ...]:
    """What ends with the former places: nobody knows whether it is still so."""
    work = Work(setup, state, Observation((), at, baseline=True))
    when = (at, TimeSource.EDGE)
    if any(name.partition(".")[0] == "unit_id" for name in over) and state.unit:
        work.emit(UnitLeft, when, unit=UnitId(state.unit), baseline=True)
    still = {fault for name, codes in state.faults.items() if name not in over for fault in codes}
    for fault in state.present_faults:
        if fault not in still:
            work.emit(FaultCleared, when, code=fault)
    if "product" in over and state.product is not None:
        work.emit(ProductChanged, when, product=None)
    return tuple(work.events)
