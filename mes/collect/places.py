"""Where a station's signals are read from: what a changed place does to all that is remembered of the station.

A place is a short text that names a value in the plant for good: endpoint, address, type, order and modulus of a
totaliser. Another place is another value, so nothing that was seen at the former one goes on at the new one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from mes.collect.counters import Counted, CounterState
from mes.collect.observation import Work
from mes.collect.signals import (
    CounterSignal,
    FormerPlace,
    Observation,
    StationSetup,
    StationState,
    signal_of,
    totaliser_of_signal,
)
from mes.model import (
    CountFlag,
    FaultCleared,
    ProductChanged,
    StationEvent,
    StationId,
    TimeSource,
    TotaliserId,
    UnitId,
    UnitLeft,
    kind_and_product,
)

PROCESS = "process."
_Value = TypeVar("_Value")


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
            totaliser = totaliser_of_signal(name)
            counter = None if totaliser is None else state.counters.get(totaliser)
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
        signal.name: signal.setup.totaliser for signal in setup.signals.values() if isinstance(signal, CounterSignal)
    }
    state = _renamed(state, counters, setup.places)
    absent = {
        name: place
        for name, place in state.places.items()
        if totaliser_of_signal(name) is not None and name not in counters
    }
    present = {**absent, **setup.places}
    over = {name for name, place in state.places.items() if present.get(name) != place}
    remapped = {name: (state.places[name], present[name]) for name in sorted(over) if name in present}
    moved = {totaliser: name for name, totaliser in counters.items() if name in over}
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


def _renamed(state: StationState, counters: Mapping[str, TotaliserId], places: Mapping[str, str]) -> StationState:
    """Where the file has a totaliser of each product in place of one of all, or the other way round.

    At the same place it is the same totaliser under another name, and counting goes on. One at another place begins
    again as a totaliser does that was moved; so does a former one that comes back.
    """
    for name, totaliser in counters.items():
        at_its_place = [
            other
            for other in _gone(state, counters, totaliser)
            if _place(state, other) is not None and _place(state, other) == places.get(name)
        ]
        if totaliser not in state.counters and at_its_place:
            state = _as(state, at_its_place[0], totaliser)
    former: dict[TotaliserId, FormerPlace] = {}
    for totaliser in counters.values():
        others = [other for other in _gone(state, counters, totaliser) if _is_of_one(other) != _is_of_one(totaliser)]
        for other in sorted(others, key=lambda other: state.counters[other].time):
            former[other] = FormerPlace(state.counters[other].raw, _place(state, other) or "")
            if totaliser not in state.counters and totaliser not in state.remapped:
                former[totaliser] = former[other]
    over = {signal_of(totaliser) for totaliser in former}
    kept = {name: place for name, place in state.places.items() if name not in over}
    return replace(_begin_again(state, former), places=kept)


def _gone(state: StationState, counters: Mapping[str, TotaliserId], totaliser: TotaliserId) -> list[TotaliserId]:
    """The totalisers of the same kind that were read before, and that the file does not name any more."""
    kind, present = kind_and_product(totaliser)[0], frozenset(counters.values())
    return [other for other in state.counters if kind_and_product(other)[0] is kind and other not in present]


def _is_of_one(totaliser: TotaliserId) -> bool:
    """Whether it counts one product alone."""
    return kind_and_product(totaliser)[1] is not None


def _place(state: StationState, totaliser: TotaliserId) -> str | None:
    return state.places.get(signal_of(totaliser))


def _as(state: StationState, former: TotaliserId, present: TotaliserId) -> StationState:
    """The same with another name of a totaliser."""

    def renamed(of: Mapping[TotaliserId, _Value]) -> dict[TotaliserId, _Value]:
        return {present if totaliser == former else totaliser: value for totaliser, value in of.items()}

    names = {signal_of(former): signal_of(present)}
    closed = state.closed
    return replace(
        state,
        counters=renamed(state.counters),
        held=renamed(state.held),
        unread=renamed(state.unread),
        levels=renamed(state.levels),
        missed=renamed(state.missed),
        closed=None if closed is None else replace(closed, unseen=renamed(closed.unseen)),
        places={names.get(name, name): place for name, place in state.places.items()},
    )


def first_reading(
    work: Work, totaliser: TotaliserId, counted: Counted, raw: int, when: tuple[datetime, TimeSource]
) -> Counted:
    """The baseline of a totaliser; that of another place is flagged, and a person decides what was made meanwhile."""
    former = work.state.remapped.get(totaliser)
    if former is None:
        return counted
    place = work.setup.places.get(signal_of(totaliser), "")
    how = f"the plant's file reads this counter from another place: {place}, before {former.place}"
    if former.station is not None:
        how = f"this counter ({place}) was that of {former.station}, which the plant's file does not have any more"
    work.unreconciled(
        totaliser,
        when,
        raw=raw,
        previous_raw=former.raw,
        explanation=f"{how}; what was made between its last value then, {former.raw}, and its first one now, {raw}, is "
        "not known",
    )
    others = {other: former_place for other, former_place in work.state.remapped.items() if other != totaliser}
    work.state = replace(work.state, remapped=others)
    return replace(counted, flag=CountFlag.REMAPPED)


def _taken_over(
    state: StationState, counters: Mapping[str, TotaliserId], present: Mapping[str, str], others: Mapping[str, Vacated]
) -> StationState:
    """Begins again where another station was counted by the same totaliser since."""
    former: dict[TotaliserId, FormerPlace] = {}
    for name, totaliser in counters.items():
        place = present.get(name, "")
        other, own = others.get(place), state.counters.get(totaliser)
        if other is not None and totaliser not in state.remapped and (own is None or own.time < other.counter.time):
            former[totaliser] = FormerPlace(other.counter.raw, place, other.station)
    return _begin_again(state, former)


def _moved(state: StationState, moved: Mapping[TotaliserId, str]) -> StationState:
    """Begins again with the totalisers that are read from other places now."""
    former = {
        totaliser: FormerPlace(state.counters[totaliser].raw, state.places[name])
        for totaliser, name in moved.items()
        if totaliser in state.counters
    }
    return _begin_again(state, former)


def _begin_again(state: StationState, former: Mapping[TotaliserId, FormerPlace]) -> StationState:
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
