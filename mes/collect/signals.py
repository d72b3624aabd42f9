"""The roles that tags play for a station, and what of the past each role needs to be read."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from adapters.reading import ControllerId, GapCause, Quality, Reading, TagId, Value
from mes.collect.counters import CounterSetup, CounterState
from mes.collect.states import BitMap, Input, StateMap, StateRules
from mes.collect.units import LogState
from mes.collect.values import code, joined_words, status_word
from mes.model import CountKind, ProductId, State, StationId, TimeSource, TotaliserId, kind_and_product, totaliser_id

MOST_FAULTS = 2000  # codes, words or bits that one signal may show at once


@dataclass(frozen=True, slots=True)
class StateSignal:
    """What the station is doing, by its map of codes or bits."""

    map: StateMap
    name: str = "state"


@dataclass(frozen=True, slots=True)
class StateInputSignal:
    """One of several values that tell by the station's rules what it is doing."""

    name: str


@dataclass(frozen=True, slots=True)
class CounterSignal:
    """A totaliser, or a bit whose rising edges are counted as one.

    `shortest_pulse`: where it is polled, how long two polls may be apart without missing a pulse.
    """

    setup: CounterSetup
    pulse: bool = False
    shortest_pulse: timedelta | None = None

    @property
    def name(self) -> str:
        """The signal's name in the configuration."""
        return signal_of(self.setup.totaliser)


def signal_of(totaliser: TotaliserId) -> str:
    """What a totaliser is called in the configuration: `good_count`, or `good_count.S3` if it counts S3 alone."""
    kind, product = kind_and_product(totaliser)
    name = {CountKind.SCRAP: "reject_count"}.get(kind, f"{kind}_count")
    return name if product is None else f"{name}.{product}"


_KIND_OF = {signal_of(totaliser_id(kind)): kind for kind in CountKind}


def totaliser_of_signal(signal: str) -> TotaliserId | None:
    """The way back; None for a signal that is no totaliser."""
    name, _, product = signal.partition(".")
    kind = _KIND_OF.get(name)
    return None if kind is None else totaliser_id(kind, ProductId(product) if product else None)


@dataclass(frozen=True, slots=True)
class UnitSignal:
    """The id of the unit that is in the station; empty for none. `characters`: where it stands in a longer text."""

    name: str = "unit_id"
    characters: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class UnitPartSignal:
    """One of several values that are the id of the unit when they are joined, in the order of the tags."""

    name: str
    characters: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class UnitLogSignal:
    """The controller's record of finished units; its sequence numbers start again at `modulus`."""

    modulus: int = 65536
    name: str = "unit_log"


@dataclass(frozen=True, slots=True)
class ProductSignal:
    """The raw code of the product that is in the station. `characters`: first and last of it in a longer text."""

    name: str = "product"
    characters: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class FaultSignal:
    """Fault codes, one or several at once; the codes in `none` mean that there is no fault.

    `bits`: the value is an alarm word, or several of `word_bits` each; every bit with its code, or None where it is no
    fault. Of faults that come at the same time, the first one here is the first one in the journal. `fail_safe`: the
    bits that are a fault while they are not set.
    """

    none: frozenset[str] = frozenset({"0", ""})
    name: str = "fault_code"
    bits: tuple[tuple[int, str | None], ...] = ()
    word_bits: int = 16
    fail_safe: frozenset[int] = frozenset()

    def codes(self, value: Value) -> tuple[str, ...] | None:
        """The faults that a value shows, each once; None where it is nothing that shows faults, or too much."""
        if self.bits:
            word = self._word(value)
            if word is None:
                return None
            return _once(said for bit, said in self.bits if said and (word >> bit & 1) != (bit in self.fail_safe))
        found = _once(map(code, value if isinstance(value, tuple) else (value,)))
        shown = tuple(said for said in found if said not in self.none)
        return shown if len(shown) <= MOST_FAULTS else None

    def unnamed(self, value: Value) -> tuple[int, ...]:
        """The bits of an alarm word that are set and that the table does not name.

        None of a word that rests with its bits set, since each of them is fail-safe.
        """
        if self.bits and len(self.fail_safe) == len(self.bits):
            return ()
        word = (self._word(value) if self.bits else 0) or 0
        left = word & ~sum(1 << bit for bit, _ in self.bits)
        return tuple(bit for bit in range(left.bit_length()) if left >> bit & 1)

    def _word(self, value: Value) -> int | None:
        """The word with all bits; a negative number has as many as the table needs, or as its type has."""
        if isinstance(value, tuple):
            width = 1 if all(isinstance(bit, bool) for bit in value) else self.word_bits
            return joined_words(value, width) if len(value) <= MOST_FAULTS else None
        word = status_word(value)
        highest = max(bit for bit, _ in self.bits)
        width = next((bits for bits in (self.word_bits, 32) if highest < bits), 64)
        return word if word is None or word >= 0 else word & ((1 << width) - 1)


