"""From a plant's file to states: coils, discrete inputs and status words of a device of an independent stack."""

from pathlib import Path

import pytest
from collected_plant import collected, events, once
from modbus_servers import Device, ForeignDevice, device

from mes.journal import Journal
from mes.model import FaultCleared, FaultRaised, StateChanged

pytestmark = pytest.mark.timeout(60)

PLANT = """
site:
  name: plant
  time_zone: Asia/Qostanay
  calendar: {{shifts: [{{name: all, days: [mon, tue, wed, thu, fri, sat, sun], start: "00:00", end: "00:00"}}]}}
products: {{A: {{name: Model A, assembly_method: CKD, raw: [A, 1]}}}}
alarm_tables:
  robot: {{bits: [{{bit: 17, code: E117}}, {{bit: 0, code: E101}}, {{bit: 3, code: E103}}]}}
state_maps:
  running: {{numbers: {{true: producing, false: idle}}}}
  inputs: {{bits: [{{bit: 1, state: down}}, {{bit: 2, state: blocked}}, {{bit: 0, state: producing}}], otherwise: idle}}
  word:
    bits:
      - {{bit: 0, is: 0, state: down}}
      - {{bits: 4-7, is: 2, state: setup}}
      - {{bits: 4-7, from: 3, to: 5, state: producing}}
    otherwise: idle
  steps: {{numbers: {{"100-199": producing, 250: blocked}}, otherwise: idle}}
controllers:
  plc: {{kind: modbus-tcp, host: 127.0.0.1, port: {port}, unit: 1, poll_interval_ms: 20}}
areas: {{weld: {{lines: {{l1: {{stations: {{st: {{
  controller: plc, ideal_cycle_s: {{any: 30}},
  signals: {{
    state: {{{state}}},
    fault_code: {fault},
    good_count: {{address: 101, max_per_hour: 1000}}}}}}}}}}}}}}}}
journal: {{path: journal.sqlite}}
web: null
"""
COIL = "{table: coil, address: 40}"
RULES = """rules: [
  {table: coil, address: 20, state: down},
  {table: discrete, address: 21, is: false, state: idle},
  {address: 30, from: 100, to: 199, state: producing, and: [{table: coil, address: 22, is_not: 1}]},
  {address: 31, bit: 3, state: blocked}], otherwise: starved"""


@pytest.mark.parametrize(
    ("state", "written"),
    [
        pytest.param("table: coil, address: 20, map: running", [(20, 1, "producing"), (20, 0, "idle")], id="one coil"),
        pytest.param(
            "table: discrete, address: 20, count: 3, map: inputs",
            [(20, 1, "producing"), (21, 1, "down"), (21, 0, "producing"), (22, 1, "blocked")],
            id="three inputs",
        ),
        pytest.param(
            "address: 30, type: bits, map: word",
            [
                (30, 0x41, "producing"),
                (30, 0x40, "down"),
                (30, 0x21, "setup"),
                (30, 0x51, "producing"),
                (30, 1, "idle"),
            ],
            id="a fail-safe bit and a number of four bits",
        ),
        pytest.param(
            "address: 30, map: steps",
            [(30, 100, "producing"), (30, 250, "blocked"), (30, 199, "producing"), (30, 200, "idle")],
            id="steps of a sequence",
        ),
        pytest.param(
            RULES,
            [
                (21, 1, "starved"),
                (30, 120, "producing"),
                (20, 1, "down"),
                (20, 0, "producing"),
                (31, 0xFFFF, None),
                (30, 99, "blocked"),
                (21, 0, "idle"),
            ],
            id="rules over several tables",
        ),
    ],
)
async def test_the_state_follows_what_the_device_shows(
    tmp_path: Path, state: str, written: list[tuple[int, int, str | None]]
) -> None:
    """Each value that is written becomes the state that the file gives it, once, and in order."""
    async with device("foreign") as plc, collected(tmp_path, _file(plc, state=state)) as journal:
        assert isinstance(plc, ForeignDevice)
        expected = [*await once(journal, _states, 1)]
        for address, value, shown in written:
            plc.write(address, [value])
            expected += [] if shown is None else [shown]
            await once(journal, _states, len(expected))
        assert await _states(journal) == expected
        assert await _faults(journal) == []


@pytest.mark.parametrize(
    ("fault", "written"),
    [
        pytest.param(
            "{alarms: robot, address: 40, count: 2}",
            [(40, [9, 2], ["+E117", "+E101", "+E103"]), (40, [8, 2], ["-E101"]), (40, [0, 0], ["-E117", "-E103"])],
            id="an alarm word of two registers",
        ),
        pytest.param(
            "{alarms: robot, address: 40, table: coil, count: 18}",
            [(40, [1], ["+E101"]), (43, [1], ["+E103"]), (40, [0], ["-E101"])],
            id="coils",
        ),
        pytest.param(
            "{address: 40, count: 3}",
            [(40, [7, 0, 0], ["+7"]), (40, [7, 8, 0], ["+8"]), (40, [8, 0, 9], ["-7", "+9"])],
            id="a list of codes",
        ),
        pytest.param(
            "[{alarms: robot, address: 40, count: 2}, {address: 60}]",
            [(40, [1], ["+E101"]), (60, [7], ["+7"]), (40, [0], ["-E101"])],
            id="two places",
        ),
    ],
)
async def test_all_faults_that_the_device_shows_are_journaled(
    tmp_path: Path, fault: str, written: list[tuple[int, list[int], list[str]]]
) -> None:
    """Each is raised when it comes and cleared when it goes, beside those that stay."""
    async with device("foreign") as plc, collected(tmp_path, _file(plc, fault=fault)) as journal:
        assert isinstance(plc, ForeignDevice)
        await once(journal, _states, 1)
        expected: list[str] = []
        for address, values, changes in written:
            plc.write(address, values)
            expected += changes
            await once(journal, _faults, len(expected))
        assert await _faults(journal) == expected


def _file(plc: Device, *, state: str = "table: coil, address: 20, map: running", fault: str = COIL) -> str:
    """The plant's file, which leads to the device."""
    assert isinstance(plc, ForeignDevice)
    return PLANT.format(port=plc.port, state=state, fault=fault)


async def _states(journal: Journal) -> list[str]:
    return [str(event.state) for event in await events(journal) if isinstance(event, StateChanged)]


async def _faults(journal: Journal) -> list[str]:
    sign = {FaultRaised: "+", FaultCleared: "-"}
    told = [event for event in await events(journal) if isinstance(event, FaultRaised | FaultCleared)]
    return [sign[type(event)] + event.code for event in told]
