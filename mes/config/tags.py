"""The tags of a plant: where each signal is read, and which places are read twice or overlap."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from adapters.reading import TagId
from adapters.settings import (
    ByteOrder,
    Controller,
    DataType,
    ModbusNumbered,
    ModbusRtuController,
    ModbusRtuOverTcpController,
    ModbusTag,
    OpcUaController,
    OpcUaTag,
    Table,
    host_and_port,
)
from mes.collect.counters import CounterSetup
from mes.config.addresses import Mistake, address_key, node_mistake, registers
from mes.config.findings import Findings
from mes.config.models.plant import (
    CounterShape,
    FaultShape,
    ProcessShape,
    SignalShape,
    StateRuleShape,
    StateShape,
    UnitLogShape,
    UnitShape,
)
from mes.config.source import Place
from mes.config.state_maps import Say, bit_field
from mes.config.stations import BY_PRODUCT, Resolved
from mes.config.validate import sentence

Tag = OpcUaTag | ModbusTag
BYTE = 8  # bits
_TAG_KEYS = frozenset(SignalShape.model_fields) - {"shared", "controller"}
_INTERVALS = frozenset({"publish_interval_ms", "sampling_interval_ms"})
_OPC_UA_ONLY = _INTERVALS | {"node", "path", "index", "member", "accept"}
_OPC_UA_KEYS = _OPC_UA_ONLY | {"scale", "offset", "no_value", "bits", "charset", "conditions"}
_MODBUS_KEYS = _TAG_KEYS - _OPC_UA_ONLY


@dataclass(frozen=True, slots=True)
class Use:
    """A tag and what it is used for; `station` is None for a heartbeat.

    `is_decimal`: the file writes its Modbus address as a plain number, as manuals do.
    """

    tag_id: TagId
    tag: Tag
    signal: str
    station: str | None
    place: Place
    shared: bool = False
    is_decimal: bool = False


def signals(station: Resolved) -> list[tuple[str, Place, SignalShape]]:
    """The station's signals: name, place within the station, shape; in a fixed order."""
    found: list[tuple[str, Place, SignalShape]] = []
    shapes = station.shape.signals
    for name in type(shapes).model_fields:
        signal = getattr(shapes, name)
        if isinstance(signal, StateShape) and signal.rules:
            found += _conditions(signal.rules)
        elif name == "fault_code":
            found += _fault_codes(shapes.fault_code)
        elif isinstance(signal, CounterShape) and signal.by_product:
            found += [
                (f"{name}.{product}", ("signals", name, BY_PRODUCT, product), counter)
                for product, counter in signal.by_product.items()
            ]
        elif isinstance(signal, UnitShape) and signal.parts:
            found += [
                (f"{name}.{number}", ("signals", name, "parts", number - 1), part)
                for number, part in enumerate(signal.parts, start=1)
            ]
        elif isinstance(signal, SignalShape):
            found.append((name, ("signals", name), signal))
    for name, process in shapes.process.items():
        assert isinstance(process, ProcessShape)
        found.append((f"process.{name}", ("signals", "process", name), process))
    return found


def _fault_codes(faults: Sequence[FaultShape]) -> Iterator[tuple[str, Place, SignalShape]]:
    """Where faults are shown: `fault_code`, and if there are several `fault_code.2` and so on."""
    for number, fault in enumerate(faults):
        within: Place = ("signals", "fault_code") if len(faults) == 1 else ("signals", "fault_code", number)
        yield f"fault_code.{number + 1}" if number else "fault_code", within, fault


def _conditions(rules: Sequence[StateRuleShape]) -> Iterator[tuple[str, Place, SignalShape]]:
    """What the rules look at: `state.1` is the first rule's value, `state.1.2` the second that it wants beside it."""
    for number, rule in enumerate(rules):
        within = ("signals", "state", "rules", number)
        yield f"state.{number + 1}", within, rule
        for beside, condition in enumerate(rule.and_):
            yield f"state.{number + 1}.{beside + 1}", (*within, "and", beside), condition