def _once(codes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(codes))


@dataclass(frozen=True, slots=True)
class ProcessSignal:
    """Telemetry; a change smaller than `deadband` is not worth a row, 0 keeps every change."""

    name: str
    deadband: float = 0.0


SignalSetup = (
    StateSignal
    | StateInputSignal
    | CounterSignal
    | UnitSignal
    | UnitPartSignal
    | UnitLogSignal
    | ProductSignal
    | FaultSignal
    | ProcessSignal
)


def single(signal: SignalSetup, value: Value | None) -> Value | None:
    """A value as the signal wants it: a list says nothing where one value is wanted, but for the bits of a word."""
    if not isinstance(value, tuple) or isinstance(signal, UnitLogSignal | FaultSignal):
        return value
    return status_word(value) if isinstance(signal, StateSignal) and isinstance(signal.map, BitMap) else None


@dataclass(frozen=True, slots=True)
class ToldByCounts:
    """The state of a station that shows none: without a part for `stopped_after` it is `stopped` since the last one."""

    stopped_after: timedelta
    stopped: State = State.DOWN


@dataclass(frozen=True, slots=True)
class StationSetup:
    """A station as configured: which tag plays which role.

    `products` maps raw codes, written as text, to products, and `patterns` whole texts. `max_source_offset`: how far a
    controller's time stamp may be from our clock and still be the event's time. `places`: where each signal is read, by
    its name in the plant's file; texts are equal if and only if it is the same value in the plant. `state_rules`: what
    the station is doing, if several values tell it. `told_by_counts`: the same, if no value does. `elsewhere`: the tags
    that another controller shows than the station's own, with that controller.
    """

    station: StationId
    signals: Mapping[TagId, SignalSetup]
    products: Mapping[str, ProductId]
    max_source_offset: timedelta
    places: Mapping[str, str] = field(default_factory=dict)
    state_rules: StateRules | None = None
    told_by_counts: ToldByCounts | None = None
    elsewhere: Mapping[TagId, ControllerId] = field(default_factory=dict)
    patterns: tuple[tuple[re.Pattern[str], ProductId], ...] = ()

    def product(self, raw: Value) -> ProductId | None:
        """The product that a raw code stands for: by the code itself, else by the first pattern that it matches."""
        said = code(raw)
        if said in self.products:
            return self.products[said]
        return next((product for pattern, product in self.patterns if pattern.fullmatch(said)), None)

    def shown_by(self, controller: ControllerId, own: ControllerId) -> "StationSetup":
        """What of the station a controller shows; `own` is the station's."""
        shown = {tag: signal for tag, signal in self.signals.items() if self.elsewhere.get(tag, own) == controller}
        return replace(self, signals=shown)

    @property
    def totalisers(self) -> tuple[TotaliserId, ...]:
        """The totalisers that the station has, in the order of its file."""
        return tuple(signal.setup.totaliser for signal in self.signals.values() if isinstance(signal, CounterSignal))

    @property
    def has_unit_log(self) -> bool:
        """Whether the controller keeps a record of finished units."""
        return any(isinstance(signal, UnitLogSignal) for signal in self.signals.values())


