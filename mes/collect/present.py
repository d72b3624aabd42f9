"""What each tag of a controller shows now, what is made of it, and what of that an engineer must correct; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import assert_never

from adapters.diagnostics import Diagnostic, DiagnosticCode
from adapters.reading import Batch, Reading, TagId, Value
from mes.collect.signals import (
    CounterSignal,
    FaultSignal,
    ProcessSignal,
    ProductSignal,
    SignalSetup,
    StateInputSignal,
    StateSignal,
    StationSetup,
    UnitLogSignal,
    UnitPartSignal,
    UnitSignal,
    single,
)
from mes.collect.states import Input
from mes.collect.values import NO_PRODUCT, code, measured, part_of, truth, whole
from mes.model import CountKind, State, StationId, StationStandard

RAW_SHOWN = 120  # characters of a raw value
ELEMENTS_SHOWN = 8  # of a list
VALUES_NAMED = 8  # values of one tag that no map names; further ones share a sentence
TAGS_NAMED = 5  # in one sentence
CYCLES_WITHOUT_COUNT = 10
WORD = 2**16  # values of one register
LEAST_WITHOUT_COUNT = timedelta(minutes=30)

# a totaliser that must move while the station produces: those whose movement proves that it may rightly stand
_MOVED_BY: Mapping[CountKind, frozenset[CountKind]] = {
    CountKind.TOTAL: frozenset({CountKind.TOTAL}),
    CountKind.GOOD: frozenset({CountKind.GOOD, CountKind.REWORK, CountKind.SCRAP}),
}


@dataclass(frozen=True, slots=True)
class TagPresent:
    """One tag now. `station` None: the controller's heartbeat. `reading` None: it was never read.

    `means`: what is made of the value: a state, a product, a count, a code or a number; None where nothing is.
    `problem`: what is wrong with it.
    """

    tag: TagId
    station: StationId | None
    signal: str
    reading: Reading | None
    means: str | None
    problem: DiagnosticCode | None


@dataclass(frozen=True, slots=True)
class _Judged:
    means: str | None
    finding: Diagnostic | None = None


@dataclass(slots=True)
class _Station:
    """What is followed of one station; `produced`: producing time since a totaliser had reason to move."""

    setup: StationSetup
    longest: timedelta
    producing: bool = False
    inputs: dict[TagId, Input] = field(default_factory=dict)  # what the state is told by
    produced: dict[CountKind, timedelta] = field(default_factory=dict)
    unread: dict[TagId, str] = field(default_factory=dict)  # signal names of tags without a value
    counts: dict[TagId, int] = field(default_factory=dict)  # what totalisers show
    swapped: set[TagId] = field(default_factory=set)  # totalisers whose registers seem to be the wrong way round


def longest_without_count(standard: StationStandard | None) -> timedelta:
    """How long a station may produce without a count: ten of its longest ideal cycles, half an hour at least."""
    ideal = [] if standard is None else standard.ideal_cycle.values()
    return max(LEAST_WITHOUT_COUNT, *(CYCLES_WITHOUT_COUNT * length for length in ideal), timedelta())


def shown(value: Value) -> str:
    """A controller's value as a short text of printable characters; it is not to be trusted otherwise."""
    if isinstance(value, tuple):
        more = ", …" if len(value) > ELEMENTS_SHOWN else ""
        return _cut("[" + ", ".join(shown(element) for element in islice(value, ELEMENTS_SHOWN)) + more + "]")
    return _cut(str(value))


def _cut(text: str) -> str:
    text = text if len(text) <= RAW_SHOWN else text[: RAW_SHOWN - 1] + "…"
    return printable(text)


def printable(text: str) -> str:
    """A controller's text without line breaks, control characters and what turns the direction of writing."""
    return "".join(sign if sign.isprintable() else "�" for sign in text)