def tag(
    station: Resolved, within: Place, signal: SignalShape, controller: Controller, findings: Findings
) -> Tag | None:
    """The tag that a signal is read from; None where the file does not give one that can be."""
    given = {key: value for key in sorted(_TAG_KEYS) if (value := getattr(signal, key)) is not None}
    if isinstance(signal, FaultShape) and signal.conditions is not None:
        given["conditions"] = signal.conditions
    opc_ua = isinstance(controller, OpcUaController)
    foreign = sorted(given.keys() - (_OPC_UA_KEYS if opc_ua else _MODBUS_KEYS))
    key = address_key(given, opc_ua=opc_ua)
    for other in foreign:
        what, remedy = _of_another_protocol(other, station, signal, opc_ua=opc_ua, has_place=key in given)
        _say(station, (*within, other), what, remedy, findings)
    if isinstance(controller, OpcUaController) and controller.mode == "poll":
        _check_polled(station, within, given.keys(), signal.controller or station.shape.controller or "", findings)
    if foreign or key not in given:
        if not foreign:
            remedy = "add `node: nsu=<namespace URI>;s=<id>`, or `path`" if opc_ua else "add `address`, counted from 0"
            _say(station, within, f"`{key}` is missing", remedy, findings)
        return None
    wire = (
        node_mistake(key, given) if isinstance(controller, OpcUaController) else registers(given, controller.numbering)
    )
    if isinstance(wire, Mistake):
        _say(station, (*within, wire.key), wire.what, wire.remedy, findings)
        return None
    given |= wire or {}
    if not _in_full(given, lambda at, what, remedy: _say(station, (*within, at), what, remedy, findings)):
        return None
    if (problem := _interval_problem(signal, controller)) is not None:
        _say(station, (*within, "poll_interval_ms"), *problem, findings)
        return None
    try:
        if opc_ua:
            octets = isinstance(signal, FaultShape) and signal.word_bits == BYTE
            return OpcUaTag(**given, single=not isinstance(signal, UnitLogShape | FaultShape), octets=octets)
        return ModbusTag(**given, together=station.path if "parts" in within else None)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _say(station, (*within, *detail["loc"]), *sentence(detail), findings)
        return None


def _of_another_protocol(
    key: str, station: Resolved, signal: SignalShape, *, opc_ua: bool, has_place: bool
) -> tuple[str, str]:
    """What is wrong with a key that the controller's protocol does not know, and what to do."""
    protocol, instead = ("OPC UA", "use `node`") if opc_ua else ("Modbus", "use `address`, `table`, `type`")
    if has_place:
        instead = f"write `bits: {signal.bit}-{signal.bit}`" if opc_ua and key == "bit" else "delete it"
    what = f"`{key}` does not go with {protocol}, which {signal.controller or station.shape.controller} speaks"
    return what, f"{instead}, or name another controller"


def _in_full(given: dict[str, Any], say: Say) -> bool:
    """Whether what the file writes in a short way can be; it is put as the adapters take it."""
    if given.get("table") in (Table.COIL, Table.DISCRETE):
        given.setdefault("type", DataType.BOOL)
    if "no_value" in given and not isinstance(given["no_value"], list):
        given["no_value"] = [given["no_value"]]
    if "bits" in given:
        given["bits"] = bit_field(None, given["bits"], say)
        return given["bits"] is not None
    return True


def _check_polled(station: Resolved, within: Place, given: Set[str], controller: str, findings: Findings) -> None:
    """What has no meaning where an OPC UA server is only read."""
    for interval in sorted(given & _INTERVALS):
        what = f"`{interval}` has no effect: {controller} is read by `mode: poll`"
        _say(station, (*within, interval), what, "delete it, or use `mode: subscribe`", findings)
    if "conditions" in given:
        what = f"alarms come as events, and {controller} is read by `mode: poll`"
        _say(station, (*within, "conditions"), what, "use `mode: subscribe`, or read fault codes", findings)


def _say(station: Resolved, within: Place, what: str, remedy: str, findings: Findings) -> None:
    findings.problem(station.origin(*within), what, remedy, station=station.path)


