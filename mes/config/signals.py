"""What each signal means for its station: state, counts, units, product, fault, process; and the station's standard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from zoneinfo import ZoneInfo

from adapters.settings import SIGNED, Controller, DataType, ModbusTag, OpcUaController, OpcUaTag, Table, unsigned_of
from mes.collect.counters import CounterSetup, ResetPolicy
from mes.collect.resets import ResetSchedule
from mes.collect.signals import (
    CounterSignal,
    FaultSignal,
    ProcessSignal,
    ProductSignal,
    SignalSetup,
    StateInputSignal,
    StateSignal,
    ToldByCounts,
    UnitLogSignal,
    UnitPartSignal,
    UnitSignal,
    totaliser_of_signal,
)
from mes.collect.states import BitMap, CodeMap, StateMap
from mes.collect.values import code
from mes.config.alarm_tables import AlarmTable, fail_safe, table_of, word_bits
from mes.config.effects import check_effects
from mes.config.findings import Findings
from mes.config.models.plant import (
    ConditionShape,
    FaultShape,
    ProcessShape,
    ProductCounterShape,
    SignalShape,
    StateShape,
    TextShape,
    UnitLogShape,
    UnitShape,
)
from mes.config.problems import did_you_mean
from mes.config.source import Place
from mes.config.state_maps import BUILT_IN
from mes.config.stations import Resolved
from mes.config.tags import Tag, bits_of, is_bit, width
from mes.model import CountKind, ProductId, StationStandard, kind_and_product

ANY = "any"
DEFAULT_MINOR_STOP_S = 120.0
SHORTEST_WRAP_H = 24
SHORTEST_INTERVAL_MS = 10  # of polling and of publishing
INTERVALS = ("poll_interval_ms", "publish_interval_ms", "sampling_interval_ms")
NOT_OF_PULSES = frozenset({"modulus", "reset", "resets_at", "reset_tolerance_s", "counts", "signed"})
MOST_PULSES = 2**50  # never reached


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal of a station with the tag that it is read from."""

    station: Resolved
    name: str
    within: Place
    shape: SignalShape
    tag: Tag
    settings: Controller

    def place(self, key: str) -> Place:
        """Where one of its keys stands in the file."""
        return self.station.origin(*self.within, key)


def role(
    signal: Signal,
    state_maps: Mapping[str, StateMap],
    alarm_tables: Mapping[str, AlarmTable],
    zone: ZoneInfo,
    findings: Findings,
) -> SignalSetup | None:
    """What the collector does with the signal; None if the file does not say it rightly. `zone`: the site's."""
    _check_one_value(signal, state_maps, findings)
    check_effects(signal.station, signal.within, signal.shape, signal.tag, state_maps, alarm_tables, findings)
    match signal.shape:
        case ConditionShape():
            return StateInputSignal(signal.name)
        case StateShape():
            return _state(signal, signal.shape, state_maps, findings)
        case ProductCounterShape():
            return _counter(signal, signal.shape, zone, findings)
        case FaultShape():
            return _fault(signal, signal.shape, alarm_tables, findings)
        case UnitLogShape():
            return _unit_log(signal, signal.shape, findings)
        case ProcessShape():
            return ProcessSignal(signal.name.removeprefix("process."), signal.shape.deadband)
        case TextShape():
            return _text(signal, signal.shape, findings)
        case _:
            raise AssertionError(f"{signal.name} has a shape of its own")


def _check_one_value(signal: Signal, state_maps: Mapping[str, StateMap], findings: Findings) -> None:
    """Several values beside each other are faults, records of units, or coils that a map by bits explains."""
    tag, shape = signal.tag, signal.shape
    if not isinstance(tag, ModbusTag) or tag.count == 1 or isinstance(shape, FaultShape | UnitLogShape):
        return
    by_bits = isinstance(shape, StateShape) and not isinstance(state_maps.get(shape.map or ""), CodeMap)
    if not (by_bits and tag.type is DataType.BOOL):
        what = f"`count` reads {tag.count} values, and one is wanted here"
        remedy = "delete it, or correct `type`"
        if tag.type is DataType.BOOL:
            remedy = "delete it" + ("; a map by `bits` takes several coils" if isinstance(shape, StateShape) else "")
        findings.problem(signal.place("count"), what, remedy, station=signal.station.path)


