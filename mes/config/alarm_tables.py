"""Alarm tables: bits of alarm words with their codes, and the texts of fault codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapters.settings import UNSIGNED, DataType, ModbusTag
from mes.collect.values import code
from mes.config.fault_texts import FaultTexts, fault_texts
from mes.config.findings import Findings
from mes.config.models.alarms import AlarmTableShape, AlarmTextShape
from mes.config.models.plant import FaultShape
from mes.config.names import fault_key
from mes.config.problems import did_you_mean
from mes.config.source import Place
from mes.config.stations import Resolved
from mes.config.tags import Tag, bits_of
from mes.translations import LANGUAGES

Texts = Mapping[str, str]  # by language
WORDS = frozenset({DataType.BOOL, DataType.INT16, DataType.INT32, DataType.INT64}) | UNSIGNED


@dataclass(frozen=True, slots=True)
class AlarmTable:
    """The bits of an alarm word, each with its code or None where it is no fault; texts by code and language.

    `set_is_fault`: of bits of which the file says whether they are a fault while they are set.
    """

    bits: tuple[tuple[int, str | None], ...] = ()
    set_is_fault: Mapping[int, bool] = field(default_factory=dict)
    texts: Mapping[str, Texts] = field(default_factory=dict)


def alarm_tables(shapes: Mapping[str, AlarmTableShape], findings: Findings) -> dict[str, AlarmTable]:
    """All tables by name; what is wrong with one is reported."""
    return {name: _table(shape, ("alarm_tables", name), findings) for name, shape in shapes.items()}


def check_used(tables: Mapping[str, AlarmTable], stations: Sequence[Resolved], findings: Findings) -> None:
    """Warns about tables that no station uses."""
    used = {fault.alarms for station in stations for fault in station.shape.signals.fault_code}
    for name in tables.keys() - used:
        remedy = f"write `alarms: {name}` at the `fault_code` that it explains, or delete it"
        findings.unused(("alarm_tables", name), "no station uses this alarm table", remedy)


def table_of(
    station: Resolved, within: Place, shape: FaultShape, tables: Mapping[str, AlarmTable], findings: Findings
) -> AlarmTable:
    """The table that explains a station's faults; an empty one where none is named."""
    if shape.alarms is None:
        return AlarmTable()
    if shape.alarms not in tables:
        what = f"there is no alarm table `{shape.alarms}`"
        place, remedy = station.origin(*within, "alarms"), did_you_mean(shape.alarms, tables)
        findings.problem(place, what, remedy, station=station.path)
    return tables.get(shape.alarms, AlarmTable())


def fault_names(
    tables: Mapping[str, AlarmTable], stations: Sequence[Resolved], findings: Findings
) -> Mapping[str, Texts]:
    """The texts of every station's fault codes, by `STATION:CODE`; two tables of a station must not differ."""
    found: dict[str, Texts] = {}
    for station in stations:
        for number, fault in enumerate(station.shape.signals.fault_code):
            table = tables.get(fault.alarms or "", AlarmTable())
            for said, texts in table.texts.items():
                if found.setdefault(fault_key(station.path, said), texts) != texts:
                    what = f"the code {said} has another text in another alarm table of this station"
                    place = station.origin("signals", "fault_code", number)
                    findings.problem(place, what, "give each code of a station one text", station=station.path)
    return found