def _interval_problem(signal: SignalShape, controller: Controller) -> tuple[str, str] | None:
    """A tag that should be polled more often than its controller is."""
    every_ms = signal.poll_interval_ms
    if every_ms is None or isinstance(controller, OpcUaController) or every_ms >= controller.poll_interval_ms:
        return None
    what = f"{every_ms} ms is shorter than the controller's `poll_interval_ms`, {controller.poll_interval_ms}"
    return what, "lower that of the controller, and give the tags that may wait longer ones"


def check_uses(uses: Sequence[Use], findings: Findings) -> None:
    """One controller's tags: what is read for two purposes, and values that share a part of their registers."""
    _doubles(uses, findings)
    _counted_twice(uses, findings)
    runs = [(run, use) for use in uses if isinstance(use.tag, ModbusTag) for run in use.tag.runs]
    runs.sort(key=lambda pair: (pair[0].start, len(pair[0])))
    for index, (run, left) in enumerate(runs):
        for other, right in runs[index + 1 :]:
            if other.start >= run.stop:
                break
            if _place(left.tag) != _place(right.tag) and not _may_overlap(left, right):
                what = f"{span(right.tag)} overlaps {left.tag_id}, {span(left.tag)}"
                remedy = "look at the type, the length and the address of both"
                findings.warning(right.place, what, remedy, station=right.station)


def _doubles(uses: Sequence[Use], findings: Findings) -> None:
    """The same place for two signals of a station, or for one that only one station can own, is a mistake."""
    first: dict[object, Use] = {}
    for use in uses:
        if use.station is None:
            continue
        other = first.setdefault(_place(use.tag), use)
        shared = other.station != use.station and use.signal == other.signal and not _owned(use.signal)
        if other is not use and not shared and not (use.shared and not _counts(use.signal)):
            what = f"`{span(use.tag)}` is read for {other.tag_id} already"
            remedy = "look for a copied address or a wrong value in `with`" + (
                "; one totaliser counts for one signal of one station"
                if _counts(use.signal)
                else "; if both are right, write `shared: true` here"
            )
            findings.problem(use.place, what, remedy, station=use.station)


def _counted_twice(uses: Sequence[Use], findings: Findings) -> None:
    """Two counters of one number that share some of its bits, which would count for both."""
    counters: dict[object, list[Use]] = {}
    for use in (use for use in uses if _counts(use.signal)):
        others = counters.setdefault(_whole(use.tag), [])
        for other in others:
            if _place(use.tag) != _place(other.tag) and _share_bits(use.tag, other.tag):
                what = f"{span(use.tag)} shares bits with {other.tag_id}, {span(other.tag)}"
                remedy = "correct `bits` of one of the two: the same bits would count for both"
                findings.problem(use.place, what, remedy, station=use.station)
        others.append(use)


def _whole(tag: Tag) -> object:
    """Where the whole number is of which a tag may be some bits."""
    return tag.place if isinstance(tag, OpcUaTag) else (tag.table, tag.runs)


def _share_bits(left: Tag, right: Tag) -> bool:
    """Whether two tags of one number have bits in common; a tag without a field of bits has all of them."""
    (first, last), (other_first, other_last) = _field(left), _field(right)
    return first <= other_last and other_first <= last


def _field(tag: Tag) -> tuple[int, int]:
    if isinstance(tag, ModbusTag) and tag.bit is not None:
        return tag.bit, tag.bit
    return tag.bits or (0, 63)


def _owned(signal: str) -> bool:
    """Whether it would count or time the same thing at two stations."""
    return _counts(signal) or signal == "state"


def _counts(signal: str) -> bool:
    return signal.partition(".")[0].endswith("_count") or signal == "unit_log"


def is_bit(tag: Tag) -> bool:
    """Whether it is a single bit of a Modbus device: true or false, and no number."""
    return isinstance(tag, ModbusTag) and (tag.type is DataType.BOOL or tag.bit is not None)


