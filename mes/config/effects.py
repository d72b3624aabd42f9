"""Keys of a signal that have no effect where they stand: on another kind of value, or on another kind of signal."""

from collections.abc import Iterator, Mapping

from adapters.settings import SIGNED, ByteOrder, DataType, ModbusTag
from mes.collect.states import BitMap, StateMap
from mes.config.alarm_tables import AlarmTable
from mes.config.findings import Findings
from mes.config.models.plant import CounterShape, FaultShape, ProcessShape, SignalShape, StateShape, TextShape
from mes.config.source import Place
from mes.config.stations import Resolved
from mes.config.tags import Tag, is_bit

NUMBERS_ONLY = ("scale", "offset")
TEXTS_ONLY = ("charset", "length")
SWAPPED = frozenset({ByteOrder.BADC, ByteOrder.DCBA})
_Without = tuple[str, str]  # a key, and what it has no effect on


def check_effects(
    station: Resolved,
    within: Place,
    shape: SignalShape,
    tag: Tag,
    state_maps: Mapping[str, StateMap],
    alarm_tables: Mapping[str, AlarmTable],
    findings: Findings,
) -> None:
    """Warns about each key that is given, is not its default, and changes nothing of what the signal shows."""
    _check_kind(station, within, shape, tag, findings)
    useless = dict(_of_value(tag))
    for key, why in _of_signal(shape, tag, state_maps, alarm_tables):
        useless.setdefault(key, why)
    for key, why in useless.items():
        given, named = getattr(shape, key, None), key.rstrip("_")
        default = type(tag).model_fields[key].default if key in type(tag).model_fields else None
        if given is not None and given != default and key in shape.model_fields_set:
            place, what = station.origin(*within, named), f"`{named}` has no effect on {why}"
            findings.warning(place, what, _remedy(key, tag), station=station.path)


def _remedy(key: str, tag: Tag) -> str:
    if key in TEXTS_ONLY and isinstance(tag, ModbusTag):
        return "delete it; a text has `type: string`"
    return "delete it, or move it to the signal that it is meant for"


def _of_value(tag: Tag) -> Iterator[_Without]:
    """What the value itself makes useless."""
    if not isinstance(tag, ModbusTag):
        if tag.conditions is not None:
            keys = (*NUMBERS_ONLY, "bits", "no_value", "charset", "sampling_interval_ms")
            yield from ((key, "alarms, which are events") for key in keys)
        return
    bit, is_text = is_bit(tag), tag.type is DataType.STRING
    what = "a single bit" if bit else "a text" if is_text else f"a number of type {tag.type}"
    if not is_text:
        yield from ((key, what) for key in TEXTS_ONLY)
    if bit or is_text or tag.type is DataType.BITS:
        yield from ((key, what) for key in NUMBERS_ONLY)
    if tag.type is DataType.BOOL or (tag.order not in SWAPPED and (is_text or tag.element_size == 1)):
        yield "order", f"{what}: it swaps no bytes of one register"


def _of_signal(
    shape: SignalShape, tag: Tag, state_maps: Mapping[str, StateMap], alarm_tables: Mapping[str, AlarmTable]
) -> Iterator[_Without]:
    """What the signal makes useless."""
    is_modbus = isinstance(tag, ModbusTag)
    match shape:
        case CounterShape():
            yield "charset", "a counter"
            if shape.pulse:
                yield from ((key, "a pulse") for key in NUMBERS_ONLY)
            elif isinstance(tag, ModbusTag) and (tag.type not in SIGNED or tag.bits is not None):
                yield "signed", f"type {tag.type}, which is never negative"
        case ProcessShape():
            yield "charset", "a measured value"
        case StateShape() if isinstance(state_maps.get(shape.map or ""), BitMap):
            yield "charset", "a word of bits"
        case FaultShape():
            has_bits = bool(alarm_tables.get(shape.alarms or "", AlarmTable()).bits)
            if has_bits:
                yield "none", "an alarm word: a bit that is no fault stands in its table without a code"
                yield "charset", "an alarm word"
            else:
                yield "is_", "a fault code: `none` says what is no fault"
            if not is_modbus and (not has_bits or tag.bits is not None or shape.conditions is not None):
                yield "word_bits", "what is no array of alarm words"
        case TextShape() if is_bit(tag):
            yield "characters", "a single bit"
        case _:
            return


def _check_kind(station: Resolved, within: Place, shape: SignalShape, tag: Tag, findings: Findings) -> None:
    """A measured value that is no number: it is never recorded."""
    is_text = isinstance(tag, ModbusTag) and tag.type is DataType.STRING
    if isinstance(shape, ProcessShape) and (is_bit(tag) or is_text):
        what = f"{'a text' if is_text else 'a single bit'} is no measured value, and is never recorded"
        remedy = "read a number; a bit or a text may be a `fault_code`, or stand in `rules` of the state"
        findings.warning(station.origin(*within), what, remedy, station=station.path)