def word_bits(
    station: Resolved, within: Place, shape: FaultShape, table: AlarmTable, tag: Tag, findings: Findings
) -> int:
    """How many bits one element of an alarm word has; reports what is none, or lacks a bit of the table."""
    if shape.conditions is not None and table.bits:
        what = f"the alarm table {shape.alarms} has `bits`, and alarms by `conditions` are no alarm word"
        remedy = "name a table with `codes` or `csv`, whose codes are those of the alarms"
        findings.problem(station.origin(*within, "alarms"), what, remedy, station=station.path)
    if isinstance(tag, ModbusTag) and shape.word_bits is not None:
        what, remedy = "`word_bits` is of an array on OPC UA", "delete it: `type` says how many bits there are"
        findings.problem(station.origin(*within, "word_bits"), what, remedy, station=station.path)
    field = None if tag.bits is None else tag.bits[1] - tag.bits[0] + 1
    if not table.bits:
        return shape.word_bits or 16
    _check_unscaled(station, within, tag, findings)
    if not isinstance(tag, ModbusTag):
        return field or shape.word_bits or 16
    if tag.type not in WORDS:
        what, remedy = f"{tag.type} is no alarm word", "read whole registers: `type: uint16`, or coils by `table: coil`"
        findings.problem(station.origin(*within, "type"), what, remedy, station=station.path)
        return 16
    bits, highest = bits_of(tag), max(bit for bit, _ in table.bits)
    if highest >= bits:
        what = f"the alarm table {shape.alarms} names bit {highest}; this tag has the bits 0 to {bits - 1}"
        remedy = "correct the bit, or read more by `count`: words of 16 bits, or coils"
        if tag.addresses:
            remedy = "correct the bit; registers that are not neighbours may be places of their own, in a list"
        findings.problem(station.origin(*within, "alarms"), what, remedy, station=station.path)
    return bits // tag.count


def _check_unscaled(station: Resolved, within: Place, tag: Tag, findings: Findings) -> None:
    """A word that is multiplied has its bits at other places."""
    powered = isinstance(tag, ModbusTag) and tag.scale_address is not None
    scaled = [("scale", tag.scale != 1), ("offset", tag.offset != 0), ("scale_address", powered)]
    for key in (key for key, is_given in scaled if is_given):
        what = f"`{key}` moves the bits of an alarm word"
        findings.problem(station.origin(*within, key), what, "delete it", station=station.path)


def _table(shape: AlarmTableShape, place: Place, findings: Findings) -> AlarmTable:
    if not shape.bits and not shape.codes and shape.csv is None:
        given = sorted(shape.model_fields_set & {"bits", "codes"})  # a mistake in these is no empty table
        findings.problem(
            (*place, *given[:1]), "the alarm table is empty", "give `bits`, `codes` with their texts, or a `csv` file"
        )
    bits: dict[int, str | None] = {}
    texts: dict[str, Texts] = {}
    for number, row in enumerate(shape.bits):
        here = (*place, "bits", number)
        if row.bit in bits:
            findings.problem(here, f"bit {row.bit} is given twice", "give each bit once, or correct its number")
        said = None if row.code is None else code(row.code)
        bits.setdefault(row.bit, said or None)
        _take_text(texts, said or "", row, here, findings)
    for raw, text in shape.codes.items():
        _take_text(texts, code(raw), text, (*place, "codes", raw), findings)
    if shape.csv is not None:
        vendors = _vendors(shape.csv, shape.encoding, (*place, "csv"), findings)
        texts = {**vendors.texts, **texts}
        bits = {**bits, **{bit: said for bit, said in vendors.bits.items() if bit not in bits}}
    said_of = {row.bit: bool(row.is_) for row in shape.bits if row.is_ is not None}
    return AlarmTable(tuple(bits.items()), said_of, texts)


def fail_safe(table: AlarmTable, shape: FaultShape) -> frozenset[int]:
    """The bits that are a fault while they are not set: by their table, else by the place where they are read."""
    usual = True if shape.is_ is None else bool(shape.is_)
    return frozenset(bit for bit, _ in table.bits if not table.set_is_fault.get(bit, usual))


def _vendors(named: str, encoding: str, place: Place, findings: Findings) -> FaultTexts:
    """The texts and bits of a CSV file; those that stand in the plant's file itself go before them."""
    path = Path(findings.source.file).parent / named
    found = fault_texts(path, encoding)
    for line, what, remedy in found.mistakes:
        findings.problem_in(str(path), line, place, what, remedy)
    return found


def _take_text(texts: dict[str, Texts], said: str, row: AlarmTextShape, place: Place, findings: Findings) -> None:
    """A code has one text: without any it takes the one that stands elsewhere in the table."""
    given = {language: text for language in LANGUAGES if (text := getattr(row, language)) is not None}
    if given and not said:
        findings.problem(place, "a text stands here without a code", "add `code`, by which reasons name the fault")
    elif given and texts.setdefault(said, given) != given:
        findings.problem(place, f"the code {said} has another text above", "give each code one text, and give it once")