def _place(tag: Tag) -> object:
    match tag:
        case OpcUaTag():
            return tag.place, tag.bits
        case ModbusTag():
            return tag.table, tag.runs, tag.bit, tag.bits


def _may_overlap(left: Use, right: Use) -> bool:
    """Whether two values that share a register are meant to, or it is said already; bits of one register may."""
    one, other = left.tag, right.tag
    if not isinstance(one, ModbusTag) or not isinstance(other, ModbusTag) or one.table is not other.table:
        return True
    if one.runs == other.runs and _counts(left.signal) and _counts(right.signal):
        return True
    return one.size == other.size == 1 or (one.runs == other.runs and None not in (one.bits, other.bits))


def span(tag: Tag) -> str:
    """Where a tag is read, in a few words."""
    match tag:
        case OpcUaTag():
            return tag.place + _bits(tag)
        case ModbusTag():
            return tag.place + ("" if tag.bit is None else f" bit {tag.bit}") + _bits(tag)


def _bits(tag: Tag) -> str:
    return "" if tag.bits is None else f" bits {tag.bits[0]}-{tag.bits[1]}"


def source(tag: Tag, settings: Controller, counter: CounterSetup | None) -> str:
    """The value in the plant that a tag is, in one canonical text: two texts are equal if it is the same value.

    A controller is known by where it is, so that one with a new name is still the same. `counter`: of a totaliser.
    """
    parts = [_endpoint(settings)]
    match tag:
        case OpcUaTag():
            parts.append(tag.place)
        case ModbusTag():
            swapped = tag.order in (ByteOrder.BADC, ByteOrder.DCBA)
            order = str(tag.order) if tag.element_size > 1 and tag.type is not DataType.STRING else "BA" * swapped
            size = "" if tag.length is None else f"length {tag.length}"
            bit = "" if tag.bit is None else f"bit {tag.bit}"
            parts += [tag.start, str(tag.type), order, bit, size]
            parts += [f"count {tag.count}"] if tag.count > 1 else []
    parts.append(_bits(tag).strip())
    parts += [f"scale {tag.scale:g} offset {tag.offset:g}"] if (tag.scale, tag.offset) != (1.0, 0.0) else []
    if isinstance(tag, ModbusTag) and tag.scale_address is not None:
        parts.append(f"power of ten {tag.scale_address}")
    if counter is not None:
        parts.append(f"modulus {counter.modulus}")
        parts += [f"units {counter.units_per_count}"] if counter.units_per_count > 1 else []
        parts += ["down"] if counter.down else []
        parts += ["signed"] if counter.signed else []
    return " ".join(part for part in parts if part)


def _endpoint(settings: Controller) -> str:
    match settings:
        case OpcUaController():
            host, port = host_and_port(settings.first_url)
            return f"opc.tcp://{host.lower()}:{port}"
        case ModbusRtuController():
            return f"modbus {settings.device} unit {settings.unit}"
        case ModbusNumbered() | ModbusRtuOverTcpController():
            return f"modbus {settings.host.lower()}:{settings.port} unit {settings.unit}"


def bits_of(tag: ModbusTag) -> int:
    """How many bits a tag has as one word, all of its elements together."""
    if tag.bits is not None:
        return tag.count * (tag.bits[1] - tag.bits[0] + 1)
    return tag.count * (1 if is_bit(tag) else 16 * tag.element_size)


def width(tag: Tag) -> int | None:
    """How many values an integer tag can show, where its type says so."""
    if tag.bits is not None:
        return 1 << (tag.bits[1] - tag.bits[0] + 1)
    widths: Mapping[DataType, int] = {
        DataType.BITS: 2**16,
        DataType.UINT16: 2**16,
        DataType.INT16: 2**15,
        DataType.UINT32: 2**32,
        DataType.INT32: 2**31,
        DataType.UINT64: 2**64,
        DataType.INT64: 2**63,
        DataType.BCD16: 10**4,
        DataType.BCD32: 10**8,
    }
    return widths.get(tag.type) if isinstance(tag, ModbusTag) else None