def _fault(signal: Signal, shape: FaultShape, tables: Mapping[str, AlarmTable], findings: Findings) -> FaultSignal:
    table = table_of(signal.station, signal.within, shape, tables, findings)
    bits = word_bits(signal.station, signal.within, shape, table, signal.tag, findings)
    return FaultSignal(frozenset(map(code, shape.none)), signal.name, table.bits, bits, fail_safe(table, shape))


def _text(signal: Signal, shape: TextShape, findings: Findings) -> ProductSignal | UnitSignal | UnitPartSignal:
    cut = None
    if shape.characters is not None:
        first, last = map(int, shape.characters.split("-"))
        if first > last:
            what = f"`{shape.characters}` are no characters of a text"
            findings.problem(signal.place("characters"), what, "write the first one first", station=signal.station.path)
        cut = (first, last)
    if signal.name == "product":
        return ProductSignal(characters=cut)
    return UnitSignal(characters=cut) if signal.name == "unit_id" else UnitPartSignal(signal.name, cut)


def _state(
    signal: Signal, shape: StateShape, state_maps: Mapping[str, StateMap], findings: Findings
) -> StateSignal | None:
    path = signal.station.path
    if shape.otherwise is not None:
        remedy = "write it in the map, in `state_maps`"
        if shape.map in BUILT_IN:
            remedy = f"make a map of your own in `state_maps`: {{like: {shape.map}, otherwise: {shape.otherwise}}}"
        findings.problem(signal.place("otherwise"), "`otherwise` goes with `rules` here", remedy, station=path)
    if shape.map is None:
        remedy = f"add `map`, or say it by `rules`; {did_you_mean('', state_maps)}"
        findings.problem(signal.place("map"), "the state has no map", remedy, station=path)
        return None
    found = state_maps.get(shape.map)
    if found is None:
        what = f"there is no state map `{shape.map}`"
        findings.problem(signal.place("map"), what, did_you_mean(shape.map, state_maps), station=path)
        return None
    if isinstance(found, BitMap) and isinstance(signal.tag, ModbusTag):
        highest = max((rule.mask.bit_length() for rule in found.rules), default=0)
        if signal.tag.type is DataType.STRING:
            what = f"the map {shape.map} looks at bits, and a text has none"
            findings.problem(signal.place("type"), what, f"write `type: {unsigned_of(highest)}`", station=path)
        elif highest > (bits := bits_of(signal.tag)):
            what = f"the map {shape.map} looks at bit {highest - 1}, and this tag has the bits 0 to {bits - 1}"
            findings.problem(signal.place("map"), what, _wider(signal.tag, highest), station=path)
    return StateSignal(found)


def _wider(tag: ModbusTag, bits: int) -> str:
    """How so many bits are read in place of the tag."""
    if tag.bits is not None or tag.bit is not None:
        key = "bits" if tag.bit is None else "bit"
        return f"correct `{key}`, or delete it and read the whole word: `type: {unsigned_of(bits)}`"
    if tag.table in (Table.COIL, Table.DISCRETE):
        return f"read as many as the map names: `count: {bits}`"
    return f"read the whole status word: `type: {unsigned_of(bits)}`"


