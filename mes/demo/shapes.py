"""The controllers of a plant's file as the simulator serves them: what each signal shows of its station, and where."""

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from adapters.modbus.line import address
from adapters.reading import ControllerId, TagId
from adapters.settings import (
    Controller,
    DataType,
    ModbusRtuController,
    ModbusRtuOverTcpController,
    ModbusTag,
    OpcUaController,
    OpcUaTag,
    Table,
)
from mes.collect.counters import CounterSetup, ResetPolicy
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
)
from mes.config.build import PlantConfig
from mes.demo.derived import Codes, fault_codes
from mes.demo.states import ShownStates, Unsayable, states_of
from mes.errors import ConfigError
from mes.model import CountKind, StationId
from simulators.line import BREAKDOWN_FAULTS, FAULTS, FORCED_FAULT, MINOR_FAULTS, StationSpec
from simulators.mapping import LOG_SLOTS, SEQUENCE_MODULUS, Zeros
from simulators.modbus_server import Table as ServedTable
from simulators.opcua_server import NodeType
from simulators.shape import (
    AlarmWord,
    ControllerShape,
    Counted,
    Lookup,
    Measured,
    NodePlace,
    RegisterPlace,
    Shown,
    Source,
    Totaliser,
    UnitLog,
    UnitText,
)

NODE = re.compile(r"nsu=(?P<space>[^;]*);s=(?P<name>.*)", re.DOTALL)
RESULTS: Mapping[CountKind, tuple[Counted, ...]] = {
    CountKind.GOOD: ("good",),
    CountKind.REWORK: ("rework",),
    CountKind.SCRAP: ("scrap",),
    CountKind.TOTAL: ("good", "rework", "scrap"),
}
_TABLES: Mapping[Table, ServedTable] = {
    Table.COIL: "coil",
    Table.DISCRETE: "discrete",
    Table.HOLDING: "holding",
    Table.INPUT: "input",
}
_U16, _U32, _MOST_BITS = 2**16, 2**32, 64
NUMBERS = {DataType.BITS, DataType.UINT16, DataType.INT16, DataType.UINT32, DataType.INT32, DataType.UINT64}


