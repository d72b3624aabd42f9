"""Where a station's signals are read from: what a changed place does to all that is remembered of the station.

A place is a short text that names a value in the plant for good: endpoint, address, type, order and modulus of a
totaliser. Another place is another value, so nothing that was seen at the former one goes on at the new one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from mes.collect.counters import Counted
from mes.collect.signals import CounterSignal, FormerPlace, Observation, StationSetup, StationState
from mes.collect.work import Work
from mes.model import (
    CountFlag,
    CountKind,
    CountUnreconciled,
    FaultCleared,
    ProductChanged,
    StationEvent,
    TimeSource,
    UnitId,
    UnitLeft,
)

PROCESS = "process."


@dataclass(frozen=True, slots=True)
class Adopted:
    """A station's state with the present places; `remapped`: the signals that another place took, then and now."""

    state: StationState
    events: tuple[StationEvent, ...]
    remapped: Mapping[str, tuple[str, str]]


def adopt(setup: StationSetup, state: StationState, at: datetime) -> Adopted:
    """Takes over the places of the plant's file at the program's start; `at`: when the station was last seen.

    A state without places is of a program that did not keep them, and takes the present ones. A totaliser that the
    file does not name at all keeps its state and place, for it may come back; any other signal is over.
    """
    counters = {
        signal.name: signal.setup.kind for signal in setup.signals.values() if isinstance(signal, CounterSignal)
    }
    absent = {name: place for name, place in state.places.items() if name.endswith("_count") and name not in counters}
    present = {**absent, **setup.places}
    over = {name for name, place in state.places.items() if present.get(name) != place}
    remapped = {name: (state.places[name], present[name]) for name in sorted(over) if name in present}
    moved = {kind: name for name, kind in counters.items() if name in over}
    events = _events(setup, state, over, at)
    log = None if "unit_log" in over else state.log
    state = _without_counters(state, moved)
    state = replace(
        state,
        places=present,
        state=None if "state" in over else state.state,
        raw_state="" if "state" in over else state.raw_state,
        unit="" if "unit_id" in over else state.unit,
        unit_since=None if "unit_id" in over else state.unit_since,
        product=None if "product" in over else state.product,
        fault="" if "fault_code" in over else state.fault,
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
    place = next(
        work.setup.places.get(signal.name, "")
        for signal in work.setup.signals.values()
        if isinstance(signal, CounterSignal) and signal.setup.kind is kind
    )
    work.emit(
        CountUnreconciled,
        when,
        kind=kind,
        raw=raw,
        previous_raw=former.raw,
        explanation=f"the plant's file reads this counter from another place: {place or 'unknown'}, before "
        f"{former.place or 'unknown'}; what was made between the last value there ({former.raw}) and the first one "
        f"here ({raw}) is not known",
    )
    others = {other: each for other, each in work.state.remapped.items() if other is not kind}
    work.state = replace(work.state, remapped=others)
    return replace(counted, flag=CountFlag.REMAPPED)


def _without_counters(state: StationState, moved: Mapping[CountKind, str]) -> StationState:
    """Forgets the totalisers of these kinds, but for the last value that was counted at the former place."""
    former = {
        kind: FormerPlace(state.counters[kind].raw, state.places[name])
        for kind, name in moved.items()
        if kind in state.counters
    }
    closed = state.closed
    if closed is not None:
        closed = replace(closed, unseen={kind: at for kind, at in closed.unseen.items() if kind not in moved})
    return replace(
        state,
        counters={kind: each for kind, each in state.counters.items() if kind not in moved},
        held={kind: each for kind, each in state.held.items() if kind not in moved},
        unread={kind: each for kind, each in state.unread.items() if kind not in moved},
        remapped={**state.remapped, **former},
        closed=closed,
    )


def _events(setup: StationSetup, state: StationState, over: set[str], at: datetime) -> tuple[StationEvent, ...]:
    """What ends with the former places: nobody knows whether it is still so."""
    work = Work(setup, state, Observation((), at, baseline=True))
    when = (at, TimeSource.EDGE)
    if "unit_id" in over and state.unit:
        work.emit(UnitLeft, when, unit=UnitId(state.unit), baseline=True)
    if "fault_code" in over and state.fault:
        work.emit(FaultCleared, when, code=state.fault)
    if "product" in over and state.product is not None:
        work.emit(ProductChanged, when, product=None)
    return tuple(work.events)