def _counter(signal: Signal, shape: ProductCounterShape, zone: ZoneInfo, findings: Findings) -> CounterSignal | None:
    if shape.pulse:
        return _pulse(signal, shape, findings)
    if shape.min_pulse_ms is not None:
        what, remedy = "`min_pulse_ms` has no meaning without `pulse`", "add `pulse: true`, or delete it"
        findings.warning(signal.place("min_pulse_ms"), what, remedy, station=signal.station.path)
    path, shown = signal.station.path, width(signal.tag)
    modulus = shape.modulus or shown
    if is_bit(signal.tag):
        remedy = (
            "use a totaliser that the controller keeps; where it keeps none, `pulse: true` counts how often it is set"
        )
        findings.problem(signal.place("type"), "a single bit cannot be counted", remedy, station=path)
        return None
    by_register = isinstance(signal.tag, ModbusTag) and signal.tag.scale_address is not None
    if isinstance(signal.tag, ModbusTag) and signal.tag.type is DataType.STRING:
        what, remedy = "a text cannot be counted", "read the totaliser as a number: `type: uint32`"
        findings.problem(signal.place("type"), what, remedy, station=path)
        return None
    if signal.tag.scale != 1 or signal.tag.offset != 0 or by_register:
        remedy = "delete `scale`, `offset` and `scale_address`: the raw totaliser is needed to tell a wrap from a reset"
        if signal.tag.scale > 1 and signal.tag.scale.is_integer():
            remedy += (
                f"; if one count stands for {signal.tag.scale:g} units, write `units_per_count: {signal.tag.scale:g}`"
            )
        findings.problem(
            signal.place("scale_address" if by_register else "scale"), "a totaliser is not scaled", remedy, station=path
        )
    if shape.max_per_hour is None:
        remedy = "add it: more units than the station can ever make in an hour (60 at 11 min a car is generous)"
        findings.problem(signal.place("max_per_hour"), "the counter has no `max_per_hour`", remedy, station=path)
        return None
    if modulus is None:
        remedy = "add it: 65536 for UInt16, 4294967296 for UInt32, 2147483648 for Int32"
        findings.problem(signal.place("modulus"), "the counter has no `modulus`", remedy, station=path)
        return None
    integer = isinstance(signal.tag, ModbusTag) and signal.tag.type in SIGNED
    signed = shape.signed or (integer and shown is not None and modulus == 2 * shown)
    if shown is not None and modulus > shown * (2 if integer else 1):
        what = f"the counter cannot wrap at {modulus}: its type ends at {shown - 1}"
        findings.problem(signal.place("modulus"), what, f"give {shown}, or correct the type", station=path)
    modulus *= shape.units_per_count
    wrap_h = modulus / shape.max_per_hour
    if wrap_h < SHORTEST_WRAP_H:
        what = f"at {shape.max_per_hour:g} units an hour the counter wraps within {wrap_h:.3g} h"
        remedy = "a longer gap cannot be reconciled; use a wider counter, or lower `max_per_hour` to what is possible"
        findings.warning(signal.place("modulus"), what, remedy, station=path)
    schedule = _schedule(signal, shape, zone, findings)
    kind, product = _counted(signal)
    return CounterSignal(
        CounterSetup(
            kind,
            modulus,
            shape.reset,
            shape.max_per_hour,
            schedule,
            units_per_count=shape.units_per_count,
            down=shape.counts == "down",
            signed=signed,
            product=product,
        )
    )


def _counted(signal: Signal) -> tuple[CountKind, ProductId | None]:
    """What a counter counts, and the product that it counts alone."""
    totaliser = totaliser_of_signal(signal.name)
    assert totaliser is not None
    return kind_and_product(totaliser)


