"""A plant of one station behind a simulated Modbus device: its file, and what is written to its registers."""

from pathlib import Path

from mes.model import StationId
from simulators.modbus_server import ModbusServer

STATION = StationId("acme/a/l1/st1")
IDLE, PRODUCING, DOWN = 0, 1, 4
STATE_AT, GOOD_AT = 0, 1  # addresses of holding registers

FILE = """
site:
  name: acme
  time_zone: Asia/Qostanay
  calendar: {{shifts: [{{name: day, days: [mon, tue, wed, thu, fri, sat, sun], start: "00:00", end: "23:59"}}]}}
products: {{P: {{name: Part, assembly_method: CKD, raw: [P]}}}}
state_maps: {{m: {{numbers: {{0: idle, 1: producing, 4: down}}}}}}
controllers:
  plc: {{kind: modbus-tcp, host: 127.0.0.1, port: {port}, unit: 1, poll_interval_ms: {poll_ms}}}
areas:
  a:
    lines:
      l1:
        stations:
          st1:
            controller: plc
            ideal_cycle_s: {{any: {ideal_s}}}
            signals:
              state: {{address: 0, type: uint16, map: m}}
              good_count: {{address: 1, type: uint16, modulus: 65536, max_per_hour: {max_per_hour}, reset: allowed}}
journal: {{{journal}}}
web: {web}
"""


def device() -> ModbusServer:
    """A device with the station's two registers; start it to give it a port."""
    return ModbusServer(declared=((STATE_AT, 1), (GOOD_AT, 1)))


def plant_file(folder: Path, port: int) -> Path:
    """Writes the plant's file into `folder`; the journal is `journal.sqlite` beside it."""
    path = folder / "plant.yaml"
    journal = f"path: {folder / 'journal.sqlite'}"
    path.write_text(FILE.format(port=port, poll_ms=200, ideal_s=3, max_per_hour=3600, journal=journal, web="null"))
    return path
