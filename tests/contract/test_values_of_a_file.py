"""From a plant's file to values: BCD, numbers apart, powers of ten, no value, bits and texts, numbers of manuals."""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from collected_plant import collected, events, once
from modbus_servers import Device, ForeignDevice, OurDevice, device, watched

from adapters.errors import ControllerMisconfigured
from adapters.reading import ControllerId, Quality, TagId
from adapters.settings import ModbusTag, ModbusTcpController
from mes.config.load import load
from mes.journal import Journal
from mes.model import CountFlag, UnitsCounted

pytestmark = pytest.mark.timeout(60)

PLANT = """
site:
  name: plant
  time_zone: Asia/Qostanay
  calendar: {{shifts: [{{name: all, days: [mon, tue, wed, thu, fri, sat, sun], start: "00:00", end: "00:00"}}]}}
products: {{A: {{name: Model A, assembly_method: CKD, raw: [A, 1]}}}}
state_maps: {{codes: {{numbers: {{0: idle, 1: producing}}}}}}
controllers:
  plc: {{kind: modbus-tcp, host: 127.0.0.1, port: {port}, numbering: manual, poll_interval_ms: 20}}
areas: {{weld: {{lines: {{l1: {{stations: {{st: {{
  controller: plc, ideal_cycle_s: {{any: 30}},
  signals: {{
    state: {{address: 40101, bits: 0-3, map: codes}},
    fault_code: {{address: 40101, bits: 4-11}},
    good_count: {{address: "4x102", type: bcd16, max_per_hour: 1000}},
    total_count: {{addresses: [400104, 400120], type: uint32, max_per_hour: 1000}},
    unit_id: {{address: 0x6E, type: string, length: 5, charset: cp1251}},
    process: {{
      off: {{address: 40201, type: int16, scale: 0.1, no_value: 0x8000, unit_symbol: C}},
      nan: {{address: 40202, type: float32, unit_symbol: bar}},
      power: {{address: 40210, scale_address: 40215, unit_symbol: kW}}}}}}}}}}}}}}}}}}
journal: {{path: journal.sqlite}}
web: null
"""
REGISTERS = {
    100: [0x0471],
    101: [0x0010],
    103: [0x0001],
    119: [0x0002],
    110: [0xCAF3, 0xE7EE, 0xE200],
    200: [0x8000],
    201: [0x7FC0, 0],
    209: [2153],
    214: [0xFFFF],
}


async def test_a_foreign_device_s_registers_are_what_the_file_says(tmp_path: Path) -> None:
    """Ten in BCD is ten, 0x8000 is no temperature, NaN no pressure; 40101 of the manual is the first of them."""
    async with device("foreign") as plc:
        assert isinstance(plc, ForeignDevice)
        for address, words in REGISTERS.items():
            plc.write(address, words)
        file = tmp_path / "plant.yaml"
        file.write_text(PLANT.format(port=plc.port), encoding="utf-8")
        config, controller = load(file).config, ControllerId("plc")
        settings = config.controllers[controller]
        assert isinstance(settings, ModbusTcpController)
        tags = {str(name): tag for name, tag in config.tags[controller].items() if isinstance(tag, ModbusTag)}
        async with watched(settings, tags) as seen:
            first = {reading.tag: reading for reading in (await seen.batch()).readings}
            plc.write(200, [0xFF38])
            second = await seen.news()

    station = "plant/weld/l1/st"
    assert {str(tag).removeprefix(f"{station}:"): reading.value for tag, reading in first.items()} == {
        "state": 1,
        "fault_code": 0x47,
        "good_count": 10,
        "total_count": 65538,
        "unit_id": "Кузов",
        "process.off": None,
        "process.nan": None,
        "process.power": 215.3,
    }
    assert first[TagId(f"{station}:process.off")].quality is Quality.BAD
    assert [reading.value for reading in second.readings] == [-20.0]


SHORT = """
site:
  name: plant
  time_zone: Asia/Qostanay
  calendar: {{shifts: [{{name: all, days: [mon, tue, wed, thu, fri, sat, sun], start: "00:00", end: "00:00"}}]}}
products: {{A: {{name: Model A, assembly_method: CKD, raw: [A, 1]}}}}
state_maps: {{codes: {{numbers: {{0: idle, 1: producing}}}}}}
controllers:
  plc: {{kind: modbus-tcp, host: 127.0.0.1, port: {port}, numbering: {numbering}, poll_interval_ms: 20}}
areas: {{weld: {{lines: {{l1: {{stations: {{st: {{
  controller: plc, ideal_cycle_s: {{any: 30}},
  signals: {{{signals}}}}}}}}}}}}}}}
journal: {{path: journal.sqlite}}
web: null
"""