def _pulse(signal: Signal, shape: ProductCounterShape, findings: Findings) -> CounterSignal | None:
    """A bit whose rising edges are counted; the file must say how long a pulse lasts, as shorter ones are lost."""
    path = signal.station.path
    for key in sorted(NOT_OF_PULSES & shape.model_fields_set):
        what = f"`{key}` is of a totaliser, and pulses are counted here"
        findings.problem(signal.place(key), what, "delete it, or delete `pulse`", station=path)
    if isinstance(signal.tag, ModbusTag) and not is_bit(signal.tag):
        what = "a pulse is a coil, a discrete input, or one `bit` of a register"
        findings.problem(signal.place("pulse"), what, "add `bit` or `table`, or delete `pulse`", station=path)
    if shape.max_per_hour is None or shape.min_pulse_ms is None:
        missing = "max_per_hour" if shape.max_per_hour is None else "min_pulse_ms"
        remedy = f"add `{missing}`; a pulse or a pause that is shorter than two looks at the bit is lost"
        findings.problem(signal.place(missing), f"a counted pulse needs `{missing}`", remedy, station=path)
        return None
    every_ms, key = _looked_at(signal)
    if shape.min_pulse_ms < 2 * every_ms:
        what = f"pulses of {shape.min_pulse_ms:g} ms are lost: the bit is looked at every {every_ms} ms"
        remedy = _more_often(signal, key, int(shape.min_pulse_ms / 2))
        findings.problem(signal.place("min_pulse_ms"), what, remedy, station=path)
    remedy = "use a totaliser, if the controller keeps one; each time that was not watched is flagged for a decision"
    findings.warning(signal.place("pulse"), "pulses in a gap are not known", remedy, station=path)
    modulus, (kind, product) = MOST_PULSES * shape.units_per_count, _counted(signal)
    setup = CounterSetup(
        kind,
        modulus,
        ResetPolicy.NEVER,
        shape.max_per_hour,
        units_per_count=shape.units_per_count,
        product=product,
    )
    is_polled = not isinstance(signal.settings, OpcUaController) or signal.settings.mode == "poll"
    shortest = timedelta(milliseconds=shape.min_pulse_ms) if is_polled else None
    return CounterSignal(setup, pulse=True, shortest_pulse=shortest)


def _more_often(signal: Signal, key: str, wanted_ms: int) -> str:
    longer = "let the program hold the bit longer"
    if wanted_ms < (0 if key == "sampling_interval_ms" else SHORTEST_INTERVAL_MS):
        return longer
    own = getattr(signal.tag, key, None)
    of_controller = getattr(signal.settings, key)
    if own is None:
        where = " of the controller"
    else:
        where = " here and of the controller" if key == "poll_interval_ms" and wanted_ms < of_controller else ""
    return f"lower `{key}`{where} to {wanted_ms}, or {longer}"


def _looked_at(signal: Signal) -> tuple[int, str]:
    """How often the tag is looked at, in milliseconds, and the key that says so."""
    tag, settings = signal.tag, signal.settings
    if isinstance(settings, OpcUaController) and settings.mode == "subscribe":
        assert isinstance(tag, OpcUaTag)
        own = tag.sampling_interval_ms
        return (settings.sampling_interval_ms if own is None else own), "sampling_interval_ms"
    if isinstance(settings, OpcUaController):
        return settings.publish_interval_ms, "publish_interval_ms"
    assert isinstance(tag, ModbusTag)
    return tag.poll_interval_ms or settings.poll_interval_ms, "poll_interval_ms"


def _schedule(signal: Signal, shape: ProductCounterShape, zone: ZoneInfo, findings: Findings) -> ResetSchedule | None:
    path = signal.station.path
    for number, clock in enumerate(shape.resets_at):
        if clock in shape.resets_at[:number]:
            place = signal.station.origin(*signal.within, "resets_at", number)
            findings.problem(place, f"{clock} is given twice", "delete one of the two", station=path)
    if not shape.resets_at:
        if "reset_tolerance_s" in shape.model_fields_set:
            remedy = "add `resets_at`, the local times at which the controller sets the counter to zero, or delete it"
            place = signal.place("reset_tolerance_s")
            findings.warning(place, "`reset_tolerance_s` has no meaning without `resets_at`", remedy, station=path)
        return None
    tolerance = timedelta(seconds=shape.reset_tolerance_s)
    return ResetSchedule(zone, tuple(map(time.fromisoformat, shape.resets_at)), tolerance)


def _unit_log(signal: Signal, shape: UnitLogShape, findings: Findings) -> UnitLogSignal | None:
    tag = signal.tag
    if isinstance(tag, ModbusTag) and (tag.type is not DataType.STRING or tag.count < 2):
        what = "a unit log is a list of texts"
        remedy = "give `type: string`, `length` in bytes and `count`, the number of entries"
        findings.problem(signal.place("type"), what, remedy, station=signal.station.path)
        return None
    return UnitLogSignal(shape.modulus)