@dataclass(frozen=True, slots=True)
class Blind:
    """Since when and why nothing is known of the station."""

    since: datetime
    cause: GapCause


@dataclass(frozen=True, slots=True)
class Closed:
    """The last gap that is over: what a totaliser moved when it is read again was made in the gap.

    `unseen`: the totalisers that were not read again yet, each with the time since when; a totaliser that could not
    be read after an earlier gap has been unseen since that one.
    """

    since: datetime
    until: datetime
    unseen: Mapping[TotaliserId, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """A totaliser's reading that waits: for the unit log, or for the next readings to tell a reset from a wrong value.

    `looked`: the last look at the value before it, by our clock. `since`: when the waiting began, if another value
    waited before this one.
    """

    raw: int
    time: datetime
    time_source: TimeSource
    received_time: datetime
    looked: datetime | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class FormerPlace:
    """The last value that a totaliser was counted up to at the place where the plant's file had it before.

    `station`: which station it was counted for, where the file does not have that one any more.
    """

    raw: int
    place: str
    station: StationId | None = None


@dataclass(frozen=True, slots=True)
class StationState:
    """All that must be remembered of a station; journaled with the events that it follows from.

    Every field has a default, so that a newer program opens the journal of an older one.
    """

    state: State | None = None
    raw_state: str = ""
    inputs: Mapping[TagId, Input] = field(
        default_factory=dict
    )  # by tag, of what several values tell: the state, the unit
    changes: Mapping[str, datetime] = field(default_factory=dict)  # when each thing changed last
    counters: Mapping[TotaliserId, CounterState] = field(default_factory=dict)
    held: Mapping[TotaliserId, Held] = field(default_factory=dict)
    unread: Mapping[TotaliserId, datetime] = field(default_factory=dict)  # since when a totaliser could not be read
    levels: Mapping[TotaliserId, bool] = field(default_factory=dict)  # of bits whose edges are counted
    missed: Mapping[TotaliserId, datetime] = field(default_factory=dict)  # since when such a bit is polled too seldom
    log: LogState | None = None
    part: datetime | None = None  # the last part, or since when parts are watched, if they tell the state
    unit: str = ""
    unit_since: datetime | None = None
    product: ProductId | None = None
    fault: str = ""  # of a program that knew one fault at a time; `faults` has it since
    faults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # codes by the signal that shows them
    qualities: Mapping[str, Quality] = field(default_factory=dict)  # of those that are not good
    process: Mapping[str, float] = field(default_factory=dict)
    blind: Blind | None = None
    closed: Closed | None = None
    places: Mapping[str, str] = field(default_factory=dict)  # where all this was read, by signal
    remapped: Mapping[TotaliserId, FormerPlace] = field(default_factory=dict)  # not read at their new places yet

    @property
    def present_faults(self) -> tuple[str, ...]:
        """The codes of all faults that the station shows, each once."""
        return _once(fault for codes in self.faults.values() for fault in codes)


@dataclass(frozen=True, slots=True)
class Observation:
    """One station's share of one batch; `baseline`: present values after a (re)connect, no changes by themselves.

    `clock_offset`: the controller's clock minus ours. `oldest`: what comes late may have happened since then, by our
    clock. `looked`: the last look before it, at which the values that are held were still those of the controller, by
    our clock. Each is None where it is not known. `guest`: the controller, if it is not the station's own.
    """

    readings: tuple[Reading, ...]
    received_time: datetime
    baseline: bool
    clock_offset: timedelta | None = None
    oldest: datetime | None = None
    looked: datetime | None = None
    previous: datetime | None = None
    guest: ControllerId | None = None