def port_of(plc: Device) -> int:
    """Where a device of ours listens."""
    assert isinstance(plc, OurDevice)
    return plc.server.port


def tags_of(file: Path) -> tuple[ModbusTcpController, Mapping[str, ModbusTag]]:
    """The one controller of a plant's file, and its tags without the station's name."""
    config, controller = load(file).config, ControllerId("plc")
    settings = config.controllers[controller]
    assert isinstance(settings, ModbusTcpController)
    tags = {name.partition(":")[2]: tag for name, tag in config.tags[controller].items() if isinstance(tag, ModbusTag)}
    return settings, tags


def words_of(raw: bytes, order: str) -> list[int]:
    """The registers of a number, most significant byte first, in the order that the file names."""
    words = struct.unpack(f"{'<' if order in ('BADC', 'DCBA') else '>'}{len(raw) // 2}H", raw)
    return list(words[::-1] if order in ("CDAB", "DCBA") else words)


def bcd(number: int, digits: int) -> bytes:
    """Four bits for each decimal digit."""
    return bytes.fromhex(f"{number:0{digits}}")


WRITERS: Mapping[str, Callable[[int], bytes]] = {
    "bcd16": lambda number: bcd(number, 4),
    "bcd32": lambda number: bcd(number, 8),
    "int32": struct.Struct(">i").pack,
    "uint64": struct.Struct(">Q").pack,
    "float32": struct.Struct(">f").pack,
}


@pytest.mark.parametrize("order", ["ABCD", "CDAB", "BADC", "DCBA"])
@pytest.mark.parametrize(
    ("type_", "first", "modulus"),
    [
        ("bcd16", 8, None),
        ("bcd16", 98, None),
        ("bcd16", 9998, 10_000),
        ("bcd32", 9998, None),
        ("bcd32", 99_999_998, 10**8),
        ("int32", 65_534, None),
        ("uint64", 2**40 - 2, None),
        ("float32", 65_534, 10**6),
        ("float32", 999_998, 10**6),
    ],
)
async def test_each_unit_of_a_totaliser_is_counted_once(
    tmp_path: Path, type_: str, first: int, modulus: int | None, order: str
) -> None:
    """A totaliser of any type goes on by one, over its carry or its end: each step is one unit."""
    write = WRITERS[type_]
    count = f"address: 101, type: {type_}, order: {order}, max_per_hour: 100000"
    count += "" if modulus is None else f", modulus: {modulus}"
    signals = f"state: {{address: 100, map: codes}}, good_count: {{{count}}}"
    shown = [(first + step) % (modulus or 2**63) for step in range(4)]
    async with device("tcp") as plc:
        plc.write(101, words_of(write(shown[0]), order))
        text = SHORT.format(port=port_of(plc), numbering="wire", signals=signals)
        async with collected(tmp_path, text) as journal:
            for number, value in enumerate(shown, start=1):
                plc.write(101, words_of(write(value), order))
                counted = await once(journal, units, number)

    turn = {True: CountFlag.ROLLOVER, False: CountFlag.NORMAL}
    expected = [(0, shown[0], CountFlag.BASELINE)] + [(1, value, turn[value == 0]) for value in shown[1:]]
    assert [(event.delta, event.raw, event.flag) for event in counted] == expected


async def units(journal: Journal) -> list[UnitsCounted]:
    """What the journal says of counts."""
    return [event for event in await events(journal) if isinstance(event, UnitsCounted)]