@dataclass(slots=True)
class _Work:
    """What is gathered while stations are gone through."""

    config: PlantConfig
    specs: Mapping[str, StationSpec]
    codes: Codes
    shown: dict[ControllerId, list[Shown]] = field(default_factory=lambda: defaultdict(list))
    zeros: dict[str, Zeros] = field(default_factory=dict)
    spaces: dict[ControllerId, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def shapes_of(config: PlantConfig, specs: Sequence[StationSpec], codes: Codes) -> list[ControllerShape]:
    """Every controller of the file. Raises ConfigError with all that cannot be simulated, a sentence each."""
    work = _Work(config, {spec.code: spec for spec in specs}, codes)
    for station, setup in config.setups.items():
        _station(station, setup, work)
    units = defaultdict(list)
    for name, settings in config.controllers.items():
        if not isinstance(settings, OpcUaController):
            units[address(settings)].append(name)
    lines = {name: line for line, names in units.items() for name in names if len(names) > 1}
    shapes = [_controller(name, settings, lines.get(name, ""), work) for name, settings in config.controllers.items()]
    for shape in shapes:
        work.problems += _conflicts(shape)
    if work.problems:
        raise ConfigError("this plant cannot be simulated:\n  " + "\n  ".join(dict.fromkeys(work.problems)))
    return shapes


def _controller(name: ControllerId, settings: Controller, line: str, work: _Work) -> ControllerShape:
    beat = settings.heartbeat
    tag = work.config.tags[name].get(beat.tag) if beat is not None else None
    place: NodePlace | RegisterPlace | None = None
    match tag:
        case ModbusTag():
            place = _registers(tag)
        case OpcUaTag() if not (tag.node or "").startswith("ns=0;"):  # the server's own clock runs by itself
            try:
                place = _node(name, tag, "uint32", work)
            except Unsayable as problem:
                work.problems.append(f"{name}:heartbeat: {problem}")
    stations = {shown.station for shown in work.shown[name]}
    zeros = {code: zeros for code, zeros in work.zeros.items() if code in stations}
    shown = tuple(work.shown[name])
    if isinstance(settings, OpcUaController):
        space = work.spaces.get(name, "urn:simulated")
        return ControllerShape(name=str(name), shown=shown, heartbeat=place, namespace=space, zeros=zeros)
    rtu = isinstance(settings, ModbusRtuController | ModbusRtuOverTcpController)
    return ControllerShape(
        name=str(name),
        shown=shown,
        heartbeat=place,
        framing="rtu" if rtu else "tcp",
        unit=settings.unit,
        line=line,
        zeros=zeros,
    )


def _station(station: StationId, setup: StationSetup, work: _Work) -> None:
    spec = work.specs[work.codes.of[station]]
    told = work.config.station_controllers[station]
    faults = fault_codes(setup, work.config.standards[station])
    work.zeros[spec.code] = _zeros(setup)
    try:
        state = states_of(setup)
    except Unsayable as problem:
        work.problems.append(f"{station}: {problem}")
        state = ShownStates()
    for tag_id, signal in setup.signals.items():
        controller = setup.elsewhere.get(tag_id, told)
        tag = work.config.tags[controller][tag_id]
        try:
            _check_simulated(signal, tag)
            for source, mask, shift in _sources(signal, tag_id, tag, setup, state, spec, faults):
                if isinstance(tag, ModbusTag) and tag.bit is not None:
                    mask, shift = 1 << tag.bit, tag.bit
                place = _registers(tag) if isinstance(tag, ModbusTag) else _node(controller, tag, _type(source), work)
                work.shown[controller].append(Shown(spec.code, place, source, mask, shift))
        except Unsayable as problem:
            work.problems.append(f"{tag_id}: {problem}")


def _check_simulated(signal: SignalSetup, tag: OpcUaTag | ModbusTag) -> None:
    """Raises Unsayable for a value that the simulator would show in another way than the file reads it."""
    if isinstance(signal, CounterSignal) and signal.pulse:
        raise Unsayable("pulses cannot be simulated: write a totaliser without `pulse`")
    if isinstance(signal, UnitPartSignal):
        raise Unsayable("an id of several `parts` cannot be simulated: write one value that holds it")
    if tag.bits is not None:
        raise Unsayable("a number in some bits cannot be simulated: write it without `bits`, at an address of its own")
    if not isinstance(tag, ModbusTag):
        return
    if tag.addresses:
        raise Unsayable("registers that are not neighbours cannot be simulated: write one `address`")
    if tag.scale_address is not None:
        raise Unsayable("a power of ten in a register cannot be simulated: write `scale`")
    if tag.type in (DataType.BCD16, DataType.BCD32):
        raise Unsayable(f"{tag.type} cannot be simulated: write uint16 or uint32")


def _sources(
    signal: SignalSetup,
    tag_id: TagId,
    tag: OpcUaTag | ModbusTag,
    setup: StationSetup,
    state: ShownStates,
    spec: StationSpec,
    faults: Mapping[int, str],
) -> Iterator[tuple[Source, int | None, int]]:
    """What a tag shows, and in which of its bits, all if None."""
    match signal:
        case StateSignal() | StateInputSignal():
            values = {str(now): said[tag_id] for now, said in state.values.items() if tag_id in said}
            if values:
                yield Lookup("state", values), state.masks.get(tag_id), 0
        case CounterSignal(counter):
            modulus, units = counter.modulus // counter.units_per_count, counter.units_per_count
            start = _start(counter, tag_id, near_wrap=True) if counter.reset is ResetPolicy.NEVER else None
            results, product = RESULTS[counter.kind], counter.product
            yield Totaliser(results, modulus, units, counter.down, counter.signed, start, product), None, 0
        case UnitSignal(characters=cut):
            yield UnitText(0 if cut is None else cut[0] - 1), None, 0
        case ProductSignal():
            yield _product(signal, tag, setup, spec), None, 0
        case FaultSignal():
            yield _faults(signal, tag, faults), None, 0
        case UnitLogSignal():
            count = getattr(tag, "count", LOG_SLOTS)
            if count != LOG_SLOTS or signal.modulus != SEQUENCE_MODULUS:
                raise Unsayable(
                    f"a unit log is simulated with {LOG_SLOTS} entries and `modulus: {SEQUENCE_MODULUS}` only"
                )
            yield UnitLog(_raw_products(setup, spec, numeric=False), isinstance(tag, OpcUaTag)), None, 0
        case ProcessSignal():
            yield Measured(signal.name, tag.scale, tag.offset), None, 0


def shown_codes(config: PlantConfig, station: StationId) -> dict[str, dict[int, str]]:
    """The codes that a station's simulated controllers show for each of FAULTS, by the number of the fault."""
    setup, first, second = config.setups[station], dict[int, str](), dict[int, str]()
    faults = fault_codes(setup, config.standards[station])
    for tag_id, signal in setup.signals.items():
        if not isinstance(signal, FaultSignal):
            continue
        tag = config.tags[setup.elsewhere.get(tag_id, config.station_controllers[station])][tag_id]
        match _faults(signal, tag, faults):
            case AlarmWord(bits=bits):
                second |= {int(number): faults[int(number)] for number in bits}
            case Lookup(table=table):
                first |= {int(number): str(code) for number, code in table.items()}
    return {FAULTS[0]: first | second, FAULTS[1]: second}


def _faults(signal: FaultSignal, tag: OpcUaTag | ModbusTag, faults: Mapping[int, str]) -> AlarmWord | Lookup:
    """An alarm word, or a code; a breakdown on purpose has a code that no reason names, and no bit."""
    if signal.bits:
        bits = {code: bit for bit, code in reversed(signal.bits) if code is not None}
        words = tag.count if isinstance(tag, ModbusTag) else 1
        named = {str(number): bits[code] for number, code in faults.items() if code in bits}
        return AlarmWord(named, signal.word_bits, words, rest=sum(1 << bit for bit in signal.fail_safe))
    numeric = _numeric(tag)
    codes = faults or {fault: str(fault) for fault in (*BREAKDOWN_FAULTS, *MINOR_FAULTS)}
    table = {str(number): int(code) if code.isdigit() else code for number, code in codes.items()}
    table = {number: code for number, code in table.items() if isinstance(code, int) or not numeric}
    numbers = all(isinstance(code, int) for code in table.values())
    none = next((code for code in sorted(signal.none) if code.isdigit() is numbers), "0" if numbers else "")
    return Lookup("fault", {**table, str(FORCED_FAULT): FORCED_FAULT}, int(none) if none.isdigit() else none)


def _product(signal: ProductSignal, tag: OpcUaTag | ModbusTag, setup: StationSetup, spec: StationSpec) -> Lookup:
    if signal.characters is not None:
        raise Unsayable("a product that is cut out of an id cannot be simulated: the simulated ids do not hold it")
    codes = _raw_products(setup, spec, numeric=_numeric(tag))
    numeric = all(code.isdigit() for code in codes.values())
    return Lookup(
        "product", {name: int(code) if numeric else code for name, code in codes.items()}, 0 if numeric else ""
    )


def _raw_products(setup: StationSetup, spec: StationSpec, *, numeric: bool) -> Mapping[str, str]:
    """What the controller says for each product that comes to the station."""
    found: dict[str, str] = {}
    for product in spec.ideal:
        codes = [code for code, meant in setup.products.items() if meant == product]
        fitting = [code for code in codes if code.isdigit()] if numeric else [*codes]
        if not fitting:
            kind = "a number" if numeric else "a text"
            raise Unsayable(f"the product {product} has no `raw` that is {kind} without `*` and `?`: add one")
        found[product] = fitting[0]
    return found


def _numeric(tag: OpcUaTag | ModbusTag) -> bool:
    return isinstance(tag, ModbusTag) and tag.type in NUMBERS


def _registers(tag: ModbusTag) -> RegisterPlace:
    return RegisterPlace(
        table=_TABLES[tag.table],
        address=tag.address,
        type="uint16" if tag.bit is not None else str(tag.type),
        order=str(tag.order),
        length=tag.length or 0,
        count=tag.count,
    )


def _node(controller: ControllerId, tag: OpcUaTag, kind: NodeType, work: _Work) -> NodePlace:
    """The variable of a tag. Raises Unsayable for all but text ids of one namespace."""
    found = NODE.fullmatch(tag.node or "")
    if found is None or tag.index is not None or tag.member is not None:
        raise Unsayable(
            f"{tag.place} cannot be simulated: write `node: nsu=URI;s=NAME`, without `path`, `index` and `member`"
        )
    space = work.spaces.setdefault(controller, found["space"])
    if space != found["space"]:
        raise Unsayable(f"a simulated server has one namespace, and {controller} has {space} and {found['space']}")
    return NodePlace(found["name"], kind)


def _type(source: Source) -> NodeType:
    """The type that a program would choose for what a variable shows."""
    match source:
        case Lookup(field="state", table=table) if all(value in (0, 1) for value in table.values()):
            return "bool"
        case Lookup(table=table):
            return "string" if any(isinstance(value, str) for value in table.values()) else "int32"
        case Totaliser(signed=True, modulus=modulus):
            return "int32" if modulus <= _U32 else "int64"
        case Totaliser(modulus=modulus):
            return "uint16" if modulus <= _U16 else "uint32" if modulus <= _U32 else "uint64"
        case AlarmWord(bits=bits):
            highest = max(bits.values(), default=0)
            if highest >= _MOST_BITS:
                raise Unsayable(f"an alarm word with bit {highest} on OPC UA cannot be simulated, 63 is the last one")
            return "uint64" if highest >= _MOST_BITS // 2 else "uint32"
        case UnitText():
            return "string"
        case Measured():
            return "double"
        case UnitLog():
            return "string[]"
        case _:
            assert_never(source)


def _zeros(setup: StationSetup) -> Zeros:
    """What totalisers that may be reset show at first, in units.

    Without a unit log it cannot be decided whether one that fell in a gap was reset or wrapped: these do not wrap.
    """
    found = {"good": 0, "rework": 0, "scrap": 0}
    for tag_id, signal in setup.signals.items():
        if isinstance(signal, CounterSignal) and signal.setup.product is None:
            found[RESULTS[signal.setup.kind][0]] = _start(signal.setup, tag_id, near_wrap=setup.has_unit_log)
    return Zeros(**found)


def _start(counter: CounterSetup, tag_id: TagId, *, near_wrap: bool) -> int:
    """A short counter stands some counts before its wrap, or in the middle; a long one anywhere."""
    rng = random.Random(f"start of {tag_id}")
    modulus = counter.modulus // counter.units_per_count
    long = modulus > _U16
    counts = rng.randint(1000, 2**20) if long else modulus - rng.randint(3, 12) if near_wrap else modulus // 3
    return counts * counter.units_per_count


def _conflicts(shape: ControllerShape) -> Iterator[str]:
    """Places that two stations, or two signals, would set differently."""
    owners: dict[NodePlace | RegisterPlace, list[Shown]] = defaultdict(list)
    for shown in shape.shown:
        for other in owners[shown.place]:
            if shown.mask is None or other.mask is None or shown.mask & other.mask:
                yield (
                    f"{shape.name}: {other.station} and {shown.station} read the same value, which cannot be "
                    "simulated: simulated stations have values of their own"
                )
        owners[shown.place].append(shown)
