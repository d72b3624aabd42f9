"""From a plant's file to values: BCD, numbers apart, powers of ten, no value, bits and texts of a foreign device."""

from pathlib import Path

import pytest
from modbus_servers import ForeignDevice, device, watched

from adapters.reading import ControllerId, Quality, TagId
from adapters.settings import ModbusTag, ModbusTcpController
from mes.config.load import load

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