SENTINELS = {  # what a device shows when it has no value, as the file says it, and a value that it may have
    "uint16": (b"\xff\xff", "0xFFFF", struct.pack(">H", 1007), 1007),
    "int16": (b"\x80\x00", "0x8000", struct.pack(">h", -200), -200),
    "uint32": (b"\xff\xff\xff\xff", "4294967295", struct.pack(">I", 1007), 1007),
    "int32": (b"\x80\x00\x00\x00", "-2147483648", struct.pack(">i", -200), -200),
    "uint64": (8 * b"\xff", "0xFFFFFFFFFFFFFFFF", struct.pack(">Q", 1007), 1007),
    "int64": (b"\x80" + bytes(7), "-9223372036854775808", struct.pack(">q", -200), -200),
    "float32": (struct.pack(">f", -9999.9), "-9999.9", struct.pack(">f", 21.5), 21.5),
    "float64": (struct.pack(">d", -9999.9), "-9999.9", struct.pack(">d", 21.5), 21.5),
    "bcd16": (b"\x99\x99", "9999", bcd(42, 4), 42),
    "bcd32": (b"\x99\x99\x99\x99", "99999999", bcd(42, 8), 42),
}
NOT_FINITE = {  # of a float: no value, though the file does not say so
    "float32": [b"\x7f\xc0\x00\x00", struct.pack(">f", float("inf")), struct.pack(">f", float("-inf"))],
    "float64": [b"\x7f\xf8" + bytes(6), struct.pack(">d", float("inf")), struct.pack(">d", float("-inf"))],
}
SIGNS = [(type_, shown, f", no_value: {said}") for type_, (shown, said, *_) in SENTINELS.items()]
SIGNS += [(type_, shown, "") for type_, several in NOT_FINITE.items() for shown in several]


@pytest.mark.parametrize("order", ["ABCD", "CDAB", "BADC", "DCBA"])
async def test_what_a_device_shows_without_a_value_is_none(tmp_path: Path, order: str) -> None:
    """For each type in each order: the sign of no value is bad and never a number; the next value is good."""
    process = ", ".join(
        f"p{place}: {{address: {104 + 4 * place}, type: {type_}, order: {order}, unit_symbol: C{no_value}}}"
        for place, (type_, _, no_value) in enumerate(SIGNS)
    )
    count = "good_count: {address: 101, max_per_hour: 1000}"
    signals = f"state: {{address: 100, map: codes}}, {count}, process: {{{process}}}"
    async with device("tcp") as plc:
        for place, (_, shown, _) in enumerate(SIGNS):
            plc.write(104 + 4 * place, words_of(shown, order))
        file = tmp_path / "plant.yaml"
        file.write_text(SHORT.format(port=port_of(plc), numbering="wire", signals=signals), encoding="utf-8")
        settings, tags = tags_of(file)
        async with watched(settings, tags) as seen:
            without = {str(reading.tag): reading.quality for reading in (await seen.batch()).readings}
            present: dict[str, object] = {}
            for place, (type_, *_) in enumerate(SIGNS):
                plc.write(104 + 4 * place, words_of(SENTINELS[type_][2], order))
            while len(present) < len(SIGNS):
                present |= {str(reading.tag): reading.value for reading in (await seen.news()).readings}

    measured = {f"process.p{place}": SENTINELS[type_][3] for place, (type_, *_) in enumerate(SIGNS)}
    assert without == {"state": Quality.GOOD, "good_count": Quality.GOOD, **dict.fromkeys(measured, Quality.BAD)}
    assert present == measured


@pytest.mark.parametrize(
    ("number", "table", "address"), [(40101, "holding", 100), (30150, "input", 149), (40201, "holding", 200)]
)
async def test_a_number_of_a_manual_is_told_or_taken_as_one(
    tmp_path: Path, number: int, table: str, address: int
) -> None:
    """On the wire the device has no such register: the refusal says which one is meant. With `numbering` it is read."""
    signals = f"state: {{address: {number}, table: {table}, map: codes}}, "
    signals += f"good_count: {{address: {number + 1}, table: {table}, max_per_hour: 1000}}"
    file = tmp_path / "plant.yaml"
    async with device("tcp") as plc:
        plc.write(address, [1, 77])
        file.write_text(SHORT.format(port=port_of(plc), numbering="wire", signals=signals), encoding="utf-8")
        settings, tags = tags_of(file)
        async with watched(settings, tags) as seen:
            with pytest.raises(ControllerMisconfigured, match=f"{number} of a manual is {address} here"):
                await seen.end()
        file.write_text(SHORT.format(port=port_of(plc), numbering="manual", signals=signals), encoding="utf-8")
        settings, tags = tags_of(file)
        async with watched(settings, tags) as seen:
            found = {str(reading.tag): reading.value for reading in (await seen.batch()).readings}

    assert found == {"state": 1, "good_count": 77}