def _check_parts(station: Resolved, shape: UnitShape, findings: Findings) -> None:
    """The parts of an id stand alone, are several, and are read together."""
    beside = sorted(key for key in shape.model_fields_set - {"parts"} if getattr(shape, key) is not None)
    if beside and shape.parts:
        what, remedy = f"`{beside[0]}` stands beside `parts`", "delete it, or move it into a part"
        findings.problem(station.origin("signals", "unit_id", beside[0]), what, remedy, station=station.path)
    place = station.origin("signals", "unit_id", "parts")
    if len(shape.parts) == 1:
        what, remedy = "one part is the whole id", "write it without `parts`, or add the others"
        findings.problem(place, what, remedy, station=station.path)
    if len({part.controller or station.shape.controller for part in shape.parts}) > 1:
        what, remedy = "the parts are of several controllers", "read an id from one; two are never read at one moment"
        findings.problem(place, what, remedy, station=station.path)
    for key in INTERVALS:
        if len({getattr(part, key) for part in shape.parts}) > 1:
            what, remedy = f"the parts have different `{key}`", "give all of them the same: an id is read at one moment"
            findings.problem(place, what, remedy, station=station.path)


def check_complete(station: Resolved, findings: Findings) -> None:
    """A station needs a state and something that counts."""
    signals = station.shape.signals
    if signals.unit_id is not None:
        _check_parts(station, signals.unit_id, findings)
    place = station.origin("signals")
    if signals.state is None:
        if signals.good_count is None and signals.total_count is None:
            remedy = "add `signals: {state: …}`: without it no second can be accounted for"
            findings.problem(place, "there is no state signal", remedy, station=station.path)
        elif "stopped_after_cycles" not in station.shape.model_fields_set:
            cycles = station.shape.stopped_after_cycles
            what = (
                f"no state signal: it is producing while parts come, and down after {cycles:g} ideal cycles without one"
            )
            remedy = f"if the controller shows no state, say so: `stopped_after_cycles: {cycles:g}`, or another limit"
            findings.warning(place, what, remedy, station=station.path)
    elif "stopped_after_cycles" in station.shape.model_fields_set:
        remedy = "delete it; it is for stations without a state signal"
        place_of_it = station.origin("stopped_after_cycles")
        findings.warning(place_of_it, "`stopped_after_cycles` has no meaning here", remedy, station=station.path)
    if signals.good_count is None and signals.total_count is None:
        remedy = "add `good_count`, or `total_count` with `reject_count`"
        findings.warning(place, "nothing counts units here, so there is no OEE", remedy, station=station.path)


def told_by_counts(station: Resolved, planned: StationStandard) -> ToldByCounts | None:
    """How counts tell the state of a station without a state signal, by its longest ideal cycle."""
    ideal = planned.ideal_cycle.values()
    if station.shape.signals.state is not None or not ideal:
        return None
    return ToldByCounts(station.shape.stopped_after_cycles * max(ideal))


def standard(station: Resolved, products: Sequence[str], findings: Findings) -> StationStandard:
    """Ideal cycle times and the limit of minor stops; every product must be named, if only to say it never comes."""
    given = station.shape.ideal_cycle_s
    for name in given:
        if name not in products and name != ANY:
            place = station.origin("ideal_cycle_s", name)
            remedy = did_you_mean(name, [*products, ANY])
            findings.problem(place, f"there is no product `{name}`", remedy, station=station.path)
    missing = [name for name in products if name not in given and ANY not in given]
    if missing:
        what = f"there is no ideal cycle time for {', '.join(missing)}"
        remedy = f"add `{missing[0]}: SECONDS`, or `{missing[0]}: null` where it never comes here"
        findings.problem(station.origin("ideal_cycle_s"), what, remedy, station=station.path)
    ideal = {
        None if name == ANY else ProductId(name): timedelta(seconds=seconds)
        for name, seconds in given.items()
        if seconds is not None
    }
    minor_s = DEFAULT_MINOR_STOP_S if station.shape.minor_stop_s is None else station.shape.minor_stop_s
    return StationStandard(ideal_cycle=ideal, minor_stop=timedelta(seconds=minor_s))