class PresentTags:
    """Follows the tags of one controller. Takes every batch; the findings are the same objects while they hold."""

    def __init__(
        self, tags: Iterable[TagId], setups: Iterable[StationSetup], longest: Mapping[StationId, timedelta]
    ) -> None:
        """`tags`: all that the configuration names, in its order; `longest`: producing time without a count."""
        self._stations = [_Station(setup, longest.get(setup.station, LEAST_WITHOUT_COUNT)) for setup in setups]
        self._signals: dict[TagId, tuple[_Station, SignalSetup]] = {
            tag: (station, signal) for station in self._stations for tag, signal in station.setup.signals.items()
        }
        self._tags = tuple(dict.fromkeys((*tags, *self._signals)))
        self._readings: dict[TagId, Reading] = {}
        self._judged: dict[TagId, _Judged] = {}
        self._named: dict[TagId, set[str]] = {}
        self._findings: dict[TagId, Diagnostic] = {}
        self._last: datetime | None = None

    def use(self, longest: Mapping[StationId, timedelta]) -> None:
        """Takes over how long stations may produce without a count, by another configuration."""
        for station in self._stations:
            station.longest = longest.get(station.setup.station, LEAST_WITHOUT_COUNT)

    def take(self, batch: Batch) -> None:
        """One batch that was journaled; a baseline says nothing about the time before it."""
        if self._last is not None and not batch.baseline:
            self._pass(max(timedelta(), batch.received_time - self._last))
        self._last = batch.received_time
        for reading in batch.readings:
            self._read(reading)

    def findings(self) -> tuple[Diagnostic, ...]:
        """What an engineer must correct now: by tag, then by station."""
        unread = (_unread(station) for station in self._stations if station.unread)
        still = (_still(station) for station in self._stations)
        swapped = (
            _swapped(tag) for station in self._stations for tag in station.setup.signals if tag in station.swapped
        )
        named = (diagnostic for diagnostic in still if diagnostic is not None)
        return (*self._findings.values(), *unread, *named, *swapped)

    def present(self) -> tuple[TagPresent, ...]:
        """Every tag, in the order of the configuration."""
        still = {tag for station in self._stations for tag in _standing(station)}
        return tuple(self._present(tag, still=tag in still) for tag in self._tags)

    def _present(self, tag: TagId, *, still: bool) -> TagPresent:
        reading, judged = self._readings.get(tag), self._judged.get(tag, _Judged(None))
        known = self._signals.get(tag)
        if known is None:
            return TagPresent(tag, None, "heartbeat", reading, None, None)
        station, signal = known
        problem = None if judged.finding is None else judged.finding.code
        if tag in station.unread:
            problem = DiagnosticCode.NO_VALUE
        elif tag in station.swapped:
            problem = DiagnosticCode.WORDS_SWAPPED
        elif problem is None and still:
            problem = DiagnosticCode.COUNTER_STILL
        return TagPresent(tag, station.setup.station, signal.name, reading, judged.means, problem)

    def _pass(self, time: timedelta) -> None:
        for station in self._stations:
            if station.producing:
                for kind in station.produced:
                    station.produced[kind] += time

    def _read(self, reading: Reading) -> None:
        tag = reading.tag
        self._readings[tag] = reading
        known = self._signals.get(tag)
        if known is None:
            return
        station, signal = known
        judged = self._judged[tag] = self._judge(station.setup, signal, reading)
        self._findings.pop(tag, None)
        if judged.finding is not None:
            self._findings[tag] = judged.finding
        station.unread.pop(tag, None)
        if reading.value is None:
            station.unread[tag] = signal.name
        if isinstance(signal, StateSignal):
            station.producing = judged.means == State.PRODUCING
        elif isinstance(signal, StateInputSignal) and station.setup.state_rules is not None:
            station.inputs[tag] = None if isinstance(reading.value, tuple) else reading.value
            station.producing = station.setup.state_rules.state(station.inputs)[0] is State.PRODUCING
        elif isinstance(signal, CounterSignal):
            raw = _count(signal, reading.value)
            _follow_counter(station, tag, signal.setup.kind, raw)
            _follow_words(station, tag, raw)

    def _judge(self, setup: StationSetup, signal: SignalSetup, reading: Reading) -> _Judged:
        """What a value means by the plant's file."""
        value = single(signal, reading.value)
        if value is None:
            return _Judged(None) if reading.value is None else _unusable(reading.tag, "a list")
        match signal:
            case StateSignal():
                known, means = signal.map.names(value), str(signal.map.state(value))
                return _Judged(means) if known else self._unmapped(reading.tag, value, "state")
            case StateInputSignal():
                return _told_by_rules(setup, reading.tag, value)
            case ProductSignal():
                raw = code(part_of(value, signal.characters))
                product = setup.product(raw)
                if product is None and raw not in NO_PRODUCT:
                    return self._unmapped(reading.tag, raw, "product")
                return _Judged(product)
            case CounterSignal():
                count = _count(signal, value)
                if count is None:
                    return _unusable(reading.tag, _kind(value), "one bit" if signal.pulse else "one number or code")
                return _Judged(str(count if signal.pulse else signal.setup.units(count)))
            case ProcessSignal():
                number = measured(value)
                return _unusable(reading.tag, _kind(value)) if number is None else _Judged(str(number))
            case FaultSignal():
                return self._faults(reading.tag, signal, value)
            case UnitSignal() | UnitPartSignal():
                return _Judged(shown(part_of(value, signal.characters)) or None)
            case UnitLogSignal():
                wanted = "a list of texts"
                return _Judged(None) if isinstance(value, tuple) else _unusable(reading.tag, _kind(value), wanted)
            case _:
                assert_never(signal)

    def _faults(self, tag: TagId, signal: FaultSignal, value: Value) -> _Judged:
        """All faults that the value shows; a set bit that no table names is told as well as they are."""
        codes, unnamed = signal.codes(value), signal.unnamed(value)
        if codes is None:
            return _unusable(tag, _kind(value), "an alarm word" if signal.bits else "a code, or a list of codes")
        means = _cut(", ".join(codes)) or None
        if not unnamed:
            return _Judged(means)
        bits = ", ".join(map(str, unnamed[:VALUES_NAMED])) + ("…" if len(unnamed) > VALUES_NAMED else "")
        text = f"tag {tag}: the alarm table names no bit {bits}, which is set"
        remedy = "add the bit to the alarm table with its code, or without one if it is no fault"
        return _Judged(means, Diagnostic(DiagnosticCode.VALUE_UNMAPPED, text, remedy, (tag,)))

    def _unmapped(self, tag: TagId, value: Value, what: str) -> _Judged:
        """A code that the plant's file does not explain; so many of one tag are named, the rest share a sentence."""
        raw, named = shown(value), self._named.setdefault(tag, set())
        if raw in named or len(named) < VALUES_NAMED:
            named.add(raw)
            text = f"tag {tag}: no map names the {what} code {raw}"
        else:
            text = f"tag {tag}: no map names its {what} codes; {VALUES_NAMED} of them were named before"
        remedy = {
            "state": "add the code to the station's state map; until then the time counts as no data",
            "product": "give a product this `raw` code; until then units are counted without a product",
        }[what]
        return _Judged(None, Diagnostic(DiagnosticCode.VALUE_UNMAPPED, text, remedy, (tag,)))


def _told_by_rules(setup: StationSetup, tag: TagId, value: Value) -> _Judged:
    """A value that rules look at: each of them must be able to say whether it is what is wanted."""
    rules = () if setup.state_rules is None else setup.state_rules.rules
    looked = [condition for rule in rules for condition in rule.conditions if condition.tag == tag]
    if any(condition.holds(value) is None for condition in looked):
        return _unusable(tag, _kind(value), "a number")
    return _Judged(shown(code(value)))


def _unusable(tag: TagId, what: str, wanted: str = "one number or code") -> _Judged:
    text = f"tag {tag}: the value is {what} where {wanted} is wanted"
    remedy = "correct the tag's address or `type`, or let the controller's program show a plain value there"
    return _Judged(None, Diagnostic(DiagnosticCode.VALUE_UNUSABLE, text, remedy, (tag,)))


def _count(signal: CounterSignal, value: Value | None) -> int | None:
    """What a totaliser, or a bit with pulses, shows."""
    return truth(value) if signal.pulse else whole(value)


def _kind(value: Value) -> str:
    match value:
        case str():
            return "a text"
        case bool():
            return "a bool"
        case tuple():
            return "a list that is too long, or not of this kind"
        case _:
            return "a number of another kind"


def _follow_counter(station: _Station, tag: TagId, kind: CountKind, raw: int | None) -> None:
    """A totaliser that moves shows that it is the right one, as do those that count the same units otherwise.

    Totalisers of one kind, one for each product, move in turn: they are one here.
    """
    if raw is None:
        station.produced.pop(kind, None)  # said otherwise
        return
    before = station.counts.get(tag)
    if kind in _MOVED_BY:
        station.produced.setdefault(kind, timedelta())
    if before is not None and raw != before:
        for other in station.produced:
            if kind in _MOVED_BY[other]:
                station.produced[other] = timedelta()


def _follow_words(station: _Station, tag: TagId, count: int | None) -> None:
    """A totaliser that moves by whole registers, and never by less, shows its low register as the high one."""
    before = station.counts.get(tag)
    if count is None or count == before:
        return
    station.counts[tag] = count
    if before is not None and (count - before) % WORD == 0:
        station.swapped.add(tag)
    else:
        station.swapped.discard(tag)


def _swapped(tag: TagId) -> Diagnostic:
    text = f"tag {tag}: the counter moves by multiples of 65,536, as if its two registers were the wrong way round"
    remedy = "correct its `order`: CDAB in place of ABCD, or ABCD in place of CDAB; behind a gateway, its word order"
    return Diagnostic(DiagnosticCode.WORDS_SWAPPED, text, remedy, (tag,))


def _standing(station: _Station) -> tuple[TagId, ...]:
    """The totalisers that have not moved for longer than can be."""
    still = {kind for kind, time in station.produced.items() if time > station.longest}
    return tuple(
        tag
        for tag, signal in station.setup.signals.items()
        if isinstance(signal, CounterSignal) and signal.setup.kind in still
    )


def _still(station: _Station) -> Diagnostic | None:
    tags = _standing(station)
    if not tags:
        return None
    minutes = round(station.longest / timedelta(minutes=1))
    text = f"{_listed(tags)}: no count in more than {minutes} min of producing at {station.setup.station}"
    remedy = "correct the address of the counter, or the state map if the station does not produce"
    return Diagnostic(DiagnosticCode.COUNTER_STILL, text, remedy, tags)


def _unread(station: _Station) -> Diagnostic:
    tags = tuple(tag for tag in station.setup.signals if tag in station.unread)
    text = f"{_listed(tags)}: the controller shows no value that can be read (bad quality, or a structure)"
    remedy = "correct the tag's address, or let the controller's program show a plain value there"
    return Diagnostic(DiagnosticCode.NO_VALUE, text, remedy, tags)


def _listed(tags: Sequence[TagId]) -> str:
    more = f" and {len(tags) - TAGS_NAMED} more" if len(tags) > TAGS_NAMED else ""
    return f"tag{'s' if len(tags) > 1 else ''} {', '.join(tags[:TAGS_NAMED])}{more}"
